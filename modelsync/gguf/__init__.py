"""GGUF files: what their bytes say. Pure."""
