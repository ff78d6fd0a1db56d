"""What a registry may answer instead of a model: told by the command line, and nothing is kept of it."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from modelsync.store.layout import BLOBS
from tests.hub.wire import BytesBody, Reply, Request, text
from tests.support import artifacts
from tests.support.artifacts import Layer, Stored, artifact, descriptor, digest_of, modelpack
from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.servers import answering

SMALL, OTHER = gguf("small"), gguf("other", 4000)


class Liar:
    """A registry that answers by what it was given, whatever the digest says.

    Attributes:
        host: `127.0.0.1:port`.
        manifests: The bytes of each tag and digest, with their type.
        blobs: The bytes of each digest.
    """

    def __init__(self) -> None:
        self.host = ""
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.blobs: dict[str, bytes] = {}

    def put(self, stored: Stored, tag: str = "v1") -> None:
        """Puts a manifest and its blobs there."""
        self.manifests[tag] = self.manifests[stored.digest] = (stored.data, stored.media_type)
        self.blobs |= stored.blobs

    def answer(self, request: Request) -> Reply:
        """What it says."""
        _, _, reference = request.path.partition("/manifests/")
        _, _, digest = request.path.partition("/blobs/")
        if reference in self.manifests:
            data, media_type = self.manifests[reference]
            headers = {"Content-Type": media_type, "Docker-Content-Digest": digest_of(data)}
            return Reply(200, headers, BytesBody(memoryview(data)))
        if digest in self.blobs:
            return Reply(200, {}, BytesBody(memoryview(self.blobs[digest])))
        return text(200 if request.path == "/v2/" else 404, "{}")


@pytest.fixture
def liar() -> Iterator[Liar]:
    """A registry with nothing in it."""
    there = Liar()
    with answering(there.answer) as server:
        there.host = server.url.partition("//")[2]
        yield there


def index(*listed: Mapping[str, Any]) -> Stored:
    """An index of these descriptors."""
    value = {"schemaVersion": 2, "mediaType": artifacts.INDEX, "manifests": list(listed)}
    return Stored(json.dumps(value).encode(), artifacts.INDEX, {})


def changed(stored: Stored, **changes: Any) -> Stored:
    """The same manifest with other values."""
    return stored._replace(data=json.dumps({**json.loads(stored.data), **changes}).encode())


MODEL = modelpack({"m.gguf": SMALL})
NAMED = {**descriptor(artifacts.MANIFEST, MODEL.data), "platform": {"os": "linux", "architecture": "amd64"}}
SCHEMA_1 = {"schemaVersion": 1, "name": "team/m", "tag": "v1", "fsLayers": [], "history": []}
SCHEMA_1_TYPE = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def nested() -> list[Stored]:
    """Indexes that lead to one another without an end that is taken."""
    found = [index(NAMED)]
    while len(found) < 6:
        found.append(index(descriptor(artifacts.INDEX, found[-1].data)))
    return found[::-1]


CASES: dict[str, tuple[list[Stored], str]] = {
    "an index in a row of indexes": (nested(), "index"),
    "an index of 10,000 manifests": (
        [index(*({**NAMED, "digest": digest_of(str(n).encode())} for n in range(10_000)))],
        "10000 manifests",
    ),
    "an index of nothing": ([index()], "no manifest of a model"),
    "an index that names what is not there": (
        [index({**NAMED, "digest": digest_of(b"gone")})],
        "pushed in part",
    ),
    "a manifest over 4 MiB": ([changed(MODEL, annotations={"x": "y" * (4 << 20)})], "4 MiB"),
    "a manifest over 8 MiB": ([changed(MODEL, annotations={"x": "y" * (8 << 20)})], "4 MiB"),
    "a manifest that is no JSON": ([Stored(b"<html>log in</html>", artifacts.MANIFEST, {})], "JSON"),
    "a manifest that is nested deeply": ([Stored(b"[" * 100_000, artifacts.MANIFEST, {})], "manifest"),
    "a key twice": (
        [Stored(b'{"schemaVersion":2,"layers":[],"layers":[]}', artifacts.MANIFEST, {})],
        "agree",
    ),
    "schema 1": ([Stored(json.dumps(SCHEMA_1).encode(), SCHEMA_1_TYPE, {})], "schema 1"),
    "a signature": (
        [
            artifact(
                artifacts.IMAGE_CONFIG,
                {},
                [Layer("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")],
            )
        ],
        "a signature",
    ),
    "a Helm chart": (
        [artifact("application/vnd.cncf.helm.config.v1+json", {}, [Layer("application/x-tar", b"x")])],
        "a Helm chart",
    ),
    "an unknown type of configuration": (
        [artifact("application/vnd.example.thing+json", {}, [Layer("text/plain", b"x")])],
        "of a type that no model has",
    ),
    "a configuration that is no JSON": (
        [
            MODEL._replace(
                blobs={d: b"[" + data[1:] if data[:1] == b"{" else data for d, data in MODEL.blobs.items()}
            )
        ],
        "other bytes",
    ),
    "a configuration of more bytes": (
        [
            MODEL._replace(
                blobs={d: data + b" " * 99 if data[:1] == b"{" else data for d, data in MODEL.blobs.items()}
            )
        ],
        "more than its [0-9]+ bytes",
    ),
    "a path that leads out": ([modelpack({"../m.gguf": SMALL})], "refused"),
    "an absolute path": ([modelpack({"/etc/m.gguf": SMALL})], "refused"),
    "a name with an escape": ([modelpack({"m\x1b[31m.gguf": SMALL})], "refused"),
    "a device of Windows": ([modelpack({"con.gguf": SMALL})], "refused"),
    "two layers of one name": (
        [
            artifact(
                artifacts.MODELPACK_CONFIG,
                {"config": {"format": "gguf"}},
                [
                    Layer(artifacts.RAW_WEIGHT, data, {artifacts.FILEPATH: "m.gguf"})
                    for data in (SMALL, OTHER)
                ],
            )
        ],
        "twice",
    ),
    "names that differ by case": ([modelpack({"m.gguf": SMALL, "M.gguf": OTHER})], "one folder"),
    "a file that is a folder too": ([modelpack({"m.gguf": SMALL, "m.gguf/x.gguf": OTHER})], "one folder"),
    "a size below the blob's": (
        [MODEL._replace(data=MODEL.data.replace(b'"size": 3000', b'"size": 2900'))],
        "m: m.gguf .* 3000 bytes instead of 2900",
    ),
    "a size above the blob's": (
        [MODEL._replace(data=MODEL.data.replace(b'"size": 3000', b'"size": 3100'))],
        "m: m.gguf .* 3000 bytes instead of 3100",
    ),
    "a negative size": ([MODEL._replace(data=MODEL.data.replace(b'"size": 3000', b'"size": -1'))], "size"),
    "a size beyond all disks": (
        [MODEL._replace(data=MODEL.data.replace(b'"size": 3000', b'"size": 99999999999999999999'))],
        "size",
    ),
    "a blob of other bytes": (
        [
            MODEL._replace(
                blobs={d: OTHER[: len(data)] if data == SMALL else data for d, data in MODEL.blobs.items()}
            )
        ],
        "m: m.gguf .*sha256",
    ),
    "a login page for a model": (
        [modelpack({"m.gguf": b"<!doctype html><title>log in</title>" * 9})],
        "m: m.gguf .*(GGUF|HTML|page)",
    ),
    "no layers": ([changed(MODEL, layers=[])], "no file of a model"),
    "layers that are none": ([changed(MODEL, layers=[1, 2])], "list of objects"),
    "a digest of another kind": (
        [MODEL._replace(data=MODEL.data.replace(b"sha256:", b"sha512:"))],
        "digest",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_what_is_no_model_is_told_and_kept_nowhere(
    liar: Liar, empty: Cli, store_root: Path, what: str
) -> None:
    """One error with the model's name, no traceback, exit status 1; the manifest is as before, and the store empty."""
    answers, words = CASES[what]
    for number, stored in enumerate(reversed(answers)):
        liar.put(stored, "v1" if number == len(answers) - 1 else f"part{number}")
    uri = f"oci://{liar.host}/team/m:v1"
    empty.write("[modelsync]\n")
    _check(empty("add", "m", uri, status=1).err, words, liar.host)
    if not re.search("m: m.gguf", words):  # else it is found when the file comes
        assert (empty.folder / "models.toml").read_text() == "[modelsync]\n"
        assert not empty.lock.exists()
    _check(empty("pull", uri, status=1).err, words.replace("m: m.gguf", "m.gguf"), liar.host)
    assert not [path for path in (store_root / BLOBS).rglob("*") if path.is_file()]
    assert not any("gguf" in path.name for path in empty.folder.rglob("*"))


def _check(said: str, words: str, host: str) -> None:
    assert "Traceback" not in said
    assert re.search(words, " ".join(said.split())), said
    assert host in said or "m.gguf" in words
    assert "m: m: " not in said
    assert said.count("error:") == 1, said
    assert "\x1b" not in said
