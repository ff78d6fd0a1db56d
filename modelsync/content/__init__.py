"""What a file's bytes say it is, and whether it can run code when it is loaded. Pure: bytes come through a `View`."""
