"""Reads sizes from llama.cpp's log of a load that allocates nothing. Pure.

The log has MiB with two digits, so each number is right to 5.2 KB. A load that allocates nothing logs weights as 0. It
does name the buffers that would hold them, and the tensors that are left out.
"""

import re
from typing import NamedTuple

_MIB = 1 << 20
ROUNDING = _MIB // 200 + 1  # bytes; at most this far is a logged number from the real one
_CACHE = re.compile(r"^\S*(?:kv_cache|memory_recurrent)\S*: size =\s+([0-9.]+) MiB", re.MULTILINE)
_COMPUTE = re.compile(r"^\S+:\s+(\S+)\s+compute buffer size =\s+([0-9.]+) MiB", re.MULTILINE)
_WEIGHTS = re.compile(r"^\S+:\s+(\S+)\s+model buffer size =", re.MULTILINE)
_UNUSED = re.compile(r"model has unused tensor .* \(size = ([0-9]+) bytes\)")
_ERROR = re.compile(
    r"^.*\b(?:error|failed|unknown model architecture|unsupported|invalid|missing)\b.*$",
    re.MULTILINE | re.IGNORECASE,
)


class Logged(NamedTuple):
    """The sizes that a log has.

    Attributes:
        caches: Bytes of each cache: one of keys and values, one of its windowed layers, one of states.
        compute: Bytes of the compute buffers, by the buffer's name: `CPU`, `CUDA0`, `CUDA_Host`. The same name may
            come twice. A device with almost nothing is not logged.
        weights: The names of the buffers that hold weights.
        unused: Bytes of the file's tensors that are not loaded.
    """

    caches: tuple[int, ...]
    compute: tuple[tuple[str, int], ...]
    weights: frozenset[str]
    unused: int


def logged(log: str) -> Logged:
    """The sizes that llama.cpp's log has."""
    return Logged(
        tuple(map(_bytes, _CACHE.findall(log))),
        tuple((name, _bytes(number)) for name, number in _COMPUTE.findall(log)),
        frozenset(_WEIGHTS.findall(log)),
        sum(map(int, _UNUSED.findall(log))),
    )


def complaint(log: str) -> str | None:
    """The first error in llama.cpp's log; None if there is none."""
    lines = _ERROR.findall(log)
    return lines[0].strip() if lines else None


def _bytes(mib: str) -> int:
    return round(float(mib) * _MIB)
