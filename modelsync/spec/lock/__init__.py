"""The lock: its values, as text and back. Pure."""
