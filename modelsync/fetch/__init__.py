"""Wanted files become verified blobs in the store."""
