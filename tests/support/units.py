"""Sizes in bytes."""

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30
