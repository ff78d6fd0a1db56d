"""What a push puts into a registry is whole: a manifest alone restores the entry, and licenses go along."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import modelsync
from modelsync.errors import NotFoundError
from modelsync.registry.artifact import LOCK_ANNOTATION
from modelsync.spec.lock.read import parse
from tests.hub import Hub, Replaced
from tests.support.content import gguf
from tests.support.folder_models import safetensors
from tests.support.project import REPO, Opened, Place
from tests.support.registries import Registry, asked, fetched, manifest, needs_registry, url

pytestmark = needs_registry

LICENSE = b"Everyone is permitted to copy this text.\n"
DOC = "application/vnd.cncf.model.doc.v1.raw"
FOLDER = {
    "config.json": b"{}",
    "model.safetensors": safetensors(),
    "1_Pooling/config.json": b'{"a": 1}',
    "vocab/added.txt": b"",
    "vocab/merges.txt": b"",
}
SPLIT = {f"split/big-0000{n}-of-00002.gguf": gguf(f"part {n}") for n in (1, 2)}
WHOLE = f"""
[models.folder]
uri = "hf:user/folder"
include = ["*.json", "*.safetensors", "vocab/*", "1_Pooling/*"]
[models.tiny]
uri = "hf:{REPO}:Q4_K_M"
mmproj = "hf:user/extra/mmproj-F16.gguf"
loras = ["hf:user/extra/adapter.gguf"]
[models.tiny.variants.large]
uri = "hf:{REPO}:Q8_0"
[models.big]
uri = "hf:user/extra/split/big-00001-of-00002.gguf"
"""


def doc_layers(found: dict[str, Any]) -> dict[str, str]:
    """Path to digest of the layers that are documents."""
    layers = [layer for layer in found["layers"] if layer["mediaType"] == DOC]
    return {layer["annotations"]["org.cncf.model.filepath"]: layer["digest"] for layer in layers}


@pytest.fixture
def whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project of every kind of entry; all of it is here."""
    more = {"mmproj-F16.gguf": gguf("eyes"), "adapter.gguf": gguf("adapter"), **SPLIT}
    place.hub.repo("user/extra").commit(more)
    place.hub.repo("user/folder").commit(FOLDER)
    place.write(WHOLE)
    monkeypatch.chdir(place.folder)
    modelsync.sync()
    modelsync.sync("tiny", variant="large")
    return place


def test_a_manifest_alone_restores_its_entry(
    whole: Place, hub: Hub, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine knows what the push printed: folder, split model, companions and variant are there again."""
    there = {each.title: each.reference.partition("@")[2] for each in modelsync.push(target).pushed}
    assert set(there) == {"big", "folder", "tiny", "tiny [large]"}
    hub.close()
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another machine"))
    for title, digest in there.items():
        folder = tmp_path / title
        folder.mkdir()
        text_of_lock = manifest(target, digest)["annotations"][LOCK_ANNOTATION]
        [model] = parse(text_of_lock).models
        request = "".join(f"{key} = {json.dumps(value)}\n" for key, value in model.request.items())
        variant = f".variants.{model.variant}" if model.variant else ""
        head = f'[models.{model.name}]\nuri = "hf:{REPO}:Q4_K_M"\n' if variant else ""
        (folder / "models.toml").write_text(f"{head}[models.{model.name}{variant}]\n{request}")
        (folder / "models.lock").write_text(text_of_lock)
        modelsync.sync(
            manifest=folder, variant=model.variant, frozen=True, mirrors=[target], mirror_only=True
        )
        files = modelsync.files(model.name, manifest=folder, variant=model.variant, download=False)
        companions = [path for path in (files.mmproj, *files.loras) if path is not None]
        every = [*files.files, *files.parts, *companions]
        known = [hashlib.sha256(path.read_bytes()).hexdigest() for path in every]
        assert known == [file.sha256 for file in model.files]
        if model.is_folder:
            assert {path: (files.model / path).read_bytes() for path in FOLDER} == FOLDER


def test_empty_files_are_sent_once(whole: Place, target: str, running: Registry) -> None:
    """Two files without a byte are one blob, and two layers."""
    before = len(running.requests)
    modelsync.push(target, "folder")
    empty = f"sha256:{hashlib.sha256(b'').hexdigest()}"
    sent = [path for method, path, _ in asked(running, before) if method == "PUT" and empty[7:] in path]
    assert len(sent) == 1
    [tag] = modelsync.push(target, "folder").pushed[0].tags
    assert [layer["size"] for layer in manifest(target, tag)["layers"]].count(0) == 2
    assert fetched(url(target, "blobs", empty)) == b""


def test_an_image_is_no_mirror(
    whole: Place, target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its layers have other digests than the files, so a sync finds nothing there."""
    modelsync.push(target, "big", form="image")
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another machine"))
    with pytest.raises(NotFoundError, match="does not have it"):
        modelsync.sync("big", frozen=True, mirrors=[target], mirror_only=True)


class TestLicense:
    """License files that lie beside a model, which no lock names."""

    @pytest.fixture
    def licensed(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
        """A GGUF model and a projector whose repos have license files."""
        place.repo.commit({"LICENSE": LICENSE, "README.md": b"# hello\n", "docs/LICENSE": b"another"})
        extra = {"mmproj-F16.gguf": gguf("eyes"), "LICENSE.txt": b"of the projector"}
        place.hub.repo("user/extra").commit(extra)
        place.write(f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nmmproj = "hf:user/extra/mmproj-F16.gguf"\n')
        monkeypatch.chdir(place.folder)
        modelsync.sync()
        return place

    def test_is_a_layer_of_its_own(self, licensed: Place, target: str) -> None:
        """Those at the top of the model's repo and of a companion's, as they are at the locked commit."""
        licensed.repo.commit({"LICENSE": b"of a later commit"})
        [tag] = modelsync.push(target).pushed[0].tags
        found = manifest(target, tag)
        docs = doc_layers(found)
        assert set(docs) == {"LICENSE", "user/extra/LICENSE.txt"}
        assert fetched(url(target, "blobs", docs["LICENSE"])) == LICENSE
        assert fetched(url(target, "blobs", docs["user/extra/LICENSE.txt"])) == b"of the projector"
        config = json.loads(fetched(url(target, "blobs", found["config"]["digest"])))
        assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in found["layers"]]
        [model] = parse(found["annotations"][LOCK_ANNOTATION]).models
        assert [file.role for file in model.files] == ["model", "mmproj"]

    def test_is_remembered(self, licensed: Place, target: str) -> None:
        """The hub is asked once; another push is the same manifest and needs no hub."""
        first = modelsync.push(target)
        licensed.hub.clear()
        second = modelsync.push(f"{target}/other")
        assert licensed.hub.seen() == []
        assert first.pushed[0].reference.partition("@")[2] == second.pushed[0].reference.partition("@")[2]

    def test_of_a_hub_that_is_gone_stays_where_it_is(
        self, licensed: Place, target: str, tmp_path: Path, opened: Opened
    ) -> None:
        """Where nothing is known, a push goes without, says so, and takes nothing from what another machine pushed."""
        first = modelsync.push(target)
        for path in (Path(opened().store.root) / "published-v1").iterdir():
            path.unlink()
        licensed.hub.close()
        again = modelsync.push(target, tag=True)
        assert again.pushed[0].reference == first.pushed[0].reference
        assert again.bytes_sent == 0
        assert manifest(target, "tiny") == manifest(target, first.pushed[0].tags[0])
        alone = modelsync.push(f"{target}/alone")
        assert doc_layers(manifest(f"{target}/alone", alone.pushed[0].tags[0])) == {}
        assert ["license" in note for note in alone.notes] == [True]

    def test_that_a_folder_model_takes_is_there_once(
        self, place: Place, target: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As the file of the lock."""
        place.hub.repo("user/folder").commit({"config.json": b"{}", "License": LICENSE, "NOTICE.md": b"n"})
        place.write('[models.folder]\nuri = "hf:user/folder"\ninclude = ["*.json", "License"]\n')
        monkeypatch.chdir(place.folder)
        modelsync.sync()
        [tag] = modelsync.push(target).pushed[0].tags
        assert set(doc_layers(manifest(target, tag))) == {"License", "NOTICE.md"}

    @pytest.mark.parametrize(
        "data", [b"\0\1\2", b"\xff\xfe", b"x" * (1 << 20) + b"y"], ids=["zeros", "no text", "too long"]
    )
    def test_that_is_no_text_is_left_out(
        self, data: bytes, place: Place, target: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is called LICENSE and is something else does not go along; the model does."""
        place.repo.commit({"LICENSE": data})
        place.write(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
        monkeypatch.chdir(place.folder)
        modelsync.sync()
        [tag] = modelsync.push(target).pushed[0].tags
        assert doc_layers(manifest(target, tag)) == {}

    def test_that_is_another_than_the_hub_lists_is_left_out(self, licensed: Place, target: str) -> None:
        """A page of a login in its place is no license, and that is told."""
        licensed.hub.misbehave(Replaced(b"<html>log in"), where="hub", match="*/LICENSE", times=None)
        done = modelsync.push(target)
        assert ["LICENSE" in note for note in done.notes] == [True]
        assert doc_layers(manifest(target, done.pushed[0].tags[0])) == {}
