"""Models of registries over time: tags that move or stay, new versions, damage, machines that ask a mirror alone."""

from pathlib import Path
from typing import Literal

import pytest

import modelsync
from modelsync.ops import lock, outdated
from modelsync.spec.lock.read import parse
from tests.support.artifacts import DOCKER_GGUF, Layer, docker_model, image, modelpack, sha256, store, tar
from tests.support.content import damage, gguf
from tests.support.project import Opened, Place
from tests.support.registries import Registry, asked, needs_registry
from tests.support.weight_files import gguf_of, weights

pytestmark = needs_registry

SMALL, OTHER, EYES = gguf("small"), gguf("other", 4000), gguf("eyes")


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project without a manifest; calls find it."""
    monkeypatch.chdir(place.folder)
    return place


def test_of_a_tag_that_stays_nothing_but_its_digest_is_asked(
    project: Place,
    target: str,
    opened: Opened,
    running: Registry,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Docker Hub counts each manifest that is read: `outdated` and `lock -U` read none where nothing has moved."""
    store(target, modelpack({"m.gguf": SMALL, "mmproj-m.gguf": EYES, "m-lora.gguf": gguf("lora")}), "v1")
    store(f"{target}/eyes", modelpack({"mmproj-new.gguf": gguf("new eyes")}), "v1")
    store(f"{target}/image", image(tar({"models/packed.gguf": OTHER})), "v1")
    pinned = store(f"{target}/pinned", modelpack({"p.gguf": SMALL}))
    project.write(
        f'[models]\nm = "{target}:v1"\npacked = "{target}/image:v1"\npinned = "{target}/pinned@{pinned}"\n'
        f'[models.seeing]\nuri = "{target}:v1"\nmmproj = "{target}/eyes:v1"\n'
    )
    modelsync.lock()
    before = project.lock_text
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    for ask in (lambda: outdated.outdated(opened(), project.project), lambda: modelsync.lock(upgrade=True)):
        since = len(running.requests)
        ask()
        names = [name.partition("/team/")[2].partition("/")[2] for _, name, _ in asked(running, since)]
        assert {method for method, *_ in asked(running, since)} == {"HEAD"}
        assert sorted(names) == ["eyes/manifests/v1", "image/manifests/v1", "manifests/v1"]
        assert project.lock_text == before


def test_what_a_forged_lock_says_is_replaced_by_repin(project: Place, target: str, opened: Opened) -> None:
    """`lock --verify` finds it and names `--repin`, which reads the manifest though its tag has not moved."""
    store(target, modelpack({"m.gguf": SMALL, "x.gguf": OTHER}, licenses=["mit"]), "two")
    store(target, modelpack({"m.gguf": SMALL}), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.lock()
    right = project.lock_text
    forged = right.replace(sha256(SMALL), sha256(OTHER)).replace(
        f"size = {len(SMALL)}", f"size = {len(OTHER)}"
    )
    (project.folder / "models.lock").write_text(forged)
    with pytest.raises(modelsync.ModelsyncError) as caught:
        lock.verify(opened(), project.project)
    assert "lock --repin" in str(caught.value.hint)
    modelsync.lock(repin=True)
    assert project.lock_text == right


def test_a_tag_that_moves_between_lock_and_sync_moves_nothing(
    project: Place, target: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The digest holds, tag or no tag: a sync of the lock, and one that has to lock another model too."""
    first = store(target, modelpack({"m.gguf": SMALL}), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.lock()
    store(target, modelpack({"m.gguf": OTHER}), "v1")
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    project.write(f'[models]\nm = "{target}:v1"\nnew = "{target}:v1"\n')
    modelsync.sync()
    assert modelsync.path("m").read_bytes() == SMALL
    assert modelsync.path("new").read_bytes() == OTHER
    entry = parse(project.lock_text).find("m")
    assert entry is not None
    assert entry.revision == first


def test_an_upgrade_fetches_what_has_changed_of_a_gguf(
    project: Place, target: str, opened: Opened, running: Registry
) -> None:
    """Another chat template of a model: its header comes from the registry, its tensors from the version before."""
    tensors = {f"blk.{number}.w": weights(number, 3900) for number in range(12)}
    old = gguf_of(tensors, {"tokenizer.chat_template": "{{ old }}"})
    new = gguf_of(tensors, {"tokenizer.chat_template": "{{ new and longer }}" * 20})
    store(target, modelpack({"m.gguf": old}), "v1")
    project.write(f'[models]\nm = "{target}:v1"\n')
    modelsync.sync()
    store(target, modelpack({"m.gguf": new}), "v1")
    (moved,) = outdated.outdated(opened(), project.project).models
    assert moved.reusable
    modelsync.lock(upgrade=True)
    sent = running.sent
    report = modelsync.sync()
    assert modelsync.path("m").read_bytes() == new
    assert report.bytes_reused > 0.9 * len(new)
    assert running.sent - sent < 0.1 * len(new)


def test_damage_is_mended_from_the_registry(
    project: Place, target: str, opened: Opened, running: Registry
) -> None:
    """`verify --repair` fetches the layer again, and a file out of a tar layer by that layer; no manifest is read."""
    store(target, modelpack({"m.gguf": SMALL}), "v1")
    store(f"{target}/image", image(tar({"models/packed.gguf": OTHER})), "v1")
    project.write(f'[models]\nm = "{target}:v1"\npacked = "{target}/image:v1"\n')
    modelsync.sync()
    for name in ("m", "packed"):
        damage(modelsync.path(name), 2000)
    since = len(running.requests)
    report = modelsync.verify(repair=True)
    assert report is not None
    assert not any("/manifests/" in name for _, name, _ in asked(running, since))
    assert modelsync.path("m").read_bytes() == SMALL
    assert modelsync.path("packed").read_bytes() == OTHER
    modelsync.verify(full=True)


def test_a_machine_with_a_mirror_alone_syncs_all_of_a_model(
    project: Place, target: str, running: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A split model, its projector and a tar layer come from a mirror; nothing is asked of the registry of the lock."""
    files = {**{f"big-0000{n}-of-00002.gguf": gguf(f"part {n}") for n in (1, 2)}, "mmproj-big.gguf": EYES}
    packed = tar({"models/packed.gguf": OTHER})
    store(f"{target}/origin", modelpack(files), "v1")
    store(f"{target}/origin-image", image(packed), "v1")
    store(f"{target}/mirror", modelpack({**files, "layer.tar": packed}), "any")
    project.write(f'[models]\nbig = "{target}/origin:v1"\npacked = "{target}/origin-image:v1"\n')
    modelsync.lock()
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    since = len(running.requests)
    modelsync.sync(locked=True, mirrors=[f"{target}/mirror"], mirror_only=True)
    assert {"/mirror/" in name for _, name, _ in asked(running, since)} == {True}
    there = modelsync.files("big")
    assert [part.read_bytes() for part in (*there.parts, there.mmproj) if part] == list(files.values())
    assert modelsync.path("packed").read_bytes() == OTHER


@pytest.mark.parametrize("form", ["modelpack", "image"])
def test_a_model_of_a_registry_is_pushed_on(
    project: Place,
    target: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    form: Literal["modelpack", "image"],
) -> None:
    """What came from one repository comes back from another in the same roles, paths, order and license."""
    store(target, modelpack({"m.gguf": SMALL, "mmproj-m.gguf": EYES}), "v1")
    store(f"{target}/image", image(tar({"models/packed.gguf": OTHER})), "v1")
    project.write(f'[models]\nm = "{target}:v1"\npacked = "{target}/image:v1"\n')
    modelsync.sync()
    before = parse(project.lock_text)
    modelsync.push(f"{target}/on", tag=True, form=form)
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
    project.write(f'[models]\nm = "{target}/on:m"\npacked = "{target}/on:packed"\n')
    modelsync.sync()
    for old, new in zip(before.models, parse(project.lock_text).models, strict=True):
        assert (old.name, old.license) == (new.name, new.license)
        said = [
            [(file.role, file.path, file.size, file.sha256) for file in model.files] for model in (old, new)
        ]
        assert said[0] == said[1]
    assert modelsync.path("packed").read_bytes() == OTHER
    assert modelsync.files("m").mmproj is not None


def test_two_tags_of_one_manifest_are_two_models(
    project: Place, target: str, opened: Opened, running: Registry
) -> None:
    """Files without a name are called by the tag that asks, also for `lock --verify`; one manifest is read once."""
    digest = store(target, docker_model([Layer(DOCKER_GGUF, SMALL)]), "Q4_K_M", "latest")
    project.write(f'[models]\na = "{target}:Q4_K_M"\nb = "{target}"\n')
    since = len(running.requests)
    modelsync.lock()
    read = [name for method, name, _ in asked(running, since) if method == "GET" and "/manifests/" in name]
    assert [name.rpartition("/")[2] for name in read] == [digest]
    name = target.rpartition("/")[2]
    paths = [file.path for model in parse(project.lock_text).models for file in model.files]
    assert paths == [f"{name}-Q4_K_M.gguf", f"{name}-latest.gguf"]
    lock.verify(opened(), project.project)
