"""The manifest and the lock on disk."""
