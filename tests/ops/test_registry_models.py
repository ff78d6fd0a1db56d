"""Models out of a registry: locked by the digest of a manifest, synced by the digests of its layers."""

import json
from pathlib import Path

import pytest

import modelsync
from modelsync.errors import (
    DriftError,
    HashMismatchError,
    LockfileError,
    ModelsyncError,
    NotFoundError,
    RefusedError,
)
from modelsync.ops import lock, outdated
from modelsync.spec.lock.read import parse
from tests.support import artifacts
from tests.support.artifacts import Layer, artifact, docker_model, modelpack, sha256, store
from tests.support.content import gguf, noise
from tests.support.project import Opened, Place
from tests.support.registries import Registry, needs_registry

pytestmark = needs_registry

SMALL, OTHER = gguf("small"), gguf("other", 4000)
SPLIT = {f"big-0000{number}-of-00002.gguf": gguf(f"part {number}") for number in (1, 2)}


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project without a manifest; calls find it."""
    monkeypatch.chdir(place.folder)
    return place


def test_a_model_is_locked_by_its_manifest_and_synced_by_its_layers(project: Place, target: str) -> None:
    """The lock has the manifest's digest and each layer's URL; on another machine nothing but layers is asked for."""
    digest = store(target, modelpack({"tiny-Q4_K_M.gguf": SMALL}), "v1")
    project.write(f'[models]\ntiny = "{target}:v1"\n')
    report = modelsync.sync()
    assert [(change.name, change.action) for change in report.changes] == [("tiny", "added")]
    assert modelsync.path("tiny").read_bytes() == SMALL
    (model,) = parse(project.lock_text).models
    (file,) = model.files
    assert (model.revision, model.license, model.request) == (digest, "mit", {"uri": f"{target}:v1"})
    assert (file.role, file.path, file.size) == ("model", "tiny-Q4_K_M.gguf", len(SMALL))
    assert file.url == f"{target}@sha256:{sha256(SMALL)}"
    assert file.sha256 == sha256(SMALL)
    assert "\nversion = 2\n" in project.lock_text


def test_a_sync_from_a_lock_asks_for_layers_alone(
    project: Place,
    target: str,
    running: Registry,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What the tag names now is nobody's business: the lock says which bytes, and they are asked for by ranges."""
    big = noise(9_000_000, 1)
    store(target, modelpack({"big.gguf": big}), "v1")
    project.write(f'[models]\nbig = "{target}:v1"\n')
    modelsync.lock()
    store(target, modelpack({"big.gguf": OTHER}), "v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    before = len(running.requests)
    modelsync.sync(locked=True)
    assert modelsync.path("big").read_bytes() == big
    name = target.split("/", 3)[3]
    seen = [each for each in running.requests[before:] if each[1] != "/v2/"]
    assert {target for _, target, _ in seen} == {f"/v2/{name}/blobs/sha256:{sha256(big)}"}
    assert {status for *_, status in seen} <= {200, 206}


def test_split_models_and_companions_come_whole(project: Place, target: str) -> None:
    """Parts in order, the projector and the adapter that the artifact holds; none has to be asked for."""
    files = {**SPLIT, "mmproj-F16.gguf": gguf("eyes"), "lora-adapter.gguf": gguf("adapter")}
    store(target, modelpack(files), "v1")
    project.write(f'[models.big]\nuri = "{target}:v1"\n')
    modelsync.sync()
    there = modelsync.files("big")
    assert [part.name for part in there.parts] == list(SPLIT)
    assert there.mmproj is not None
    assert there.mmproj.read_bytes() == gguf("eyes")
    assert [lora.read_bytes() for lora in there.loras] == [gguf("adapter")]
    lock.check(project.project)
    assert not modelsync.sync().changes


def test_a_request_may_name_another_companion(project: Place, target: str, opened: Opened) -> None:
    """A projector that the manifest names takes the place of the artifact's; one of another artifact keeps its pin."""
    eyes = store(f"{target}/eyes", modelpack({"mmproj-new.gguf": gguf("new eyes")}), "v1")
    store(target, modelpack({"m.gguf": SMALL, "mmproj-old.gguf": gguf("old")}), "v1")
    project.write(f'[models.m]\nuri = "{target}:v1"\nmmproj = "{target}/eyes:v1"\n')
    modelsync.sync()
    there = modelsync.files("m")
    assert there.mmproj is not None
    assert there.mmproj.read_bytes() == gguf("new eyes")
    (model,) = parse(project.lock_text).models
    assert [(file.role, file.revision) for file in model.files] == [("model", None), ("mmproj", eyes)]
    store(f"{target}/eyes", modelpack({"mmproj-new.gguf": gguf("newer eyes")}), "v1")
    lock.verify(opened(), project.project)  # the lock is behind, and not wrong
    assert [one.change.name for one in outdated.outdated(opened(), project.project).models] == ["m"]


def test_a_projector_that_must_be_there(project: Place, target: str) -> None:
    """`mmproj = true` asks for the artifact's own, and says so where it has none."""
    store(target, modelpack({"m.gguf": SMALL}), "none")
    store(target, modelpack({"m.gguf": SMALL, "mmproj-F16.gguf": gguf("eyes")}), "eyes")
    project.write(f'[models.m]\nuri = "{target}:eyes"\nmmproj = true\n')
    modelsync.sync()
    assert modelsync.files("m").mmproj is not None
    project.write(f'[models.m]\nuri = "{target}:none"\nmmproj = true\n')
    with pytest.raises(NotFoundError, match="has no projector"):
        modelsync.sync()


def test_a_tag_that_moves_is_outdated_and_upgraded(
    project: Place, target: str, opened: Opened, running: Registry
) -> None:
    """`outdated` names what moved, `lock --upgrade` moves it; the same files under a new manifest move nothing."""
    first = store(target, modelpack({"m.gguf": SMALL}), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.sync()
    assert not outdated.outdated(opened(), project.project).models
    store(target, modelpack({"m.gguf": SMALL}, licenses=["apache-2.0"]), "v1")
    (same,) = outdated.outdated(opened(), project.project).models
    assert same.same_bytes
    modelsync.lock(upgrade=True)
    assert parse(project.lock_text).models[0].revision == first
    newest = store(target, modelpack({"m.gguf": OTHER}), "v1")
    (moved,) = outdated.outdated(opened(), project.project).models
    assert (moved.same_bytes, moved.change.bytes) == (False, len(OTHER))
    lock.verify(opened(), project.project)
    modelsync.sync(upgrade=True)
    assert parse(project.lock_text).models[0].revision == newest
    assert modelsync.path("m").read_bytes() == OTHER


def test_a_tag_is_asked_for_by_head(project: Place, target: str, running: Registry) -> None:
    """Docker Hub counts a manifest that is read as a pull, and a HEAD as nothing."""
    digest = store(target, modelpack({"m.gguf": SMALL}), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    before = len(running.requests)
    modelsync.lock()
    seen = [(method, target.rpartition("/")[2]) for method, target, _ in running.requests[before:]]
    assert ("HEAD", "v1") in seen
    assert ("GET", digest) in seen
    assert ("GET", "v1") not in seen


def test_verify_finds_a_forged_lock(project: Place, target: str, opened: Opened) -> None:
    """A digest that the manifest does not have is found, wherever the lock has it from."""
    store(target, modelpack({"m.gguf": SMALL}), "v1")
    store(f"{target}", modelpack({"evil.gguf": OTHER}), "evil")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.lock()
    lock.verify(opened(), project.project)
    forged = project.lock_text.replace(sha256(SMALL), sha256(OTHER)).replace(
        f"size = {len(SMALL)}", f"size = {len(OTHER)}"
    )
    (project.folder / "models.lock").write_text(forged)
    with pytest.raises(DriftError, match=sha256(OTHER)):
        lock.verify(opened(), project.project)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("/team/", "/evil/", "its url is"),
        ("@sha256:{sha}", "@sha256:" + "0" * 64, "its url is"),
        ('url = "oci://', 'url = "https://', "its url is"),
        ("@sha256:{sha}", "@sha256:{sha}#../x", "its url is|name in a layer"),
        ('revision = "sha256:', 'revision = "sha256:0', "revision"),
        ('revision = "{digest}"\n', "", "no digest of a manifest"),
    ],
)
def test_a_lock_whose_url_does_not_follow_is_refused(
    project: Place, target: str, old: str, new: str, words: str
) -> None:
    """Registry, repository and digest of a layer are those of the request and of the file."""
    digest = store(target, modelpack({"m.gguf": SMALL}), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.lock()
    old, new = (each.replace("{sha}", sha256(SMALL)).replace("{digest}", digest) for each in (old, new))
    head, files, rest = project.lock_text.partition("files = [")
    if old in head:
        head = head.replace(old, new) if "revision" in old else head
    rest = rest.replace(old, new)
    (project.folder / "models.lock").write_text(head + files + rest)
    with pytest.raises((RefusedError, LockfileError), match=words):
        modelsync.sync(frozen=True)


def test_a_digest_pins_the_manifest(project: Place, target: str, opened: Opened) -> None:
    """`@sha256:…` is that manifest; a lock that says another is refused."""
    digest = store(target, modelpack({"m.gguf": SMALL}), "v1")
    other = store(target, modelpack({"m.gguf": OTHER}), "v1")
    project.write(f'[models]\nm = "{target}@{digest}"\n')
    modelsync.sync()
    assert modelsync.path("m").read_bytes() == SMALL
    assert not outdated.outdated(opened(), project.project).models
    (project.folder / "models.lock").write_text(
        project.lock_text.replace(f'revision = "{digest}"', f'revision = "{other}"')
    )
    with pytest.raises(RefusedError, match="the request says"):
        modelsync.sync()


def test_pull_and_path_take_a_uri(project: Place, target: str, tmp_path: Path) -> None:
    """`pull` into a folder has repository, tag and path in it; `path` of the URI answers without a network."""
    store(target, modelpack({"q/m.gguf": SMALL}), "v1", "latest")
    name = target.split("/", 3)[3]
    (one,) = modelsync.pull(f"{target}:v1", dir=tmp_path / "out")
    assert one.model == tmp_path / "out" / name.replace(
        "/", "/"
    ) / ".." / f"{name.rpartition('/')[2]}@v1/q/m.gguf" or (
        one.model == tmp_path / "out" / f"{name}@v1" / "q/m.gguf"
    )
    (latest,) = modelsync.pull(target, dir=tmp_path / "out")
    assert latest.model == tmp_path / "out" / name / "q/m.gguf"
    assert modelsync.path(target).read_bytes() == SMALL
    assert modelsync.path(target, download=False).read_bytes() == SMALL


def test_docker_model_runners_models(project: Place, target: str) -> None:
    """Layers without names are called by the repository and the tag; parts keep their order."""
    layers = [
        Layer(artifacts.DOCKER_GGUF, SMALL),
        Layer(artifacts.DOCKER_MMPROJ, gguf("eyes")),
        Layer(artifacts.DOCKER_LICENSE, b"MIT License\n\nPermission is hereby granted, free of charge"),
    ]
    store(target, docker_model(layers), "360M-Q4_K_M")
    project.write(f'[models]\nm = "{target}:360M-Q4_K_M"\n')
    modelsync.sync()
    there = modelsync.files("m")
    name = target.rpartition("/")[2]
    assert there.model.name == f"{name}-360M-Q4_K_M.gguf"
    assert there.model.read_bytes() == SMALL
    assert there.mmproj is not None
    assert there.mmproj.name == f"mmproj-{name}-360M-Q4_K_M.gguf"


def test_an_index_is_chosen_from_and_named(project: Place, target: str, opened: Opened) -> None:
    """The lock pins the index; which manifest of it was taken is told, and the same on each machine."""
    amd, arm = modelpack({"m.gguf": SMALL}), modelpack({"m.gguf": OTHER})
    for each in (amd, arm):
        store(target, each)
    index = {
        "schemaVersion": 2,
        "mediaType": artifacts.INDEX,
        "manifests": [
            {
                **artifacts.descriptor(artifacts.MANIFEST, each.data),
                "platform": {"os": "linux", "architecture": architecture},
            }
            for each, architecture in ((arm, "arm64"), (amd, "amd64"))
        ],
    }
    digest = store(target, artifacts.Stored(json.dumps(index).encode(), artifacts.INDEX, {}), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    report = modelsync.sync()
    assert any("linux/amd64" in note for note in report.notes)
    assert modelsync.path("m").read_bytes() == SMALL
    assert parse(project.lock_text).models[0].revision == digest
    lock.verify(opened(), project.project)


def test_a_missing_tag_names_those_that_are_there(project: Place, target: str) -> None:
    """A slip of the pen is answered with the nearest tag; a repository that is not there says what it may be."""
    store(target, modelpack({"m.gguf": SMALL}), "q4_k_m", "q8_0")
    with pytest.raises(NotFoundError, match="did you mean 'q4_k_m'") as caught:
        modelsync.pull(f"{target}:q4_km")
    assert "q8_0" in str(caught.value.hint)
    with pytest.raises(NotFoundError, match="v1"):
        modelsync.pull(f"{target}/none:v1")


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (artifact("application/vnd.example.thing+json", {}, [Layer("text/plain", b"x")]), "no model has"),
        (
            artifact(
                "application/vnd.oci.empty.v1+json",
                {},
                [Layer("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")],
            ),
            "a signature",
        ),
        (modelpack({"../m.gguf": SMALL}), "refused"),
        (modelpack({"m.gguf": SMALL, "M.gguf": OTHER}), "(?i)m.gguf"),
        (modelpack({"m.gguf": b"<!doctype html><title>log in</title>" * 9}), "GGUF|HTML|page"),
    ],
)
def test_what_is_no_model_is_refused_by_name(
    project: Place, target: str, stored: artifacts.Stored, words: str
) -> None:
    """A clear error that names the model; no lock is written, and nothing is published."""
    store(target, stored, "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    with pytest.raises(ModelsyncError, match=words):
        modelsync.sync()
    assert not list((project.folder).rglob("*.gguf"))


def test_a_layer_of_another_size_is_never_published(project: Place, target: str) -> None:
    """A manifest that gives a layer another size than it has: an error, and no file."""
    stored = modelpack({"m.gguf": SMALL})
    wrong = stored.data.replace(b'"size": 3000', b'"size": 2900')
    assert wrong != stored.data
    store(target, stored._replace(data=wrong), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    with pytest.raises(HashMismatchError, match="2900"):
        modelsync.sync()
    with pytest.raises(ModelsyncError):
        modelsync.path("m", download=False)


def test_a_mirror_alone_gives_what_a_registry_locked(
    project: Place, target: str, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A machine that may ask nothing but a mirror syncs such a lock by its digests."""
    store(target, modelpack({"m.gguf": SMALL}), "v1")
    store(f"{target}-mirror", modelpack({"m.gguf": SMALL}), "any")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.lock()
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    report = modelsync.sync(mirrors=[f"{target}-mirror"], mirror_only=True)
    assert [one.place for one in report.brought] == [f"{target}-mirror"]
    assert modelsync.path("m").read_bytes() == SMALL


def test_offline_says_what_it_cannot_do(project: Place, target: str) -> None:
    """Without a network a tag cannot be looked up; what is locked and here needs none."""
    store(target, modelpack({"m.gguf": SMALL}), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    with pytest.raises(ModelsyncError, match="ruled out"):
        modelsync.sync(offline=True)
    modelsync.sync()
    modelsync.sync(offline=True)
    assert modelsync.path("m").read_bytes() == SMALL


def test_a_mirror_that_a_manifest_names_needs_the_registrys_word(
    project: Place, target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is used for layers that the registry itself has, and for no others that an edited lock brings along."""
    store(target, modelpack({"m.gguf": SMALL}), "v1")
    store(f"{target}-mirror", modelpack({"m.gguf": SMALL}), "v1")
    store(f"{target}-mirror", modelpack({"evil.gguf": OTHER}), "evil")
    named = f'[modelsync]\nmirrors = ["{target}-mirror"]\n[models]\nm = "{target}:v1"\n'
    project.write(named)
    modelsync.lock()
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    report = modelsync.sync()
    assert [one.place for one in report.brought] == [f"{target}-mirror"]
    forged = project.lock_text.replace(sha256(SMALL), sha256(OTHER))
    forged = forged.replace(f"size = {len(SMALL)}", f"size = {len(OTHER)}")
    (project.folder / "models.lock").write_text(forged)
    with pytest.raises(NotFoundError, match="does not have the layer"):
        modelsync.sync(frozen=True)


def test_a_manifest_is_held_against_its_digest(project: Place, target: str, running: Registry) -> None:
    """Other bytes under the digest that was asked for: an error, and no lock. So it is with a configuration."""
    stored = modelpack({"m.gguf": SMALL})
    digest = store(target, stored, "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    config = next(each for each, data in stored.blobs.items() if data.startswith(b"{"))
    for wrong in (config, digest):
        path = running.blob(wrong)
        right = path.read_bytes()
        path.write_bytes(
            right.replace(b'"mit"', b'"MIT"') if wrong == config else right.replace(b"m.gguf", b"n.gguf")
        )
        try:
            with pytest.raises(HashMismatchError):
                modelsync.lock()
        finally:
            path.write_bytes(right)
    assert not (project.folder / "models.lock").exists()
    modelsync.lock()


def test_an_interrupted_layer_goes_on(
    project: Place, target: str, running: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What has come of a layer before a sync was cancelled is not asked for again."""
    import threading

    big = noise(24_000_000, 3)
    store(target, modelpack({"big.gguf": big}), "v1")
    project.write(f'[models]\nbig = "{target}:v1"\n')
    modelsync.lock()
    cancel = threading.Event()

    def stop(event: object) -> None:
        if getattr(event, "phase", "") == "fetching" and getattr(event, "done", 0) > 4_000_000:
            cancel.set()

    with pytest.raises(ModelsyncError, match="interrupted"):
        modelsync.sync(on_progress=stop, cancel=cancel, max_rate="20MB")
    report = modelsync.sync()
    assert report.bytes_reused >= 4_000_000
    assert modelsync.path("big").read_bytes() == big
