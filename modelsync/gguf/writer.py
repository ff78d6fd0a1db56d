"""Writes small headers, for which llama.cpp plans the same memory as for the whole file."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from modelsync.gguf.header import DEFAULT_ALIGNMENT, Header, Tensor, padded
from modelsync.gguf.magic import MAGIC
from modelsync.gguf.metadata import Array
from modelsync.gguf.types import ARRAY, BOOL, FLOAT32, LITTLE, SCALAR_FORMATS, STRING, UINT32, TensorType

INT32 = 5
_VERSION = 3
_TOKENS = "tokenizer.ggml.tokens"
_TOKEN_TYPES = "tokenizer.ggml.token_type_count"  # noqa: S105 - sizes the token type embeddings of BERT models
_OTHER_FAMILIES = ("xielu.",)  # shape keys that llama.cpp reads without the architecture before them

Item: TypeAlias = bool | int | float | str
Info: TypeAlias = tuple[str, tuple[int, ...], TensorType]


class HeaderFile(NamedTuple):
    """A sparse file: a header, and a hole in place of the tensor data."""

    header: bytes
    size: int  # of the whole file, bytes


def write_header(metadata: Mapping[str, Item | Sequence[Item]], tensors: Iterable[Info]) -> HeaderFile:
    """Writes a header.

    Args:
        metadata: An integer is written as a uint32 (a negative one as an int32), a float as a float32.
        tensors: Name, shape and type of each, in order; offsets are computed.
    """
    return _assembled([_entry(key, value) for key, value in metadata.items()], tensors)


def minimal_header(header: Header) -> HeaderFile:
    """Reduces a header to what decides memory: the architecture, its own keys, and the tensors.

    Loaded with `no_alloc`, it gives llama.cpp the same buffers as the full one. The vocabulary is replaced by its
    size (`no_vocab`), so that 16 MB become 10 to 60 KB.

    Raises:
        ValueError: the header has no architecture, or is big-endian.
    """
    architecture = header.architecture
    if not architecture:
        raise ValueError("a header without `general.architecture` cannot be reduced")
    if header.big_endian:
        raise ValueError("llama.cpp does not load a big-endian header")
    prefixes = (f"{architecture}.", *_OTHER_FAMILIES)
    vocabulary = f"{architecture}.vocab_size"
    metadata = header.metadata
    entries = [_entry("general.architecture", architecture), _entry("tokenizer.ggml.model", "no_vocab")]
    size = vocabulary_size(header)
    if size is not None:
        entries.append(_entry(vocabulary, size))
    if _TOKEN_TYPES in metadata:
        entries.append(bytes(metadata.encoded(_TOKEN_TYPES)))
    entries += [
        bytes(metadata.encoded(key)) for key in metadata if key.startswith(prefixes) and key != vocabulary
    ]
    return _assembled(entries, ((tensor.name, tensor.shape, tensor.type) for tensor in header.tensors))


def vocabulary_size(header: Header) -> int | None:
    """The size of the vocabulary: from the list of tokens, the architecture's key, or the rows of the embedding."""
    tokens = header.metadata.get(_TOKENS)
    if isinstance(tokens, Array):
        return len(tokens)
    stated = header.number("vocab_size")
    if stated is not None:
        return stated
    shapes = (tensor.shape for tensor in header.tensors if tensor.name == "token_embd.weight")
    return next((shape[1] for shape in shapes if len(shape) > 1), None)


def _assembled(entries: Sequence[bytes], tensors: Iterable[Info]) -> HeaderFile:
    infos = []
    offset = 0
    for name, shape, kind in tensors:
        raw = name.encode()
        infos.append(
            struct.pack(f"<Q{len(raw)}sI{len(shape)}Q", len(raw), raw, len(shape), *shape)
            + struct.pack("<IQ", kind.id, offset)
        )
        offset = padded(offset + Tensor(name, shape, kind, 0).nbytes, DEFAULT_ALIGNMENT)
    start = MAGIC + struct.pack("<IQQ", _VERSION, len(infos), len(entries))
    header = b"".join((start, *entries, *infos))
    return HeaderFile(header, padded(len(header), DEFAULT_ALIGNMENT) + offset)


def _entry(key: str, value: Item | Sequence[Item]) -> bytes:
    if isinstance(value, str | int | float):
        kind = _kind(value)
        return _string(key) + struct.pack("<I", kind) + _item(value, kind)
    kind = UINT32 if not value else max(map(_kind, value))
    items = b"".join(_item(item, kind) for item in value)
    return _string(key) + struct.pack("<IIQ", ARRAY, kind, len(value)) + items


def _kind(value: Item) -> int:
    if isinstance(value, str):
        return STRING
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, float):
        return FLOAT32
    return UINT32 if value >= 0 else INT32


def _item(value: Item, kind: int) -> bytes:
    return _string(value) if isinstance(value, str) else struct.pack(LITTLE + SCALAR_FORMATS[kind], value)


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw
