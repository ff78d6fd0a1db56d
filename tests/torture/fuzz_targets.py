"""What is fuzzed, and what each begins with. A target takes bytes and may raise nothing but modelsync's own errors."""

import contextlib
import copy
import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h11
import httpx2

from modelsync.content.heads import HEAD, packing
from modelsync.content.look import look
from modelsync.content.packed import PackedLook
from modelsync.content.view import of_bytes
from modelsync.errors import ModelsyncError
from modelsync.gguf.foreign_types import FOREIGN_TYPES
from modelsync.gguf.metadata import plain
from modelsync.gguf.reader import read_header
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import write_header
from modelsync.memory import shape
from modelsync.memory.estimate import estimate, model_of
from modelsync.memory.load_settings import LLAMA_CPP_PYTHON
from modelsync.net import http1
from modelsync.net.answers import JsonReply
from modelsync.net.channels import ByteChannel
from modelsync.net.deadline import Floor
from modelsync.sources.hub import Hubs
from modelsync.spec import uri
from modelsync.spec.lock import read as lock_reader
from modelsync.spec.lock import text as lock_text
from modelsync.spec.manifest import read as manifest_reader
from modelsync.store import claim, link_record, pulled, receipts, roots, sync_memo, views
from modelsync.store.layout import Store
from modelsync.system.devices import Device
from modelsync.transfer import journal
from tests.support import any_files
from tests.support.locks import LOCK, TEXT
from tests.support.processes import TREE
from tests.support.raw_header import array, entry, header, info, string
from tests.torture import fuzz_registry

SHA = "ab" * 32
ODD: tuple[object, ...] = (5, -1, 1e308, True, None, "", "../../x", [], [5], {}, {"x": 5}, 2**70)
KEY = "ab" * 8
roots._PAUSE = 0.0  # a root may be half written, so it is read again; here each stays as it is


def gguf(data: bytes) -> None:
    """The header of a file, and what can be told from it."""
    with contextlib.suppress(ModelsyncError):
        read_header(data, "fuzzed.gguf", size=len(data))
    header = read_header(data, "fuzzed.gguf")
    plain(header.metadata)
    shape.check(header, "fuzzed.gguf")
    estimate(model_of(header), LLAMA_CPP_PYTHON, Device("RAM", "ram", 1 << 34, 1 << 34))


def content(data: bytes) -> None:
    """What a file is: the first byte says what it is called, the rest are its bytes, whole and as they come."""
    name, data = _NAMES[data[0] % len(_NAMES)] if data else "x", data[1:]
    found = look(of_bytes(data), name)
    assert look(of_bytes(data), name) == found, "it is told in two ways"
    if packing(data[:HEAD]) is not None:
        unpacking, at = PackedLook(data[:HEAD]), 0
        while at < len(data):
            unpacking.feed(data[at : at + 100])
            at += 100
        told = unpacking.end()
        # Of a damaged stream small pieces may bring more, so they may decide before the damage.
        assert told.good or found.kind != "packed" or not found.good, "it depends on the pieces"


def manifest(data: bytes) -> None:
    """`models.toml`."""
    manifest_reader.parse(data.decode())


def lock(data: bytes) -> None:
    """`models.lock`: what is read and written is read and written again the same."""
    written = lock_text.dumps(lock_reader.parse(data.decode()))
    assert lock_text.dumps(lock_reader.parse(written)) == written, "it is written in two ways"


def reference(data: bytes) -> None:
    """A URI: what is written canonically means the same."""
    found = uri.parse(data.decode())
    assert uri.parse(str(found)) == found, "its canonical form means something else"


class _Client:
    """Answers every question with the same document."""

    def __init__(self, value: object, link: str) -> None:
        self._value, self._link = value, link

    def get_json(self, url: str, *_: object, **__: object) -> JsonReply:
        return JsonReply(self._value, {"link": self._link}, url)


def hub(data: bytes) -> None:
    """What a hub says of a repo: the first line is a `Link` header, the rest JSON."""
    link, _, document = data.partition(b"\n")
    client: Any = _Client(json.loads(document), link.decode("latin-1"))
    hubs = Hubs(lambda: client)
    repo = hubs.repo("http://hub.example", "user/model", None)
    hubs.files("http://hub.example", repo)
    hubs.repo("http://hub.example", "user/other", "main")


def store(data: bytes) -> None:
    """The small files of store and project: unreadable is absent, never an error."""
    place = Store(_PLACE)
    files = {
        "receipt": place.receipt_path(SHA),
        "root": place.root_path(KEY),
        "view": place.view_path(KEY).with_name(f"{KEY}.json"),
        "memo": sync_memo.place(place, ("subject",)),
        "record": _PLACE / link_record.RECORD,
        "claim": _PLACE / "claim",
    }
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    receipts.read(_PLACE, SHA)
    receipts.blocks(place, SHA)
    roots.read(_PLACE, KEY)
    roots.read_all(place)
    views.contents_of(place.view_path(KEY))
    sync_memo.recall(place, ("subject",))
    link_record.owned(_PLACE)
    claim.holder(files["claim"])
    pulled.recall(place, "hf:user/model")
    journal.read(data, SHA, "boot")


class _Wire(ByteChannel):
    """A connection on which a server has said all that it will say."""

    waited = 0.0
    peer = "127.0.0.1"
    readable = True

    def __init__(self, data: bytes) -> None:
        self._data = data

    def hold_to(self, floor: Floor | None) -> None:
        pass

    def read_into(self, buffer: memoryview, timeout: float | None = None) -> int:
        count = min(len(buffer), len(self._data))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count

    def write(self, data: bytes, timeout: float | None = None) -> None:
        pass

    def close(self) -> None:
        pass


def head(data: bytes) -> None:
    """The answer of a server: its head, and the body behind it."""
    protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=http1.LONGEST_HEAD)
    protocol.send(h11.Request(method="GET", target="/x", headers=[("Host", "hub.example")]))
    protocol.send(h11.EndOfMessage())
    wire = _Wire(data)
    framed = http1.FramedBody(protocol, wire, 5.0)
    with contextlib.suppress(httpx2.TransportError):
        said = framed.head(Floor())
        http1.keeps_alive(said)
        length = http1.body_length("GET", said)
        body: http1.BodyReader = framed
        if length is not None:
            body = http1.CountedBody(wire, 5.0, length, protocol.trailing_data[0])
        buffer = memoryview(bytearray(1 << 16))
        while body.read_into(buffer):
            pass


_PLACE = Path(os.environ.get("TORTURE_PLACE") or tempfile.mkdtemp()) / "store"

TARGETS: dict[str, Callable[[bytes], None]] = {
    "gguf": gguf,
    "content": content,
    "manifest": manifest,
    "lock": lock,
    "uri": reference,
    "hub": hub,
    "store": store,
    "head": head,
    **fuzz_registry.TARGETS,
}
# What a target may answer to bytes that are no text, no JSON, or nothing good.
ALLOWED: dict[str, tuple[type[Exception], ...]] = {
    **dict.fromkeys(TARGETS, (ModelsyncError, UnicodeDecodeError)),
    "hub": (ModelsyncError, ValueError, RecursionError),
}

_SIBLING = {
    "rfilename": "m-Q4_K_M.gguf",
    "size": 5,
    "blobId": "b" * 40,
    "lfs": {"sha256": "c" * 64, "size": 5},
}
_ENTRY = {
    "type": "file",
    "path": "m-Q4_K_M.gguf",
    "size": 5,
    "oid": "b" * 40,
    "lfs": {"oid": "c" * 64, "size": 5},
}
_CARD = {"cardData": {"license": ["other"], "license_name": "own"}, "sha": "a" * 40}
_URIS: tuple[str, ...] = (
    "hf:user/model:Q4_K_M#main",
    "https://huggingface.co/u/m/blob/main/a.gguf",
    "https://x.example/a%20b.gguf?c",
)
_URIS += ("file:../a.gguf", "hf.co/u/m@v1", "hf://u/m/sub/a-00001-of-00002.gguf", "./models/a.gguf")
_RECORD = {"sha256": SHA, "size": 5, "mtime_ns": 7, "mode": "copy", "owner": "../models.toml"}
_RECEIPT = {
    "size": 5,
    "mtime_ns": 7,
    "blake3": "ab",
    "from": [{"path": "a.gguf", "url": "https://x.example/a"}],
}
_SUMS = {"size": 5, "hashes": "00" * 32}


def _model(architecture: str, kind: str) -> bytes:
    """The header of a small model, with each key that its memory depends on."""
    keys = {"context_length": 4096, "embedding_length": 256, "block_count": 2, "attention.head_count": 4}
    keys |= {
        "attention.sliding_window": 512,
        "ssm.state_size": 16,
        "ssm.conv_kernel": 4,
        "ssm.inner_size": 512,
    }
    keys |= {"expert_count": 2, "expert_used_count": 1, "nextn_predict_layers": 1, "pooling_type": 1}
    names = (
        "token_embd",
        "blk.0.attn_norm",
        "blk.0.attn_qkv",
        "blk.1.ffn_down",
        "blk.1.ffn_up_exps",
        "output",
    )
    stored = BY_NAME.get(kind) or next(each for each in FOREIGN_TYPES.values() if each.name == kind)
    said: dict[str, int | str] = {f"{architecture}.{key}": value for key, value in keys.items()}
    said["general.architecture"] = architecture
    return write_header(said, [(f"{name}.weight", (256, 4), stored) for name in names]).header


_NAMES = ("x", "a.safetensors", "a.onnx", "a.npy", "a.npz", "a.json", "a.bin", "a.nemo")
_FILES: tuple[bytes, ...] = (
    any_files.PICKLE,
    any_files.safetensors(),
    any_files.onnx("w.data"),
    any_files.numpy("|O"),
    any_files.TORCH,
)
_FILES += (any_files.NEMO, any_files.NEMO_PACKED, any_files.WHISPER, any_files.CTRANSLATE2, b'{"a": [1]}')
_FILES += (
    any_files.tarred({"a" * 200: any_files.numpy()}),
    any_files.zipped({"a": bytes(90)}, zipfile.ZIP_DEFLATED),
)

SEEDS: dict[str, tuple[bytes, ...]] = {
    "content": tuple(bytes((number % len(_NAMES),)) + data for number, data in enumerate(_FILES)),
    "gguf": (
        header(
            (entry("general.architecture", 8, string("llama")), entry("a", 9, array(8, 1, string("x")))),
            (info("t", (32,), 0, 0),),
        )
        + bytes(4096),
        *(
            _model(name, kind)
            for name in ("llama", "mamba", "qwen35", "gemma3")
            for kind in ("Q8_0", "IQ4_KS")
        ),
        b"GGUF" + struct.pack(">IQQ", 3, 0, 1) + struct.pack(">Q", 1) + b"k" + struct.pack(">II", 4, 1),
    ),
    "manifest": ((TREE / "models.toml.example").read_bytes(), b'[models]\na = "hf:u/m:Q4_K_M"\n'),
    "lock": (TEXT.encode(), lock_text.dumps(LOCK).encode()),
    "uri": tuple(text.encode() for text in _URIS),
    "hub": (
        b'<http://h/?cursor=x>; rel="next"\n' + json.dumps({**_CARD, "siblings": [_SIBLING]}).encode(),
        b"\n" + json.dumps([_ENTRY]).encode(),
    ),
    "store": (
        (json.dumps(_RECEIPT) + "\n" + json.dumps(_SUMS) + "\n").encode(),
        json.dumps(
            {"digests": [SHA], "lock": "/x/models.lock", "files": [{"role": "model", "path": "a"}]}
        ).encode(),
        json.dumps({"files": {"a.gguf": SHA}}).encode(),
        json.dumps(
            [1, ["subject"], None, {"/x": [1, 2, 3]}, {}, {"m": [None, [["model", "/x", "/y"]]]}]
        ).encode(),
        json.dumps({"files": {"m/a.gguf": _RECORD}, "pending": {}}).encode(),
        json.dumps({"id": KEY, "host": "a", "machine": KEY, "process": 4711, "started": "88123"}).encode(),
        f"modelsync-partial 1 {SHA}\nboot boot\n@ 5 x\n+ 0 10\nsynced 3\n? 10 20\n- 0 5\n= 0 null\n".encode(),
    ),
    "head": (
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/3\r\n\r\nabc",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
    **fuzz_registry.SEEDS,
}


def shapes(value: object) -> Iterator[object]:
    """A JSON value with each of its parts, one after the other, replaced by what nobody expects there."""
    yield from ODD
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in list(parts):
        for odd in shapes(part):
            changed: Any = copy.copy(value)
            changed[key] = odd
            yield changed


def shaped(name: str) -> Iterator[bytes]:
    """The seeds of a target in all shapes, where they are JSON."""
    for data in SEEDS[name]:
        link, _, document = data.partition(b"\n") if name == "hub" else (b"", b"", data.splitlines()[0])
        with contextlib.suppress(ValueError):
            for value in shapes(json.loads(document)):
                text = json.dumps(value).encode()
                yield link + b"\n" + text if name == "hub" else text
