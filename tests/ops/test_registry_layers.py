"""Models in tar layers: read into their files when they are locked, and taken out again on another machine."""

from pathlib import Path

import pytest

import modelsync
from modelsync.errors import (
    CodeRefusedError,
    HashMismatchError,
    ModelsyncError,
    NotFoundError,
    NotSyncedError,
    RefusedError,
)
from modelsync.ops import lock, outdated
from modelsync.spec import oci_url
from modelsync.spec.lock.read import parse
from tests.support import artifacts
from tests.support.any_files import safetensors
from tests.support.artifacts import (
    IMAGE_TAR,
    KIT_CONFIG,
    KIT_MODEL,
    Layer,
    artifact,
    digest_of,
    image,
    sha256,
    store,
    tar,
)
from tests.support.content import gguf, noise
from tests.support.project import REPO, Opened, Place
from tests.support.registries import Registry, blobs_asked, needs_registry

pytestmark = needs_registry


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project without a manifest; calls find it."""
    monkeypatch.chdir(place.folder)
    return place


def test_an_image_that_was_pushed_comes_back(
    project: Place,
    target: str,
    running: Registry,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    opened: Opened,
) -> None:
    """Each file has its own digest in the lock; another machine takes it out of its layer, a second sync nothing."""
    project.hub.repo("user/extra").commit({"mmproj-F16.gguf": gguf("eyes")})
    project.write(f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nmmproj = "hf:user/extra/mmproj-F16.gguf"\n')
    modelsync.sync()
    (entry,) = parse(project.lock_text).models
    modelsync.push(target, form="image", tag=True)
    (project.folder / "models.lock").unlink()
    project.write(f'[models]\ntiny = "{target}:tiny"\n')
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "locking"))
    report = modelsync.sync()
    assert any("tar layers" in note for note in report.notes)
    (model,) = parse(project.lock_text).models
    assert [(f.role, f.path, f.size, f.sha256) for f in model.files] == [
        (f.role, f.path, f.size, f.sha256) for f in entry.files
    ]
    assert all(oci_url.is_packed(f.url or "") for f in model.files)
    assert not list((tmp_path / "locking").rglob("unpacked"))

    before = len(running.requests)
    modelsync.lock()
    assert not outdated.outdated(opened(), project.project).models
    modelsync.lock(upgrade=True)
    packed = {url.digest for f in model.files if (url := oci_url.read(f.url or "")) is not None}
    assert packed.isdisjoint(blobs_asked(running, before))

    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    before = len(running.requests)
    modelsync.sync(frozen=True)
    assert sha256(modelsync.path("tiny").read_bytes()) == model.files[0].sha256
    assert len(set(blobs_asked(running, before))) == 2
    lock.verify(opened(), project.project)
    before = len(running.requests)
    modelsync.sync()
    assert len(running.requests) == before


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_modelcar_of_others(project: Place, target: str, mode: str) -> None:
    """Files under /models, of all layers: a later one replaces and removes; what else is in the image is nothing."""
    base = tar({"etc/passwd": b"root", "bin/sh": b"\x7fELF", "models/old.gguf": gguf("old")}, mode)
    middle = tar({"models/m.gguf": gguf("first"), "models/tokenizer.json": b"{}"}, mode)
    last = tar({"./models/m.gguf": gguf("second"), "models/.wh.old.gguf": b""}, mode)
    kind = IMAGE_TAR if mode == "w" else f"{IMAGE_TAR}+gzip"
    store(target, image(base, middle, last, media_type=kind), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.sync()
    assert modelsync.path("m").read_bytes() == gguf("second")
    (file,) = parse(project.lock_text).models[0].files
    assert file.url == f"{target}@sha256:{sha256(last)}#models/m.gguf"


def test_a_kit_and_a_folder_in_a_tar(project: Place, target: str) -> None:
    """A ModelKit's tars, and a folder of safetensors with what it needs: a folder model with its paths."""
    files = {"config.json": b'{"model_type": "bert"}', "model.safetensors": safetensors()}
    kitfile = {"manifestVersion": "1.0.0", "package": {"name": "m"}, "model": {"name": "m", "path": "."}}
    layers = [Layer(KIT_MODEL, tar(files, "w:gz"))]
    store(target, artifact(KIT_CONFIG, kitfile, layers), "v1")
    project.write(f'[models]\nkit = "{target}:v1"\n')
    modelsync.sync()
    there = modelsync.files("kit")
    assert there.folder is not None
    assert {path.name: path.read_bytes() for path in there.files} == files
    modelsync.lock()
    assert not modelsync.sync().changes


def test_a_mirror_alone_gives_layers(
    project: Place, target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A copy of the image is a mirror of its layers, though it has no blob with a file's own digest."""
    stored = image(tar({"models/m.gguf": gguf("m")}))
    store(target, stored, "v1")
    store(f"{target}-mirror", stored, "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.lock()
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    modelsync.sync(mirrors=[f"{target}-mirror"], mirror_only=True)
    assert modelsync.path("m").read_bytes() == gguf("m")


def test_a_layer_is_read_once_for_pulls(project: Place, target: str, running: Registry) -> None:
    """What a URI meant is remembered with its manifest: a second pull asks for no layer."""
    layer = tar({"models/m.gguf": noise(2_000_000, 7)})
    store(target, image(layer), "v1")
    before = len(running.requests)
    (one,) = modelsync.pull(f"{target}:v1")
    assert one.model.read_bytes() == noise(2_000_000, 7)
    assert f"sha256:{sha256(layer)}" in blobs_asked(running, before)
    before = len(running.requests)
    assert modelsync.pull(f"{target}:v1") == [one]
    assert f"sha256:{sha256(layer)}" not in blobs_asked(running, before)


@pytest.mark.parametrize(
    ("layer", "kind", "words"),
    [
        (tar({"models/../../evil.gguf": gguf("x")}), RefusedError, "refused"),
        (b"no tar at all" * 100, RefusedError, "tar"),
        (tar({"models/m.gguf": gguf("x")})[:2000], RefusedError, "ends"),
        (tar({"models/a.gguf": gguf("a"), "models/b.gguf": gguf("b")}), NotFoundError, "2 models"),
        (tar({"etc/passwd": b"root"}), NotFoundError, "no file"),
        (tar({"models/m.gguf": b"<html>log in</html>" * 20}), ModelsyncError, "GGUF|page"),
        (
            tar({"models/run.py": b"import os", "models/model.safetensors": safetensors()}),
            CodeRefusedError,
            "py",
        ),
    ],
)
def test_a_layer_that_is_not_safe_to_take(
    project: Place, target: str, layer: bytes, kind: type[ModelsyncError], words: str, home: Path
) -> None:
    """A clear error, no lock, and nothing in the store."""
    store(target, image(layer), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    with pytest.raises(kind, match=words):
        modelsync.sync()
    assert not (project.folder / "models.lock").exists()
    left = [path for path in (home / "store").rglob("*") if path.is_file() and path.stat().st_size >= 300]
    assert not left


def test_a_lock_that_says_otherwise_than_its_layer(
    project: Place, target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A forged digest or name of a file in a layer is found when it is taken out; nothing is published."""
    store(target, image(tar({"models/m.gguf": gguf("m")})), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.lock()
    text = project.lock_text
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    own = f'sha256 = "{sha256(gguf("m"))}"'
    for forged, kind in (
        (text.replace(own, f'sha256 = "{"0" * 64}"'), HashMismatchError),
        (text.replace("#models/m.gguf", "#models/n.gguf"), NotFoundError),
    ):
        assert forged != text
        (project.folder / "models.lock").write_text(forged)
        with pytest.raises(kind):
            modelsync.sync(frozen=True)
    assert not list((tmp_path / "another").rglob("blobs-v1/*/*"))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_headers_in_a_layer(
    project: Place,
    target: str,
    running: Registry,
    tiny_gguf: Path,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """They are read by ranges, by URI and by name; of what is compressed the error says what brings it here."""
    data = tiny_gguf.read_bytes()
    files = {
        "models/a/notes.txt": b"n" * 300_000,
        "models/tiny-Q4_K_M.gguf": data,
        "models/z.txt": b"z" * 70_000,
    }
    kind = IMAGE_TAR if mode == "w" else f"{IMAGE_TAR}+gzip"
    layers = [tar({"etc/big": noise(8_000_000, 5)}, mode), tar(files, mode)]
    store(target, image(*layers, media_type=kind), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.lock()
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    before = running.sent
    if mode == "w":
        for what in (f"{target}:v1", "m"):
            found = modelsync.inspect(what)
            assert isinstance(found, modelsync.Inspection)
            assert (found.architecture, found.file_size) == ("llama", len(data))
        assert modelsync.estimate(f"{target}:v1").estimate.need > 0
        assert running.sent - before < 4_000_000
    else:
        for what in (f"{target}:v1", "m"):
            with pytest.raises(NotSyncedError, match="is compressed") as caught:
                modelsync.inspect(what)
            assert "modelsync pull" in str(caught.value.hint)
        modelsync.pull(f"{target}:v1")
    assert not list((tmp_path / "another").rglob("blobs-v1/*/*")) or mode == "w:gz"
    modelsync.pull(f"{target}:v1")
    before = len(running.requests)
    assert modelsync.inspect(f"{target}:v1").file_size == len(data)
    assert not {digest_of(layer) for layer in layers} & set(blobs_asked(running, before))


def test_files_in_layers_are_looked_at_from_afar(project: Place, target: str) -> None:
    """A folder model in a plain tar: its safetensors header is read, and what is no model is told as for a hub."""
    files = {"config.json": b'{"model_type": "bert"}', "model.safetensors": safetensors()}
    layers = [Layer(KIT_MODEL.removesuffix("+gzip"), tar(files))]
    store(target, artifact(KIT_CONFIG, {}, layers), "v1")
    found = modelsync.inspect(f"{target}:v1")
    assert isinstance(found, modelsync.FilesInspection)
    assert list(found.files) == sorted(files)
    store(target, image(tar({"models/a.gguf": gguf("a"), "models/b.gguf": gguf("b")})), "two")
    with pytest.raises(NotFoundError, match="2 models"):
        modelsync.inspect(f"{target}:two")
    store(target, image(b"no tar at all" * 100), "none")
    with pytest.raises(RefusedError, match="tar"):
        modelsync.inspect(f"{target}:none")


def test_a_companion_in_a_layer_is_refused(project: Place, target: str) -> None:
    """A projector's URI means a layer that is the file."""
    store(target, image(tar({"models/mmproj.gguf": gguf("m")})), "eyes")
    store(target, artifacts.modelpack({"m.gguf": gguf("m")}), "m")
    project.write(f'[models.m]\nuri = "{target}:m"\nmmproj = "{target}:eyes"\n')
    with pytest.raises(NotFoundError, match="tar layers"):
        modelsync.lock()
