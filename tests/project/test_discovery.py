"""Where the manifest of a call is."""

import os
import sys
from pathlib import Path

import pytest

from modelsync.errors import (
    LockfileError,
    ManifestError,
    NotFoundError,
    NoWorkingDirectoryError,
    UsageError,
)
from modelsync.project import discovery


def test_the_nearest_manifest_upward_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder inside a project, the project's manifest is found, and the lock beside it."""
    (tmp_path / "models.toml").write_text("")
    (tmp_path / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "src" / "deep")
    found = discovery.find()
    assert found.manifest_path == tmp_path / "models.toml"
    assert found.lock_path == tmp_path / "models.lock"
    assert discovery.find(directory=tmp_path / "src").root == tmp_path


def test_the_search_ends_at_the_home_folder(home: Path) -> None:
    """A manifest in the home folder is no project's of a folder below it; who stands in it has it."""
    (home / "models.toml").write_text("")
    (home / "work").mkdir()
    assert discovery.search(home / "work") is None
    assert discovery.search(home) == home / "models.toml"


@pytest.mark.skipif(sys.platform == "win32", reason="links want a privilege there")
def test_the_home_folder_is_known_behind_a_link(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where HOME is a link, as /home is on some systems, the search still ends there."""
    (home / "models.toml").write_text("")
    (home / "work").mkdir()
    (tmp_path / "link").symlink_to(home)
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    assert discovery.search(home / "work") is None
    assert discovery.search(tmp_path / "link/work") is None


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root can give files away")
def test_the_search_ends_at_a_strangers_file(tmp_path: Path) -> None:
    """What another user left in a parent folder is not obeyed, and nothing above it is looked for."""
    (tmp_path / "models.toml").write_text("")
    shared = tmp_path / "shared"
    (shared / "mine").mkdir(parents=True)
    (shared / "models.toml").write_text("")
    os.chown(shared / "models.toml", 12345, 12345)
    assert discovery.search(shared / "mine") is None


def test_a_manifest_of_another_name_has_its_own_lock(tmp_path: Path) -> None:
    """`NAME.toml` goes with `NAME.lock`; a folder means the `models.toml` in it."""
    (tmp_path / "models.dev.toml").write_text("")
    (tmp_path / "models.toml").write_text("")
    assert (
        discovery.find(manifest_path=tmp_path / "models.dev.toml").lock_path == tmp_path / "models.dev.lock"
    )
    assert discovery.find(manifest_path=tmp_path).lock_path == tmp_path / "models.lock"


def test_what_is_not_there_is_said_with_the_command_that_makes_it(tmp_path: Path) -> None:
    """No manifest, a manifest that is none, two ways to name one: each is its own error."""
    with pytest.raises(ManifestError) as nothing:
        discovery.find(manifest_path=tmp_path)
    assert "modelsync init" in str(nothing.value.hint)
    (tmp_path / "models.lock").write_text("")
    with pytest.raises(UsageError, match="not a manifest"):
        discovery.find(manifest_path=tmp_path / "models.lock")
    with pytest.raises(UsageError):
        discovery.find(manifest_path=tmp_path, package="x")


def test_a_package_ships_its_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package's manifest is found without importing the package."""
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "shipped" / "models.toml").write_text("")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    found = discovery.find(package="shipped")
    assert (found.manifest_path, found.package) == (tmp_path / "shipped" / "models.toml", "shipped")
    with pytest.raises(NotFoundError, match="ships no"):
        discovery.find(package="bare")
    with pytest.raises(NotFoundError, match="no package"):
        discovery.find(package="not_there_at_all")


def test_files_that_are_not_text_are_errors(tmp_path: Path) -> None:
    """A manifest or lock that is not UTF-8 is an error, not a traceback."""
    (tmp_path / "models.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "models.lock").write_bytes(b"\xff\xfe")
    found = discovery.find(manifest_path=tmp_path)
    with pytest.raises(ManifestError, match="UTF-8"):
        _ = found.loaded().manifest
    with pytest.raises(LockfileError, match="UTF-8"):
        _ = found.loaded().lock


@pytest.mark.skipif(sys.platform == "win32", reason="there, a working directory cannot be removed")
def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named by its whole path needs no working directory; a search says what is wrong."""
    (tmp_path / "models.toml").write_text("")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert discovery.find(manifest_path=tmp_path).root == tmp_path
    with pytest.raises(NoWorkingDirectoryError, match="no longer exists"):
        discovery.find()
