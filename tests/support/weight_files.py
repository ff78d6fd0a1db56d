"""GGUF files of random tensors, and newer versions of them: what an update is made of."""

import random
import struct
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from modelsync.gguf.header import Tensor, padded
from modelsync.gguf.types import BY_NAME, TensorType


class Weights(NamedTuple):
    """A tensor: its type, its shape, and its bytes."""

    kind: TensorType
    shape: tuple[int, ...]
    data: bytes


def weights(seed: object, rows: int, kind: str = "Q8_0", width: int = 256) -> Weights:
    """A tensor of random bytes."""
    stored = BY_NAME[kind]
    size = Tensor("", (width, rows), stored, 0).nbytes
    return Weights(stored, (width, rows), random.Random(str(seed)).randbytes(size))


def gguf_of(tensors: Mapping[str, Weights], metadata: Mapping[str, str] = {}, alignment: int = 32) -> bytes:
    """The file, tensors in their order."""
    entries = [_text("general.architecture") + struct.pack("<I", 8) + _text("llama")]
    entries += [_text(key) + struct.pack("<I", 8) + _text(value) for key, value in metadata.items()]
    if alignment != 32:
        entries.append(_text("general.alignment") + struct.pack("<II", 4, alignment))
    infos, data = [], bytearray()
    for name, (kind, shape, raw) in tensors.items():
        dims = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        infos.append(_text(name) + dims + struct.pack("<IQ", kind.id, len(data)))
        data += raw.ljust(padded(len(raw), alignment), b"\0")
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries)) + b"".join((*entries, *infos))
    return head.ljust(padded(len(head), alignment), b"\0") + bytes(data)


@cache
def large(seed: int = 0) -> Mapping[str, Weights]:
    """300 tensors, 64 MiB: 33 blocks of seven matrices and two norms, and what stands around them."""
    made = {"token_embd.weight": weights(f"{seed} embedding", 12_000)}
    for block in range(33):
        for number, name in enumerate(("attn_q", "attn_k", "attn_v", "attn_output", "gate", "up", "down")):
            made[f"blk.{block}.{name}.weight"] = weights(f"{seed} {block} {name}", 800 + 50 * number)
        for name in ("attn_norm", "ffn_norm"):
            made[f"blk.{block}.{name}.weight"] = weights(f"{seed} {block} {name}", 4, "F32")
    made["output_norm.weight"] = weights(f"{seed} norm", 4, "F32")
    made["output.weight"] = weights(f"{seed} output", 12_000)
    return made


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw
