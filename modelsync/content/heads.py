"""Tells the kind of a file from its first bytes. Pure.

Sources: the specifications of GGUF, safetensors, NumPy, zip, gzip, bzip2, xz, LZ4, zstd, HDF5 and TensorFlow Lite;
`whisper.cpp` for GGML models; `model_spec.py` of CTranslate2.
"""

import struct

from modelsync.content import safetensors
from modelsync.content.findings import Kind
from modelsync.content.numpy_array import MAGIC as NUMPY
from modelsync.gguf.magic import MAGIC as GGUF

HEAD = 512  # bytes that tell most kinds; a tar has its magic near their end

_GGML = b"lmgg"
_CTRANSLATE2_VERSIONS = range(2, 16)  # 6 is the newest now
_MAGICS: tuple[tuple[bytes, Kind], ...] = (
    (GGUF, "gguf"),
    (_GGML, "ggml"),
    (NUMPY, "numpy"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
)
_WEB = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body")
_TAR_SUM = slice(148, 156)


def kind_of(head: bytes, size: int) -> Kind:
    """The kind of a file, of which these are the first bytes; pickles and ONNX models are "unknown" here.

    Args:
        head: At least `HEAD` bytes, or all of a shorter file.
        size: Bytes of the whole file.
    """
    if not size:
        return "empty"
    if is_tar(head):  # first: a tar begins with the name of its first member, which may be any magic
        return "tar"
    for magic, kind in _MAGICS:
        if head.startswith(magic):
            return kind
    if head[4:8] == b"TFL3":
        return "tflite"
    if packing(head) is not None:
        return "packed"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    if text.startswith(_WEB):
        return "web-page"
    if text.startswith(b"version https://git-lfs"):
        return "lfs-pointer"
    if safetensors.begins(head, size):
        return "safetensors"
    if _is_ctranslate2(head):
        return "ctranslate2"
    return "json" if text.startswith((b"{", b"[")) else "unknown"


def is_packed(head: bytes) -> bool:
    """Whether a file is compressed for certain: two bytes of zlib and of the old LZMA format may be chance."""
    return packing(head) not in (None, "zlib", "lzma")


def packing(head: bytes) -> str | None:
    """How a file is compressed, as its first bytes say; None if it is not."""
    for magic, name in (
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\x02\x21\x4c\x18", "lz4"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
        (b"ZF0x", "zfile"),
    ):
        if head.startswith(magic):
            return name
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "bzip2"
    if head[:1] == b"\x78" and len(head) > 2 and int.from_bytes(head[:2], "big") % 31 == 0:
        return "zlib"  # uncertain: whether it unpacks tells
    if head[:2] == b"\x5d\x00" and len(head) > 13:
        return "lzma"  # as uncertain
    return None


def is_tar(head: bytes) -> bool:
    """Whether a file begins with the header of a tar's member."""
    return len(head) >= HEAD and is_header(head[:HEAD])


def is_header(block: bytes) -> bool:
    """Whether the checksum of a tar's header is right: of unsigned bytes, or of signed ones as of old."""
    field = block[_TAR_SUM]
    try:
        if field[0] in (0x80, 0xFF):  # binary, as GNU tar has large numbers
            said = int.from_bytes(field[1:], "big")
        else:
            said = int(field.partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        return False
    counted = block[:148] + block[156:512]
    unsigned = 256 + sum(counted)
    return said in (unsigned, unsigned - 256 * sum(each > 0x7F for each in counted))


def _is_ctranslate2(head: bytes) -> bool:
    """u32 version, u16 length with its zero, the name of a specification, u32 revision."""
    if len(head) < 16:
        return False
    version, length = struct.unpack("<IH", head[:6])
    name = head[6 : 6 + length]
    return (
        version in _CTRANSLATE2_VERSIONS
        and 4 <= length <= 64
        and name.endswith(b"Spec\0")
        and name[:-1].isalnum()
    )
