"""Models of registries over time: tags that move or stay, new versions, damage, machines that ask a mirror alone."""

from pathlib import Path

import pytest

import modelsync
from modelsync.ops import lock, outdated
from tests.support.artifacts import image, modelpack, sha256, store, tar
from tests.support.content import gguf
from tests.support.project import Opened, Place
from tests.support.registries import Registry, asked, needs_registry

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
