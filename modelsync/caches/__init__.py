"""Caches of other tools on this machine: where they are, and which of their files may have wanted bytes."""
