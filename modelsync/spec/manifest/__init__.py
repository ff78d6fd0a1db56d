"""The manifest: its values, read and edited. Pure."""
