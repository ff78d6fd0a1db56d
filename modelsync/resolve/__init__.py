"""From a request to files with digests."""
