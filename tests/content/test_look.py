"""What a file is, and whether it can run code, is told from its bytes."""

import bz2
import gzip
import io
import lzma
import pickle
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsync.content import packed, tars, zips
from modelsync.content.findings import Content
from modelsync.content.look import look
from modelsync.content.packed import PackedLook
from modelsync.content.view import View, of_bytes
from tests.support import any_files as files

JSON = b'{"version": "1.0"}\n'
GGUF = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)


def seen(data: bytes, path: str = "x") -> Content:
    """What is told of these bytes."""
    return look(of_bytes(data), path)


@pytest.mark.parametrize(
    ("data", "path", "kind"),
    [
        (GGUF, "a.gguf", "gguf"),
        (files.safetensors(), "a.safetensors", "safetensors"),
        (files.safetensors(), "pytorch_model.bin", "safetensors"),
        (files.WHISPER, "ggml-base.en.bin", "ggml"),
        (files.CTRANSLATE2, "model.bin", "ctranslate2"),
        (files.onnx(), "a.onnx", "onnx"),
        (files.onnx(), "a", "onnx"),
        (files.numpy(), "a.npy", "numpy"),
        (files.zipped({"a.npy": files.numpy(), "OUT.npy": files.numpy()}), "a.npz", "zip"),
        (files.zipped({"a.npy": files.numpy()}, zipfile.ZIP_DEFLATED), "a.npz", "zip"),
        (files.zipped({}), "a.zip", "zip"),
        (JSON, "tokenizer.json", "json"),
        (b"\xef\xbb\xbf[1]", "a.json", "json"),
        (b'{"a": 1}\n{"a": 2}\n', "a.json", "json"),
        (files.tarred({"a.onnx": files.onnx(), "b/t.txt": b"cat\ndog\n"}), "a.tar", "tar"),
        (gzip.compress(files.tarred({"a.onnx": files.onnx()}), mtime=0), "a.tar.gz", "packed"),
        (bz2.compress(files.tarred({"a.onnx": files.onnx()})), "a.tar.bz2", "packed"),
        (lzma.compress(files.tarred({"a.onnx": files.onnx()})), "a.tar.xz", "packed"),
        (gzip.compress(b"cat\ndog\n", mtime=0) + gzip.compress(b"more\n", mtime=0), "vocab.gz", "packed"),
        (b"x^ is no zlib stream", "a.txt", "unknown"),
        (b"]\x00 is no LZMA stream at all", "a", "unknown"),
        (b"\x89HDF\r\n\x1a\n" + bytes(9), "a.h5", "hdf5"),
        (b"\0\0\0\0TFL3" + bytes(9), "a.tflite", "tflite"),
        (b"the: cat\n", "config.yaml", "unknown"),
        (bytes(1000), "weights", "unknown"),
        (b"", "a", "empty"),
        (files.PAGE, "a.bin", "web-page"),
        (files.POINTER, "a.bin", "lfs-pointer"),
    ],
)
def test_good_files_are_known(data: bytes, path: str, kind: str) -> None:
    """Each kind is told by its bytes, and nothing speaks against a good file."""
    assert seen(data, path) == Content(kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (files.safetensors()[:-1], "a.safetensors"),
        (b"x", "a.safetensors"),
        (files.onnx()[:-1], "a.onnx"),
        (files.onnx() + b"x", "a.onnx"),
        (JSON, "a.onnx"),
        (b"\x93NUMPY\x09" + bytes(9), "a.npy"),
        (b"PK\x03", "a.npz"),
        (JSON[:-4], "a.json"),
        (b"not json", "a.json"),
        (b"lmgg", "a.bin"),
        (b"\x1f\x8b\x08" + b"x" * 40, "a.gz"),
        (files.numpy(), "a.gguf"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_has_a_fault(data: bytes, path: str) -> None:
    """What its suffix promises has to be there, whole."""
    assert seen(data, path).fault


def resummed(archive: bytes, name: bytes, said: Callable[[int, int], bytes]) -> bytes:
    """A tar whose first member has another name, and a checksum as `said` writes it of unsigned and signed bytes."""
    block = bytearray(name.ljust(100, b"\0") + archive[100:512])
    block[148:156] = b" " * 8
    unsigned = sum(block)
    block[148:156] = said(unsigned, unsigned - 256 * sum(each > 0x7F for each in block))
    return bytes(block) + archive[512:]


def octal(unsigned: int, _: int) -> bytes:
    """A checksum as all programs write it."""
    return b"%06o\0 " % unsigned


BARE_TAR = files.tarred({"a": files.PICKLE}, form=tarfile.USTAR_FORMAT)
LATE_PICKLE = b"GGUF\x03\0\0\0\x000X" + (200_000).to_bytes(4, "little") + bytes(200_000) + files.PICKLE[2:]

CODE = {
    "a tar of signed sums": resummed(BARE_TAR, b"\xc3\xa9", lambda _, signed: b"%06o\0 " % signed),
    "a tar with rubbish behind its sum": resummed(BARE_TAR, b"a", lambda total, _: b"%06o\0x" % total),
    "a tar with a binary sum": resummed(BARE_TAR, b"a", lambda total, _: b"\x80" + total.to_bytes(7, "big")),
    "a tar whose member has no name": resummed(BARE_TAR, b"", octal),
    "a tar whose member is called as GGUF begins": resummed(BARE_TAR, b"GGUF", octal),
    "a tar whose member is called as a zip begins": resummed(BARE_TAR, b"PK\x03\x04", octal),
    "a pickle": files.PICKLE,
    "protocol 0": pickle.dumps({"a": [1]}, 0),
    "torch": files.TORCH,
    "deflated torch": files.zipped({"x/data.pkl": files.PICKLE}, zipfile.ZIP_DEFLATED),
    "another name": files.zipped({"readme": b"x", "weights": files.PICKLE}),
    "another name, deflated": files.zipped({"weights": files.PICKLE + bytes(9000)}, zipfile.ZIP_DEFLATED),
    "behind other bytes": b"#!/bin/sh\n" * 5 and files.zipped({"a": b"x" * 100, "b": files.PICKLE}),
    "an array of objects": files.numpy("|O", files.PICKLE),
    "an array of objects as a word": files.numpy("object", files.PICKLE),
    "an array with objects": files.numpy("f4,O", files.PICKLE),
    "npz": files.zipped({"a.npy": files.numpy("|O", files.PICKLE)}),
    "deflated npz": files.zipped({"a.npy": files.numpy("|O", files.PICKLE)}, zipfile.ZIP_DEFLATED),
    "nemo": files.NEMO,
    "packed nemo": files.NEMO_PACKED,
    "tar": files.tarred({"a": b"x", "b/c": files.PICKLE}),
    "gnu tar": files.tarred({"a" * 200: files.PICKLE}, form=tarfile.GNU_FORMAT),
    "tar in tar": files.tarred({"a": files.tarred({"b": files.PICKLE})}),
    "zip in zip": files.zipped({"a": files.TORCH}),
    "joblib zlib": zlib.compress(files.PICKLE),
    "joblib gzip": gzip.compress(files.PICKLE),
    "joblib bz2": bz2.compress(files.PICKLE),
    "joblib xz": lzma.compress(files.PICKLE),
    "joblib lzma": lzma.compress(files.PICKLE, format=lzma.FORMAT_ALONE),
    "joblib of old": b"ZF0x1f".ljust(21) + zlib.compress(files.PICKLE),
    "packed array": gzip.compress(files.numpy("|O", files.PICKLE)),
}


@pytest.mark.parametrize("name", sorted(CODE))
def test_pickles_are_found_in_all_their_wraps(name: str) -> None:
    """A pickle is found wherever a loader would find it, whatever the file is called."""
    assert seen(CODE[name], "model.txt").code


def two_directories() -> bytes:
    """A PyTorch file to programs that follow its end record, a zip of one text to those that look right before that."""
    torch = files.TORCH
    end = torch.rfind(b"PK\x05\x06")
    size, offset = struct.unpack("<LL", torch[end + 12 : end + 20])
    local = b"PK\x03\x04" + struct.pack("<5H3L2H", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"x"
    shift = end + len(local) - offset
    sizes = (20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, size - 47, 0, 0, 0, (end - shift) & 0xFFFFFFFF)
    entry = b"PK\x01\x02" + struct.pack("<6H3L5H2L", *sizes) + b"x" + b"c" * (size - 47)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, offset, 0)
    return bytes(torch[:end] + local + entry + last)


UNSEEN = {
    "a zip with two directories": two_directories(),
    "an array whose type is in two words": files.numpy("ob' 'ject", files.PICKLE),
    "a late pickle that begins as GGUF": files.zipped({"w": LATE_PICKLE}, zipfile.ZIP_DEFLATED),
    "an endless line, packed": files.zipped({"vocab": b"V" + b"x" * 100_000}, zipfile.ZIP_DEFLATED),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(20),
    "lz4": b"\x04\x22\x4d\x18" + bytes(20),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(20),
    "rar": b"Rar!\x1a\x07\x00" + bytes(20),
    "a zip without its end": files.zipped({"a": bytes(500)})[:200],
    "a zip whose directory lies": files.zipped({"a": b"x", "b": b"y"}).replace(
        b"PK\x01\x02", b"PK\x09\x09", 1
    ),
    "a packed archive in a packed tar": gzip.compress(files.tarred({"a.gz": gzip.compress(b"x")})),
    "a tar cut in a member": files.tarred({"a": bytes(5000)})[:2000],
    "gzip that breaks off": gzip.compress(files.tarred({"a": random.Random(1).randbytes(300_000)}))[:200_000]
    + bytes(5000),
    "four archives deep": files.tarred(
        {"a": files.tarred({"b": files.tarred({"c": files.tarred({"d": b"x"})})})}
    ),
    "method 12": files.zipped({"a": b"x" * 100}, zipfile.ZIP_BZIP2),
}


@pytest.mark.parametrize("name", sorted(UNSEEN))
def test_what_cannot_be_looked_into_is_told(name: str) -> None:
    """Whatever hides its content is not taken for good."""
    found = seen(UNSEEN[name], "x")
    assert found.unseen
    assert not found.good


def test_bombs_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to far more than it is, or lists far more than there is, is given up early."""
    monkeypatch.setattr(packed, "_FREE", 1 << 20)
    bomb = gzip.compress(bytes(8 << 20))
    unpacking = PackedLook(bomb[:600])
    assert unpacking.feed(bomb[:4096]) == Content("packed")  # no tar: its beginning decides
    tar = files.tarred({"a": b""})[:512]
    tar = tar[:124] + b"%011o\0" % (9 << 20) + tar[136:]
    total = sum(tar[:148]) + sum(tar[156:512]) + 256
    tar = tar[:148] + b"%06o\0 " % total + tar[156:]
    assert "times its size" in (seen(gzip.compress(tar + bytes(9 << 20), 1)).unseen or "")


def test_a_million_entries_are_not_read() -> None:
    """A directory with too many entries is given up after as many as may be, whatever count it has."""
    entry = (
        struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", *[0] * 4, *[0] * 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    )
    directory = entry * 1_000_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 5, 5, len(directory), 4, 0)
    read = [0]

    def reader(start: int, stop: int) -> bytes:
        read[0] += stop - start
        return data[start:stop]

    data = b"PK\x03\x04" + directory + end
    assert "more than" in (look(View(reader, len(data)), "x").unseen or "")
    assert read[0] < len(data) * 1.2
    read[0] = 0
    data = data[: -len(end)] + end.replace(struct.pack("<2H", 5, 5), b"\xff\xff\xff\xff")
    assert "more than" in (look(View(reader, len(data)), "x.zip").unseen or "")


def test_members_that_share_bytes_are_bounded() -> None:
    """A zip whose entries all lead to the same archive is given up, not looked at again and again."""
    inside = files.zipped({f"{number}": bytes(2000) for number in range(200)})
    plain = files.zipped({"a": inside})
    directory = plain.index(b"PK\x01\x02", len(inside))
    end = plain.rindex(b"PK\x05\x06")
    entries = plain[directory:end] * 5_000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 5_000, 5_000, len(entries), directory, 0)
    assert seen(plain[:directory] + entries + tail).unseen == "it has too much to look at"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=30), st.sampled_from(["gz", "bz2", "xz"]))
def test_how_the_bytes_come_changes_nothing(cuts: list[int], packing: str) -> None:
    """A compressed file is found to be the same in whatever pieces it comes."""
    data = files.tarred({"a": bytes(30_000), "b": files.PICKLE, "c": b"x"})
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    data = packers[packing](data)
    unpacking, at = PackedLook(data[:600]), 0
    for count in cuts * 400:
        unpacking.feed(data[at : at + count])
        at += count
        if at >= len(data):
            break
    assert unpacking.end().code


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(min_size=1, max_size=120), st.binary(max_size=1500), max_size=6), st.booleans()
)
def test_members_of_archives_are_those_of_pythons_readers(members: dict[str, bytes], deflate: bool) -> None:
    """Names and sizes are those that `tarfile` and `zipfile` tell."""
    members = {name.replace("\0", "").replace("/", "_") or "x": data for name, data in members.items()}
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        data = files.tarred(members, form=form)
        walk, at, found = tars.walk(), 0, []
        step = next(walk)
        try:
            while True:
                if isinstance(step, tars.Member):
                    found.append((step.name, data[at : at + step.size]))
                    at, step = at + tars.padded(step.size), walk.send(b"")
                else:
                    at, step = at + step.size, walk.send(data[at : at + step.size])
        except StopIteration:
            pass
        assert found == list(members.items())
    packed = files.zipped(members, zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED)
    view = of_bytes(b"before it" + packed)
    for member, info in zip(zips.members(view), zipfile.ZipFile(io.BytesIO(packed)).infolist(), strict=True):
        assert (member.name, member.size, member.packed) == (
            info.filename,
            info.file_size,
            info.compress_size,
        )
        data = zips.data_of(view, member).at(0, 9999)
        assert (zlib.decompress(data, -15) if deflate else data) == members[info.filename]


def test_few_bytes_of_a_large_file_are_read() -> None:
    """Of a large safetensors file the header is read, of a large GGUF the beginning."""
    for data in (files.safetensors(bytes(8 << 20)), GGUF + bytes(8 << 20)):
        read = [0]

        def reader(start: int, end: int, data: bytes = data, read: list[int] = read) -> bytes:
            read[0] += end - start
            return data[start:end]

        assert look(View(reader, len(data)), "x").good
        assert read[0] < 300_000
