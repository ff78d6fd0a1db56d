"""Tar layers, the harder half: what breaks off, repeats, is damaged, or was made by other tools."""

import io
import json
import os
import subprocess
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

import modelsync
from modelsync.errors import (
    CancelledError,
    DriftError,
    HashMismatchError,
    MisfitError,
    ModelsyncError,
    RefusedError,
)
from modelsync.fetch import batch
from modelsync.ops import lock, outdated
from modelsync.spec.lock.read import parse
from modelsync.transfer.progress import Event
from tests.support import artifacts
from tests.support.any_files import safetensors
from tests.support.artifacts import (
    IMAGE_TAR,
    KIT_CONFIG,
    KIT_MODEL,
    Layer,
    Stored,
    artifact,
    digest_of,
    docker_model,
    image,
    sha256,
    store,
    tar,
)
from tests.support.content import damage, gguf, noise
from tests.support.machines import Sized
from tests.support.project import REPO, Opened, Place
from tests.support.quant_files import quant
from tests.support.registries import Registry, blobs_asked, needs_registry, needs_umoci

pytestmark = needs_registry

CONFIG_TAR = "application/vnd.docker.ai.vllm.config.tar"
FOLDER_TAR = "application/vnd.docker.ai.dir.tar"


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project without a manifest; calls find it."""
    monkeypatch.chdir(place.folder)
    return place


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The store of another machine, once a test turns to it."""
    return tmp_path / "another"


def locked(project: Place, uri: str) -> None:
    """A project whose model is locked, on a machine that will not sync it."""
    project.write(f'[models]\nm = "{uri}"\n')
    modelsync.lock()


def left_in(folder: Path) -> list[Path]:
    """Files of some size that a store has."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size >= 512]


def test_a_layer_that_an_image_has_twice(
    project: Place, target: str, running: Registry, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Builders repeat the layer of a step that did nothing. It is fetched once, and nobody waits for himself."""
    model, nothing = tar({"models/m.gguf": gguf("m")}), tar({"etc/nothing": b"x" * 600})
    store(target, image(nothing, model, nothing, model), "v1")
    before = len(running.requests)
    locked(project, f"{target}:v1")
    assert blobs_asked(running, before).count(digest_of(model)) == 1
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    before = len(running.requests)
    modelsync.sync(frozen=True)
    assert modelsync.path("m").read_bytes() == gguf("m")
    assert blobs_asked(running, before).count(digest_of(nothing)) == 0


def test_a_name_that_a_tar_has_twice(
    project: Place, target: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last counts, as for tar, on every machine; the first may have its size."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for data in (gguf("one"), gguf("two")):
            member = tarfile.TarInfo("models/m.gguf")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    assert len(gguf("one")) == len(gguf("two"))
    store(target, image(out.getvalue()), "v1")
    locked(project, f"{target}:v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    modelsync.sync(frozen=True)
    assert modelsync.path("m").read_bytes() == gguf("two")


@pytest.mark.parametrize("here", ["locking", "another"])
def test_an_interruption_while_files_are_taken_out_keeps_the_layer(
    project: Place,
    target: str,
    running: Registry,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    here: str,
) -> None:
    """The next run needs no byte of it again; half a file is nowhere, and in the end the layer is gone."""
    data = noise(3_000_000, 3)
    layer = tar({"models/m.gguf": data})
    store(target, image(layer), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    if here == "another":
        modelsync.lock()
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    cancel = threading.Event()

    def hear(event: Event) -> None:
        if event.phase == "checking" and event.label.endswith("m.gguf"):
            cancel.set()

    with pytest.raises(CancelledError):
        modelsync.sync(on_progress=hear, cancel=cancel)
    assert not list(elsewhere.rglob("unpacked"))
    assert not list(elsewhere.rglob("blobs-v1/*/*"))
    before = running.sent
    modelsync.sync()
    assert modelsync.path("m").read_bytes() == data
    assert running.sent - before < len(layer) // 2
    assert not [path for path in left_in(elsewhere) if "partial" in str(path)]


def test_a_layer_that_broke_off_goes_on(
    project: Place, target: str, running: Registry, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As any file: what had arrived is not fetched again."""
    data = noise(6_000_000, 4)
    layer = tar({"models/m.gguf": data})
    store(target, image(layer), "v1")
    locked(project, f"{target}:v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    cancel = threading.Event()

    def hear(event: Event) -> None:
        if event.phase == "fetching" and event.done > 2_000_000:
            cancel.set()

    with pytest.raises(CancelledError):
        modelsync.sync(frozen=True, max_rate=8_000_000, on_progress=hear, cancel=cancel)
    report = modelsync.sync(frozen=True)
    assert modelsync.path("m").read_bytes() == data
    assert report.bytes_fetched < len(layer) - 1_000_000


def test_a_layer_of_many_files_comes_once(
    project: Place, target: str, running: Registry, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many digests are locked at a time."""
    monkeypatch.setattr(batch, "BATCH", 2)
    files = {f"part-{number}.json": f'{{"a": {number}}}'.encode() for number in range(7)}
    layer = tar({"model.safetensors": safetensors(), **files}, "w:gz")
    store(target, artifact(KIT_CONFIG, {}, [Layer(KIT_MODEL, layer)]), "v1")
    locked(project, f"{target}:v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    before = len(running.requests)
    report = modelsync.sync(frozen=True)
    assert blobs_asked(running, before).count(digest_of(layer)) == 1
    assert report.bytes_fetched == len(layer)
    assert len(modelsync.files("m").files) == 8


def test_one_damaged_file_is_repaired_out_of_its_layer(
    project: Place, target: str, running: Registry, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layer is fetched again, and only what is damaged is taken out of it."""
    weights = safetensors()
    layer = tar({"model.safetensors": weights, "config.json": b'{"a": 1}'})
    store(target, artifact(KIT_CONFIG, {}, [Layer(KIT_MODEL.removesuffix("+gzip"), layer)]), "v1")
    locked(project, f"{target}:v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    modelsync.sync(frozen=True)
    (blob,) = elsewhere.rglob(f"blobs-v1/*/{sha256(weights)}")
    damage(blob, len(weights) - 3)
    assert {row.status for row in modelsync.verify(full=True)} == {"ok", "damaged"}
    before = len(running.requests)
    assert {row.status for row in modelsync.verify(full=True, repair=True)} == {"ok", "repaired"}
    assert blobs_asked(running, before).count(digest_of(layer)) == 1
    assert blob.read_bytes() == weights
    assert {row.status for row in modelsync.verify(full=True)} == {"ok"}


def test_roles_of_a_pushed_image_are_those_of_its_entry(project: Place, target: str) -> None:
    """Names tell nothing here: a lora that is called like a model, and a folder model with a GGUF file in it."""
    project.hub.repo("user/extra").commit(
        {"odd.gguf": gguf("lora"), "sub/inner.gguf": gguf("inner"), "config.json": b"{}"}
    )
    project.write(
        f'[models.m]\nuri = "hf:{REPO}:Q4_K_M"\nloras = ["hf:user/extra/odd.gguf"]\n'
        '[models.f]\nuri = "hf:user/extra"\ninclude = ["sub/*", "*.json"]\n'
    )
    modelsync.sync()
    pushed = parse(project.lock_text)
    modelsync.push(target, form="image", tag=True)
    (project.folder / "models.lock").unlink()
    project.write(f'[models]\nm = "{target}:m"\nf = "{target}:f"\n')
    modelsync.sync()
    back = parse(project.lock_text)
    for name in ("m", "f"):
        one, other = pushed.find(name), back.find(name)
        assert one is not None
        assert other is not None
        assert [(f.role, f.path, f.sha256) for f in one.files] == [
            (f.role, f.path, f.sha256) for f in other.files
        ]


def test_a_folder_of_this_machine_gives_layers_without_a_network(
    project: Place, target: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A mirror that has the layer by its digest suffices, though the registry cannot be asked."""
    layer = tar({"models/m.gguf": gguf("m")}, "w:gz")
    store(target, image(layer, media_type=f"{IMAGE_TAR}+gzip"), "v1")
    locked(project, f"{target}:v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    usb = tmp_path / "usb"
    usb.mkdir()
    (usb / sha256(layer)).write_bytes(layer[:-1])
    with pytest.raises(ModelsyncError):
        modelsync.sync(frozen=True, offline=True, mirrors=[str(usb)])
    (usb / sha256(layer)).write_bytes(layer)
    report = modelsync.sync(frozen=True, offline=True, mirrors=[str(usb)])
    assert modelsync.path("m").read_bytes() == gguf("m")
    assert report.bytes_fetched == 0


def test_a_mirror_of_the_manifest_gives_layers_that_the_registry_has(
    project: Place, target: str, running: Registry, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its registry confirms the layer's digest by HEAD; then the mirror gives the bytes."""
    stored = image(tar({"models/m.gguf": gguf("m")}))
    store(target, stored, "v1")
    store(f"{target}-mirror", stored, "v1")
    project.write(f'[modelsync]\nmirrors = ["{target}-mirror"]\n[models]\nm = "{target}:v1"\n')
    modelsync.lock()
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    before = len(running.requests)
    modelsync.sync(frozen=True)
    given = [path for method, path, status in running.requests[before:] if method == "GET" and status < 300]
    assert any("-mirror/blobs/" in path for path in given)
    assert not any("/blobs/" in path and "-mirror/" not in path for path in given)


def test_a_tag_that_moved_is_told_with_its_cost(project: Place, target: str, opened: Opened) -> None:
    """`outdated` and a dry run read no layer; the upgrade does."""
    store(target, image(tar({"models/m.gguf": gguf("one")})), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.sync()
    layer = tar({"models/m.gguf": noise(50_000, 1)})
    store(target, image(layer), "v1")
    (moved,) = outdated.outdated(opened(), project.project).models
    assert (moved.change.action, moved.change.bytes) == ("updated", len(layer))
    before = project.lock_text
    modelsync.lock(upgrade=True, dry_run=True)
    assert project.lock_text == before
    modelsync.sync(upgrade=True)
    assert modelsync.path("m").read_bytes() == noise(50_000, 1)


def test_a_lock_that_was_edited_is_found_out(project: Place, target: str, opened: Opened) -> None:
    """`lock --verify` reads the layers again and compares each file."""
    store(target, image(tar({"models/m.gguf": gguf("m")})), "v1")
    locked(project, f"{target}:v1")
    lock.verify(opened(), project.project)
    text = project.lock_text
    assert sha256(gguf("m")) in text
    (project.folder / "models.lock").write_text(
        text.replace(f'sha256 = "{sha256(gguf("m"))}"', f'sha256 = "{"0" * 64}"')
    )
    with pytest.raises(DriftError, match="sha256"):
        lock.verify(opened(), project.project)


@pytest.mark.parametrize("where", ["lock", "sync"])
def test_a_layer_that_unpacks_without_end(
    project: Place, target: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """It is refused before its bytes fill the disk; nothing of it stays."""
    bomb = tar({"models/m.gguf": bytes(150_000_000)}, "w:gz")
    store(target, image(bomb, media_type=f"{IMAGE_TAR}+gzip"), "v1")
    if where == "lock":
        project.write(f'[models]\nm = "{target}:v1"\n')
        monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
        with pytest.raises(RefusedError, match="far more than its size"):
            modelsync.sync()
    else:
        good = tar({"models/m.gguf": gguf("m")})
        store(target, image(good), "good")
        locked(project, f"{target}:good")
        path = project.folder / "models.lock"
        path.write_text(
            path.read_text()
            .replace(sha256(good), sha256(bomb))
            .replace(f"size = {len(gguf('m'))}", "size = 150000000")
        )
        monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
        with pytest.raises((RefusedError, HashMismatchError)):
            modelsync.sync(frozen=True)
    assert not left_in(elsewhere)


def test_links_in_a_layer_are_no_files(project: Place, target: str) -> None:
    """A link that leads out of the model is left out, and what it would have led to is not read."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        for name, leads in (("models/m.gguf", ""), ("models/passwd.json", "/etc/passwd")):
            member = tarfile.TarInfo(name)
            if leads:
                member.type, member.linkname = tarfile.SYMTYPE, leads
            else:
                member.size = len(gguf("m"))
            packed.addfile(member, io.BytesIO(gguf("m")))
    store(target, image(out.getvalue()), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.sync()
    assert [file.path for file in parse(project.lock_text).models[0].files] == ["m.gguf"]


@needs_umoci
def test_an_image_of_umoci_loads(
    project: Place,
    target: str,
    tiny_gguf: Path,
    tmp_path: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A modelcar in gzip layers, with what a later layer removes: llama-cpp-python loads what is left."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    for words in (
        ["init", "--layout", "l"],
        ["new", "--image", "l:v1"],
        ["insert", "--rootless", "--image", "l:v1", str(tiny_gguf), "/models/tiny-Q4_K_M.gguf"],
        ["insert", "--rootless", "--image", "l:v1", str(tiny_gguf), "/models/old-Q8_0.gguf"],
        ["insert", "--rootless", "--image", "l:v1", "--whiteout", "/models/old-Q8_0.gguf"],
    ):
        subprocess.run(["umoci", *words], cwd=tmp_path, env=env, check=True, capture_output=True)
    kept = {
        digest_of(path.read_bytes()): path.read_bytes()
        for path in (tmp_path / "l" / "blobs").rglob("*")
        if path.is_file()
    }
    (named,) = [
        each
        for each in json.loads((tmp_path / "l" / "index.json").read_bytes())["manifests"]
        if each.get("annotations", {}).get("org.opencontainers.image.ref.name") == "v1"
    ]
    store(target, Stored(kept[named["digest"]], artifacts.MANIFEST, kept), "v1")
    locked(project, f"{target}:v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    modelsync.sync(frozen=True)
    assert modelsync.path("m").read_bytes() == tiny_gguf.read_bytes()
    with closing(modelsync.load("m", verbose=False, n_ctx=64)) as llm:
        assert llm.n_vocab() > 0


def test_a_safetensors_model_of_docker_model_runner(
    project: Place, target: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights as a raw layer, what goes with them as a tar, more folders as another: one folder model."""
    weights = safetensors()
    small = {"config.json": b'{"model_type": "bert"}', "tokenizer.json": b"{}"}
    folder = {"1_Pooling/config.json": b'{"p": 1}'}
    layers = [
        Layer("application/vnd.docker.ai.safetensors", weights, {artifacts.FILEPATH: "model.safetensors"}),
        Layer(CONFIG_TAR, tar(small)),
        Layer(FOLDER_TAR, tar(folder), {artifacts.FILEPATH: "1_Pooling"}),
    ]
    store(target, docker_model(layers), "v1")
    locked(project, f"{target}:v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    modelsync.sync(frozen=True)
    there = modelsync.files("m")
    assert there.folder is not None
    found = {path.relative_to(there.folder).as_posix(): path.read_bytes() for path in there.files}
    assert found == {"model.safetensors": weights, **small, **folder}


def test_a_folder_that_oras_pushed(
    project: Place, target: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One tar+gzip layer, whose files go below its title."""
    client = pytest.importorskip("oras.client")
    (tmp_path / "files" / "m" / "sub").mkdir(parents=True)
    (tmp_path / "files" / "m" / "m-Q4_0.gguf").write_bytes(gguf("m"))
    (tmp_path / "files" / "m" / "sub" / "a.json").write_bytes(b"{}")
    monkeypatch.chdir(tmp_path / "files")
    host, _, name = target.removeprefix("oci://").partition("/")
    made = client.OrasClient(hostname=host, insecure=True)
    made.push(target=f"{host}/{name}:v1", files=["m"], disable_path_validation=True)
    monkeypatch.chdir(project.folder)
    locked(project, f"{target}:v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    modelsync.sync(frozen=True)
    assert modelsync.path("m").read_bytes() == gguf("m")


def test_a_model_that_does_not_fit_is_told_before_its_layer_is_fetched(
    project: Place,
    target: str,
    running: Registry,
    sized: Sized,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its header in the tar. What is small beside the machine is not listed for that."""
    data = quant("Q8_0", vocabulary=[f"w{number}" for number in range(200)])
    layer = tar({"etc/filling": noise(8_000_000, 2), "models/m-Q8_0.gguf": data})
    store(target, image(layer), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere))
    sized(5)
    before = running.sent
    with pytest.raises(MisfitError, match="m does not fit"):
        modelsync.sync(require_fit=True)
    assert running.sent - before < 4_000_000
    assert not (project.folder / "models.lock").exists()
    sized(4096)
    before = running.sent
    modelsync.sync(require_fit=True)
    assert len(layer) <= running.sent - before < len(layer) + 60_000
