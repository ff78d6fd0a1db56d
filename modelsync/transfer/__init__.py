"""Bytes from a URL, or a local file, into a partial file that a kill or a power cut cannot spoil."""
