"""The store: content-addressed blobs on this machine, shared by every project."""
