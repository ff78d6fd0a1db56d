"""Links, pipes and devices that came with a repository: nothing is written through them, nothing waits for them."""

import os
from pathlib import Path

import pytest

import modelsync
from modelsync.errors import LockfileError, RefusedError, StoreError
from modelsync.ops import edit
from modelsync.project import discovery
from tests.support.project import LINKED, MANIFEST, REPO, Place

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")


@pytest.fixture
def repository(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project that is found from the working directory, as one that was cloned."""
    place.write(MANIFEST)
    monkeypatch.chdir(place.folder)
    return place


def test_a_lock_is_not_written_through_a_link_out_of_the_project(repository: Place, tmp_path: Path) -> None:
    """`models.lock -> ../home/.bash_profile`, and a hub whose license is shell code: no byte comes there."""
    profile = tmp_path / "home" / ".bash_profile"
    profile.parent.mkdir()
    (repository.folder / "models.lock").symlink_to("../home/.bash_profile")
    repository.repo.license = "$(touch $HOME/PWNED)"
    for action in (modelsync.sync, modelsync.lock):
        with pytest.raises(RefusedError, match=r"models\.lock is a symbolic link that leads out") as error:
            action()
        assert error.value.hint
    with pytest.raises(RefusedError, match=r"models\.lock"):
        modelsync.sync(manifest=repository.folder / "models.toml")
    assert list(profile.parent.iterdir()) == []


def test_init_appends_to_nothing_outside(tmp_path: Path) -> None:
    """`.gitattributes -> ../.bashrc`: refused before anything is made."""
    shell, folder = tmp_path / ".bashrc", tmp_path / "project"
    shell.write_text("# mine\n")
    folder.mkdir()
    (folder / ".gitattributes").symlink_to(shell)
    with pytest.raises(RefusedError, match=r"\.gitattributes is a symbolic link"):
        edit.init(folder)
    assert shell.read_text() == "# mine\n"
    assert [path.name for path in folder.iterdir()] == [".gitattributes"]


@pytest.mark.parametrize("name", ["models.toml", "models.lock"])
@pytest.mark.parametrize("kind", ["zero", "pipe", "outside"])
def test_what_is_no_file_of_the_project_is_refused_by_name(
    repository: Place, tmp_path: Path, name: str, kind: str
) -> None:
    """An endless device, a pipe that no one writes to, another's file: each is refused, and nothing waits."""
    modelsync.lock()
    path = repository.folder / name
    content = path.read_bytes()
    path.unlink()
    if kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        (tmp_path / "other").write_bytes(content)
        path.symlink_to(tmp_path / "other")
    with pytest.raises(RefusedError, match=name.replace(".", r"\.")) as error:
        modelsync.path("tiny", download=False)
    assert error.value.hint


def test_a_lock_of_endless_size_is_read_to_its_bound(repository: Place) -> None:
    """A sparse lock of 1 TiB is refused without being read."""
    with (repository.folder / "models.lock").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(LockfileError, match=r"models\.lock"):
        modelsync.sync()


def test_a_link_inside_the_project_keeps_working(repository: Place) -> None:
    """The lock is written to where the link leads, and the link stays."""
    real = repository.folder / "locks" / "real.lock"
    real.parent.mkdir()
    path = repository.folder / "models.lock"
    path.symlink_to("locks/real.lock")
    modelsync.sync()
    assert path.is_symlink()
    assert real.read_text().startswith("# Written by modelsync")
    assert modelsync.path("tiny").is_file()


def test_a_manifest_that_was_named_may_be_a_link(repository: Place, tmp_path: Path) -> None:
    """Installers link what they install: `--manifest` reads through it, and still writes nothing through it."""
    modelsync.sync()
    installed = tmp_path / "installed"
    installed.mkdir()
    for name in ("models.toml", "models.lock"):
        (installed / name).symlink_to(repository.folder / name)
    assert modelsync.path("tiny", manifest=installed, download=False).is_file()
    before = (repository.folder / "models.toml").read_text()
    (repository.folder / "models.toml").write_text(before + f'more = "hf:{REPO}:Q8_0"\n')
    with pytest.raises(RefusedError, match=r"models\.lock"):
        modelsync.lock(manifest=installed)


def test_a_link_to_nothing_is_found_and_told(tmp_path: Path) -> None:
    """The search does not go on past it to a manifest further up: the link is what is wrong."""
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "models.toml").write_text(MANIFEST)
    (folder / "models.toml").symlink_to("../nowhere")
    with pytest.raises(RefusedError, match=r"models\.toml is a symbolic link"):
        discovery.find(directory=folder).read_manifest_text()


def test_the_record_of_links_is_no_link_out_of_the_folder(repository: Place, tmp_path: Path) -> None:
    """`models/.modelsync.json` and `models/.gitignore` that lead elsewhere: refused, or left alone."""
    repository.write(LINKED)
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = repository.folder / "models"
    folder.mkdir()
    (folder / ".gitignore").symlink_to(outside)
    modelsync.sync()
    assert outside.read_text() == "mine"
    (folder / ".modelsync.json").unlink()
    (folder / ".modelsync.json").symlink_to(outside)
    with pytest.raises((RefusedError, StoreError), match=r"\.modelsync\.json"):
        modelsync.sync()
    assert outside.read_text() == "mine"
