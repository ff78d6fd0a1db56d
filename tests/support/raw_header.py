"""Headers byte by byte: what a good writer never writes."""

import struct


def string(text: str | bytes) -> bytes:
    """A length and the bytes."""
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key: str | bytes, kind: int, value: bytes) -> bytes:
    """A metadata entry."""
    return string(key) + struct.pack("<I", kind) + value


def array(kind: int, count: int, items: bytes) -> bytes:
    """The value of an array."""
    return struct.pack("<IQ", kind, count) + items


def info(
    name: str | bytes, shape: tuple[int, ...], kind: int, offset: int, dimensions: int | None = None
) -> bytes:
    """A tensor info."""
    count = len(shape) if dimensions is None else dimensions
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", count, *shape, kind, offset)


def header(
    entries: tuple[bytes, ...] = (),
    infos: tuple[bytes, ...] = (),
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A header; `counts` (tensors, entries) tell what is not so."""
    tensors, keys = counts or (len(infos), len(entries))
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys) + b"".join(entries) + b"".join(infos)
