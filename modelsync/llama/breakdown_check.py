"""Checks the numbers that were read from llama.cpp. Pure."""

import re
from typing import NamedTuple

from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import HeaderFile, Item, write_header
from modelsync.memory.load_settings import LoadSettings

_MIB = 1 << 20
_CACHE = re.compile(r"^\S*(?:kv_cache|memory_recurrent)\S*: size =\s+([0-9.]+) MiB", re.MULTILINE)
_COMPUTE = re.compile(r"compute buffer size =\s+([0-9.]+) MiB", re.MULTILINE)
_ERROR = re.compile(
    r"^.*\b(?:error|failed|unknown model architecture|unsupported|invalid|missing)\b.*$",
    re.MULTILINE | re.IGNORECASE,
)


class Sums(NamedTuple):
    """Bytes of all buffers together."""

    weights: int
    cache: int
    compute: int


def known_header() -> HeaderFile:
    """The header of a small llama model whose weights and cache are computed by hand."""
    width, keys, feed, vocabulary = 512, 128, 1792, 1024
    half, full = BY_NAME["F16"], BY_NAME["F32"]
    metadata: dict[str, Item] = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "no_vocab",
        "llama.vocab_size": vocabulary,
        "llama.context_length": 4096,
        "llama.embedding_length": width,
        "llama.block_count": 2,
        "llama.feed_forward_length": feed,
        "llama.attention.head_count": 8,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": 64,
    }
    tensors = [
        ("token_embd.weight", (width, vocabulary), half),
        ("output_norm.weight", (width,), full),
        ("output.weight", (width, vocabulary), half),
    ]
    for block in ("blk.0", "blk.1"):
        tensors += [
            (f"{block}.attn_norm.weight", (width,), full),
            (f"{block}.attn_q.weight", (width, width), half),
            (f"{block}.attn_k.weight", (width, keys), half),
            (f"{block}.attn_v.weight", (width, keys), half),
            (f"{block}.attn_output.weight", (width, width), half),
            (f"{block}.ffn_norm.weight", (width,), full),
            (f"{block}.ffn_gate.weight", (width, feed), half),
            (f"{block}.ffn_up.weight", (width, feed), half),
            (f"{block}.ffn_down.weight", (feed, width), half),
        ]
    return write_header(metadata, tensors)


KNOWN_SETTINGS = LoadSettings("self-test", context=1024, flash_attention=True)
KNOWN = Sums(
    weights=2 * 1024 * 512 * 2
    + 512 * 4
    + 2 * (2 * 512 * 4 + 2 * (2 * 512 * 512 + 2 * 128 * 512 + 3 * 1792 * 512)),
    cache=1024 * 2 * (128 + 128) * 2,
    compute=16_267_264,  # of one version of llama.cpp; others may differ
)


def self_test(sums: Sums, log: str) -> str | None:
    """What is wrong with the answer for the known header; None if it is right."""
    if sums[:2] != KNOWN[:2]:
        return f"the known model was read as {sums.weights} + {sums.cache} bytes, not {KNOWN.weights} + {KNOWN.cache}"
    if not KNOWN.compute / 2 < sums.compute < KNOWN.compute * 2:
        return f"the known model's buffer was read as {sums.compute} bytes"
    return disagreement(sums, log)


def disagreement(sums: Sums, log: str) -> str | None:
    """How the sums differ from llama.cpp's log, which has MiB with two digits; None if they agree."""
    for what, size, pattern in (("cache", sums.cache, _CACHE), ("compute", sums.compute, _COMPUTE)):
        logged = [float(number) for number in pattern.findall(log)]
        told = sum(logged) * _MIB
        if not logged and size:
            return f"llama.cpp's log does not give the size of its {what}"
        # each number was rounded, and a device with almost nothing is not logged
        if abs(told - size) > (0.005 * len(logged) + 0.01) * _MIB:
            return f"{size} bytes of {what} were read, and llama.cpp logged {told / _MIB:.2f} MiB"
    return None


def complaint(log: str) -> str | None:
    """The first error in llama.cpp's log; None if there is none."""
    lines = _ERROR.findall(log)
    return lines[0].strip() if lines else None
