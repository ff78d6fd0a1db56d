"""Small files of many kinds, made byte by byte: what applications pin besides GGUF."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile

PICKLE = pickle.dumps({"weights": [1.0, 2.0]}, 2)
WHISPER = b"lmgg" + struct.pack("<11i", 51865, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1) + bytes(64)
CTRANSLATE2 = struct.pack("<IH", 6, 12) + b"WhisperSpec\0" + struct.pack("<II", 3, 0) + bytes(32)
PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 5\n"


def safetensors(data: bytes = bytes(8)) -> bytes:
    """A file with one tensor."""
    said = {"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}
    text = json.dumps(said).encode()
    return struct.pack("<Q", len(text)) + text + data


def numpy(descr: str = "<f4", data: bytes = bytes(8)) -> bytes:
    """An array of two numbers."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,), }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def onnx(external: str = "") -> bytes:
    """A model with one tensor, which may be in another file."""
    tensor = _field(8, b"w")
    if external:
        tensor += _field(13, _field(1, b"location") + _field(2, external.encode())) + b"\x70\x01"
    else:
        tensor += _field(9, bytes(16))
    return b"\x08\x0a" + _field(2, b"us") + _field(7, _field(5, tensor)) + _field(8, b"\x10\x15")


def _field(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes((number << 3 | 2, len(data))) + data


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members: dict[str, bytes], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of these members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


TORCH = zipped({"archive/data.pkl": PICKLE, "archive/data/0": bytes(8), "archive/version": b"3\n"})
NEMO = tarred({"./model_config.yaml": b"a: 5\n", "./model_weights.ckpt": TORCH})
NEMO_PACKED = gzip.compress(NEMO, mtime=0)
