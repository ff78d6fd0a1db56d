"""The GGUF file format. Pure."""
