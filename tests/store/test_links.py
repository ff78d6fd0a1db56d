"""What is put into a project's folder, and what is never touched there."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.errors import RefusedError, StoreError
from modelsync.spec.names import path_fault
from modelsync.store import atomic, blobs, clone, link_folder, links, project_files, swap
from modelsync.store.layout import Store
from modelsync.store.links import LinkMode, NewLink, UsedMode
from tests.support.content import damage, sha256
from tests.support.processes import CAN_REFUSE, finish, python, refusing
from tests.support.store import publish

ONE, TWO, NEW = b"GGUF one", b"GGUF two", b"GGUF new"


def wanted(store: Store, path: str, data: bytes) -> NewLink:
    return NewLink(path, publish(store, data), sha256(data), len(data))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The `dir` of a project; nothing is there yet."""
    return tmp_path / "project" / "models"


def can_reflink(folder: Path) -> bool:
    """Whether the disk of the tests shares blocks between files."""
    (folder / "probe").write_bytes(b"x")
    try:
        clone.reflink(folder / "probe", folder / "probe-too")
    except OSError:
        return False
    return True


def test_files_appear_and_are_recorded(store: Store, folder: Path, tmp_path: Path) -> None:
    """Blobs appear under their paths without a second copy on the disk; the new folder ignores itself in git."""
    both = [wanted(store, "llama3/one.gguf", ONE), wanted(store, "llama3/lora-2/two.gguf", TWO)]
    expected = "reflink" if can_reflink(tmp_path) else "hardlink"
    assert links.place(folder, both, owner="../models.toml") == (expected, expected)
    assert (folder / "llama3/one.gguf").read_bytes() == ONE
    assert (folder / "llama3/lora-2/two.gguf").read_bytes() == TWO
    assert (folder / ".gitignore").read_text() == "*\n"
    record = json.loads((folder / ".modelsync.json").read_text())["files"]["llama3/one.gguf"]
    seen = (folder / "llama3/one.gguf").stat()
    assert record == {
        "sha256": sha256(ONE),
        "size": 8,
        "mtime_ns": seen.st_mtime_ns,
        "mode": expected,
        "owner": "../models.toml",
    }
    assert set(links.owned(folder)) == {"llama3/one.gguf", "llama3/lora-2/two.gguf"}
    assert all(links.intact(folder, path, put) for path, put in links.owned(folder).items())
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", ".modelsync.json", "llama3"]


def test_placing_again_changes_nothing(store: Store, folder: Path) -> None:
    """What is there and right is left as it is: the same files, the same record."""
    one = wanted(store, "m/one.gguf", ONE)
    used = links.place(folder, [one])
    before = {path: path.lstat().st_ino for path in folder.rglob("*")}
    assert links.place(folder, [one]) == used
    assert {path: path.lstat().st_ino for path in folder.rglob("*")} == before


def test_two_projects_share_one_file_on_the_disk(store: Store, tmp_path: Path) -> None:
    """The same file in two projects is on the disk once: one inode, where the disk shares no blocks by itself."""
    one = wanted(store, "m/one.gguf", ONE)
    for project in ("a", "b"):
        links.place(tmp_path / project, [one], mode="hardlink")
    inodes = {path.stat().st_ino for path in (tmp_path / "a/m/one.gguf", tmp_path / "b/m/one.gguf", one.blob)}
    assert len(inodes) == 1


@pytest.mark.parametrize("mode", ["hardlink", "symlink", "copy"])
def test_each_mode_makes_what_it_says(store: Store, folder: Path, mode: LinkMode) -> None:
    """Hard links, symbolic links and copies are made when they are asked for; a mode can be changed later."""
    one = wanted(store, "m/one.gguf", ONE)
    links.place(folder, [one])
    assert links.place(folder, [one], mode=mode) == (mode,)
    path = folder / "m/one.gguf"
    assert path.read_bytes() == ONE
    assert path.is_symlink() == (mode == "symlink")
    assert path.samefile(one.blob) == (mode != "copy")
    assert path.stat().st_mtime_ns == one.blob.stat().st_mtime_ns
    assert os.access(path, os.W_OK) or mode != "copy"
    (put,) = links.owned(folder).values()
    assert put.mode == mode
    assert links.intact(folder, "m/one.gguf", put)
    assert links.place(folder, [one]) == (mode,)  # `auto` leaves what is right


def test_a_mode_that_cannot_be_had_is_an_error(store: Store, folder: Path, tmp_path: Path) -> None:
    """A reflink that the disk cannot make is an error with a hint, and leaves nothing; where it can, it is one."""
    one = wanted(store, "m/one.gguf", ONE)
    if can_reflink(tmp_path):
        assert links.place(folder, [one], mode="reflink") == ("reflink",)
        assert not (folder / "m/one.gguf").samefile(one.blob)
        return
    with pytest.raises(StoreError) as caught:
        links.place(folder, [one], mode="reflink")
    assert caught.value.hint is not None
    assert "--link-mode" in caught.value.hint
    assert [path.name for path in folder.iterdir()] == [".gitignore"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_another_file_system_gets_copies(store: Store, folder: Path) -> None:
    """Where the store is on another file system, `auto` copies; a hard link that is asked for is an error."""
    here = folder.parent.parent.stat().st_dev
    there = next(
        (each for each in ("/dev/shm", "/tmp", "/var/tmp") if Path(each).stat().st_dev != here), None
    )
    if there is None:
        pytest.skip("there is one file system alone")
    other = Store(Path(there) / f"modelsync-test-{os.getpid()}")
    try:
        one = wanted(other, "m/one.gguf", ONE)
        told: list[int] = []
        assert links.place(folder, [one], on_bytes=told.append) == ("copy",)
        assert sum(told) == len(ONE)
        assert (folder / "m/one.gguf").read_bytes() == ONE
        with pytest.raises(StoreError):
            links.place(folder, [one], mode="hardlink")
        assert (folder / "m/one.gguf").read_bytes() == ONE
    finally:
        shutil.rmtree(other.root)


@pytest.mark.skipif(not CAN_REFUSE, reason="needs Linux's seccomp, to have a kernel without links")
def test_where_links_cannot_be_had_auto_copies(store: Store, folder: Path) -> None:
    """On a disk without hard links `auto` makes a copy, never a symbolic link."""
    one = wanted(store, "m/one.gguf", ONE)
    code = (
        "import sys\nfrom pathlib import Path\nfrom modelsync.store import links\n"
        f"one = links.NewLink('m/one.gguf', Path(sys.argv[1]), {one.sha256!r}, {one.size})\n"
        "print(*links.place(Path(sys.argv[2]), [one]))\n"
    )
    (answer,) = finish(refusing({"link": errno.EPERM}, code, [one.blob, folder]))
    assert answer in ("copy", "reflink")
    assert not (folder / "m/one.gguf").is_symlink()


# --- new versions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "hardlink", "symlink", "copy"])
def test_a_new_version_replaces_the_old_one(store: Store, folder: Path, mode: LinkMode) -> None:
    """What modelsync put there, and nobody changed, is replaced by what is wanted now."""
    links.place(folder, [wanted(store, "m/one.gguf", ONE)], mode=mode)
    links.place(folder, [wanted(store, "m/one.gguf", NEW)], mode=mode)
    assert (folder / "m/one.gguf").read_bytes() == NEW
    assert store.blob_path(sha256(ONE)).read_bytes() == ONE


def test_a_link_to_a_mended_blob_is_made_anew(store: Store, folder: Path) -> None:
    """A hard link shares the damage of its blob: after the blob was replaced, so is the link."""
    one = wanted(store, "m/one.gguf", ONE)
    links.place(folder, [one], mode="hardlink")
    damage(one.blob, 0)
    blobs.discard(store, sha256(ONE))
    publish(store, ONE)
    assert (folder / "m/one.gguf").read_bytes() != ONE
    links.place(folder, [one])
    assert (folder / "m/one.gguf").read_bytes() == ONE


# --- what is not ours --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["other size", "same size", "folder", "symlink", "dangling"])
def test_what_is_not_ours_is_never_overwritten(store: Store, folder: Path, tmp_path: Path, kind: str) -> None:
    """A file, folder or link that modelsync did not put there stops it before anything was done, and stays."""
    mine = folder / "m/one.gguf"
    mine.parent.mkdir(parents=True)
    elsewhere = tmp_path / "mine.gguf"
    elsewhere.write_bytes(b"mine")
    if kind == "folder":
        mine.mkdir()
    elif kind == "symlink":
        mine.symlink_to(elsewhere)
    elif kind == "dangling":
        mine.symlink_to(tmp_path / "nowhere")
    else:
        mine.write_bytes(b"precious" if kind == "same size" else b"precious!")
    before = mine.lstat()
    both = [wanted(store, "m/two.gguf", TWO), wanted(store, "m/one.gguf", ONE)]
    with pytest.raises(StoreError, match="did not put it there") as caught:
        links.place(folder, both)
    assert caught.value.hint is not None
    assert (mine.lstat().st_ino, mine.lstat().st_size) == (before.st_ino, before.st_size)
    assert elsewhere.read_bytes() == b"mine"
    assert not (folder / "m/two.gguf").exists()
    assert links.owned(folder) == {}


def test_what_was_changed_is_the_users(store: Store, folder: Path) -> None:
    """A file that was changed since it was put there is neither overwritten nor removed."""
    links.place(folder, [wanted(store, "m/one.gguf", ONE)], mode="copy")
    (folder / "m/one.gguf").write_bytes(b"finetuned")
    (put,) = links.owned(folder).values()
    assert not links.intact(folder, "m/one.gguf", put)
    with pytest.raises(StoreError, match="was changed since"):
        links.place(folder, [wanted(store, "m/one.gguf", NEW)])
    assert links.remove(folder, ["m/one.gguf"]) == ()
    assert (folder / "m/one.gguf").read_bytes() == b"finetuned"
    assert links.owned(folder) == {}


def test_the_right_bytes_that_were_there_are_used(store: Store, folder: Path) -> None:
    """A file that has the wanted bytes already stays the user's: found, hashed once, never replaced or removed."""
    (folder / "m").mkdir(parents=True)
    (folder / "m/one.gguf").write_bytes(ONE)
    inode = (folder / "m/one.gguf").stat().st_ino
    told: list[int] = []
    one = wanted(store, "m/one.gguf", ONE)
    assert links.place(folder, [one], on_bytes=told.append) == ("found",)
    assert links.place(folder, [one], mode="hardlink", on_bytes=told.append) == ("found",)
    assert sum(told) == len(ONE)
    with pytest.raises(StoreError):
        links.place(folder, [wanted(store, "m/one.gguf", NEW)])
    assert links.remove(folder, ["m/one.gguf"]) == ()
    assert (folder / "m/one.gguf").stat().st_ino == inode


@pytest.mark.parametrize("mode", ["hardlink", "symlink"])
def test_links_are_known_without_the_record(store: Store, folder: Path, mode: UsedMode) -> None:
    """Without its record, a name of the blob itself or a link to it is still known to be ours."""
    one = wanted(store, "m/one.gguf", ONE)
    links.place(folder, [one], mode=mode)  # type: ignore[arg-type]
    (folder / ".modelsync.json").write_text("{")
    assert links.owned(folder) == {}
    assert links.place(folder, [one]) == (mode,)
    assert links.remove(folder, ["m/one.gguf"]) == ("m/one.gguf",)


def test_an_existing_folder_keeps_its_gitignore(store: Store, folder: Path) -> None:
    """A folder that the user made, with something in it, gets no .gitignore."""
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    links.place(folder, [wanted(store, "m/one.gguf", ONE)])
    assert not (folder / ".gitignore").exists()


# --- staying inside ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["../x.gguf", "/x.gguf", "m/../../x.gguf", "m\\x.gguf", "", "m//x", "c:/x", "m/\0", ".modelsync.json"],
)
def test_names_that_leave_the_folder_are_refused(store: Store, folder: Path, path: str) -> None:
    """No name leads out of the folder, or to modelsync's own files."""
    with pytest.raises(RefusedError):
        links.place(folder, [wanted(store, path, ONE)])
    assert [left.name for left in folder.iterdir()] == [".gitignore"]
    assert not (folder.parent / "x.gguf").exists()


@pytest.mark.parametrize("place", [".git", "deep/.GIT/hooks", "env", "env/lib/python3"])
def test_folders_of_git_and_of_python_take_no_files(store: Store, folder: Path, place: str) -> None:
    """A link does not lead files to where git or Python would run them, though it stays inside the project."""
    project = folder.parent
    real = project / place
    real.mkdir(parents=True)
    if place.startswith("env"):
        (project / "env" / "pyvenv.cfg").touch()
    folder.symlink_to(real)
    before = sorted(project.rglob("*"))
    with pytest.raises(RefusedError, match=r"git's own folder|Python environment") as error:
        links.place(folder, [wanted(store, "hooks/x", ONE)], inside=project)
    assert "--dir" in str(error.value.hint)
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize(
    ("mark", "path"),
    [
        ("env/pyvenv.cfg", "env/lib/python3.12/site-packages/x.pth"),
        ("env/conda-meta/history", "env/x.gguf"),
        ("tool/node_modules/a/index.js", "tool/node_modules/a/x.gguf"),
        ("repo/HEAD repo/objects/a repo/refs/a", "repo/hooks/post-checkout"),
        ("checkout/.git/HEAD", "checkout/.git/hooks/post-checkout"),
    ],
)
def test_what_other_programs_run_below_the_folder_takes_no_files(
    store: Store, folder: Path, mark: str, path: str
) -> None:
    """A model named like an environment, or a file's own folders, put nothing where a program would run it."""
    for each in mark.split():
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        (folder / each).touch()
    before = sorted(folder.rglob("*"))
    with pytest.raises(RefusedError, match="run"):
        links.place(
            folder, [wanted(store, "tiny/x.gguf", ONE), wanted(store, path, ONE)], inside=folder.parent
        )
    assert sorted(folder.rglob("*")) == before
    links.place(folder, [wanted(store, "tiny/x.gguf", ONE)], inside=folder.parent)
    assert (folder / "tiny/x.gguf").read_bytes() == ONE


def test_a_project_that_is_an_environment_itself_has_its_models(store: Store, folder: Path) -> None:
    """`python -m venv .` in a project is no reason to refuse its folder for models."""
    folder.mkdir(parents=True)
    (folder.parent / "pyvenv.cfg").touch()
    links.place(folder, [wanted(store, "x.gguf", ONE)], inside=folder.parent)
    assert (folder / "x.gguf").read_bytes() == ONE


def test_a_symlinked_folder_is_not_followed(store: Store, folder: Path, tmp_path: Path) -> None:
    """A folder inside that is a symbolic link leads nowhere: neither to put files there nor to remove them."""
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.mkdir(parents=True)
    (folder / "m").symlink_to(outside)
    with pytest.raises(RefusedError, match="symbolic link"):
        links.place(folder, [wanted(store, "m/one.gguf", ONE)])
    assert list(outside.iterdir()) == []

    (folder / "m").unlink()
    links.place(folder, [wanted(store, "m/one.gguf", ONE)], mode="copy")
    shutil.move(folder / "m", outside / "m")
    (folder / "m").symlink_to(outside / "m")
    assert links.remove(folder, ["m/one.gguf"]) == ()
    assert (outside / "m/one.gguf").read_bytes() == ONE


def test_the_folder_stays_inside_the_project(store: Store, tmp_path: Path) -> None:
    """A `dir` that is a symbolic link out of the project is refused, unless nobody asks that it stays inside."""
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (project / "models").symlink_to(outside)
    one = wanted(store, "m/one.gguf", ONE)
    with pytest.raises(RefusedError) as caught:
        links.place(project / "models", [one], inside=project)
    assert caught.value.hint is not None
    assert "--dir" in caught.value.hint
    assert list(outside.iterdir()) == []
    links.place(project / "models", [one])
    links.place(project / "inner", [one], inside=project)
    assert (outside / "m/one.gguf").read_bytes() == (project / "inner/m/one.gguf").read_bytes() == ONE


def test_a_record_that_came_with_a_repository_is_data(folder: Path) -> None:
    """A record whose paths lead out of the folder removes nothing there."""
    folder.mkdir(parents=True)
    victim = folder.parent / "victim"
    victim.write_bytes(b"mine")
    seen = victim.stat()
    item = {"sha256": "0" * 64, "size": seen.st_size, "mtime_ns": seen.st_mtime_ns, "mode": "copy"}
    for path in ("../victim", str(victim)):
        (folder / ".modelsync.json").write_text(json.dumps({"files": {path: item}}))
        assert links.owned(folder) == {}
        assert links.remove(folder, [path]) == ()
        assert victim.read_bytes() == b"mine"


# --- removing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "hardlink", "symlink", "copy"])
def test_what_was_put_there_can_be_removed(store: Store, folder: Path, mode: LinkMode) -> None:
    """What is recorded and unchanged goes, with folders that become empty; the rest of the folder stays."""
    both = [wanted(store, "a/sub/one.gguf", ONE), wanted(store, "b/two.gguf", TWO)]
    links.place(folder, both, mode=mode)
    (folder / "a/mine.txt").write_text("mine")
    assert links.remove(folder, ["a/sub/one.gguf", "b/two.gguf", "c/never.gguf"]) == (
        "a/sub/one.gguf",
        "b/two.gguf",
    )
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [
        ".gitignore",
        "a",
        "a/mine.txt",
    ]
    assert blobs.find(store, sha256(ONE), len(ONE)) is not None


def test_removing_what_is_gone(store: Store, folder: Path) -> None:
    """A file that the user removed is gone; so is everything in a folder that never was."""
    assert links.remove(folder, ["m/one.gguf"]) == ()
    links.place(folder, [wanted(store, "m/one.gguf", ONE), wanted(store, "m/two.gguf", TWO)])
    (folder / "m/one.gguf").unlink()
    assert links.remove(folder, ["m/one.gguf"]) == ("m/one.gguf",)
    assert set(links.owned(folder)) == {"m/two.gguf"}


# --- at any moment, and at the same time -------------------------------------------------------------

EVERY_STEP = """
import sys
from pathlib import Path
from modelsync.store import claim, clone, leftovers, links, swap
from tests.support.content import sha256
from tests.support.killed import before_each_step
import modelsync.system.disks

mode, base, old, new = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
def want(blob):
    return links.NewLink("m/one.gguf", blob, blob.name, blob.stat().st_size)

def work(n):
    folder = base / str(n)
    links.place(folder, [want(old)], mode=mode)
    return lambda: links.place(folder, [want(new)], mode=mode)

before_each_step(work)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
@pytest.mark.parametrize("mode", ["auto", "symlink", "copy"])
def test_killed_before_each_step_the_next_run_goes_on(store: Store, tmp_path: Path, mode: LinkMode) -> None:
    """Killed before any single step of a replacement, the old or the new file stands there, and it is still ours."""
    old, new = wanted(store, "m/one.gguf", ONE), wanted(store, "m/one.gguf", NEW)
    (steps,) = finish(python(EVERY_STEP, mode, tmp_path / "projects", old.blob, new.blob))
    assert int(steps) > 4
    for n in range(1, int(steps) + 1):
        folder = tmp_path / "projects" / str(n)
        assert (folder / "m/one.gguf").read_bytes() in (ONE, NEW)
        links.place(folder, [new], mode=mode)
        assert (folder / "m/one.gguf").read_bytes() == NEW
        assert [put.mode for put in links.owned(folder).values()] != ["found"]
        assert links.remove(folder, ["m/one.gguf"]) == ("m/one.gguf",)
        assert [path.name for path in folder.iterdir()] == [".gitignore"]


def test_two_processes_in_one_folder(store: Store, folder: Path) -> None:
    """Two processes that work in one folder at the same time lose nothing of each other's records."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom modelsync.store import links\n"
        "from modelsync.store.layout import Store\n"
        "from tests.support.content import sha256\nfrom tests.support.store import publish\n"
        "store, folder, name = Store(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]\n"
        "data = b'GGUF ' + name.encode()\n"
        "blob = publish(store, data)\n"
        "for n in range(15):\n"
        "    links.place(folder, [links.NewLink(f'{name}/{n}.gguf', blob, sha256(data), len(data))])\n"
    )
    finish(*(python(code, store.root, folder, name) for name in "ab"))
    assert set(links.owned(folder)) == {f"{name}/{n}.gguf" for name in "ab" for n in range(15)}
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", ".modelsync.json", "a", "b"]


# --- what the user does meanwhile ---------------------------------------------------------------------


@pytest.fixture(params=["renameat2", "hard links", "neither"])
def renames(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How files are moved without overwriting: as here, and as on lesser systems."""
    if request.param != "renameat2":
        monkeypatch.setattr(swap, "_call", lambda: None)
    if request.param == "neither":

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


@pytest.mark.usefixtures("renames")
@pytest.mark.parametrize("old", [None, ONE], ids=["an empty place", "a file of ours"])
def test_what_the_user_writes_meanwhile_stays(store: Store, folder: Path, old: bytes | None) -> None:
    """A user writes the target while copies are made: it stays, the others are put there, and an error names it."""
    if old is not None:
        links.place(folder, [wanted(store, "m/b.gguf", old)], mode="copy")
    target = folder / "m/b.gguf"

    def user_writes(_: int) -> None:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"the user's")

    three = [wanted(store, f"m/{name}.gguf", data) for name, data in zip("abc", (ONE, NEW, TWO), strict=True)]
    with pytest.raises(StoreError, match=r"b\.gguf is in the way"):
        links.place(folder, three, mode="copy", on_bytes=user_writes)
    assert target.read_bytes() == b"the user's"
    assert ((folder / "m/a.gguf").read_bytes(), (folder / "m/c.gguf").read_bytes()) == (ONE, TWO)
    assert [path for path, put in links.owned(folder).items() if links.intact(folder, path, put)] == [
        "m/a.gguf",
        "m/c.gguf",
    ]
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", ".modelsync.json", "m"]


@pytest.mark.usefixtures("renames")
def test_a_file_is_put_into_an_empty_place_alone(tmp_path: Path) -> None:
    """What is at the target stays, and the source too; an empty place is filled."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    target.write_bytes(b"the user's")
    with pytest.raises(FileExistsError):
        swap.fill(source, target)
    assert (source.read_bytes(), target.read_bytes()) == (b"new", b"the user's")
    target.unlink()
    swap.fill(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_what_comes_out_of_an_exchange_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who writes the target at the very moment of the exchange has it back, whatever became of the new file."""
    source, target = tmp_path / "source", tmp_path / "target"
    answers = iter([True, False, True, False])
    for gone in (False, True):
        source.write_bytes(b"new")
        target.write_bytes(b"the user's")

        def is_ours(path: Path, gone: bool = gone) -> bool:
            answer = next(answers)
            if gone and path == source:
                target.unlink()
            return answer

        assert not swap.replace(source, target, is_ours)
        assert target.read_bytes() == b"the user's"


def test_what_the_user_changes_is_not_removed(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is changed between the look and the removal has its name again."""
    links.place(folder, [wanted(store, "m/one.gguf", ONE)], mode="copy")
    rename = atomic.rename

    def user_writes_first(source: Path, target: Path) -> None:
        if source.name == "one.gguf":
            source.write_bytes(b"the user's")
        rename(source, target)

    monkeypatch.setattr(atomic, "rename", user_writes_first)
    assert links.remove(folder, ["m/one.gguf"]) == ()
    assert (folder / "m/one.gguf").read_bytes() == b"the user's"


# --- what cannot be read, and what is left over ------------------------------------------------------


def test_a_record_that_cannot_be_read_is_an_error(store: Store, folder: Path) -> None:
    """One failed read does not forget what was put there: nothing is changed, and it is told."""
    one, new = wanted(store, "m/one.gguf", ONE), wanted(store, "m/one.gguf", NEW)
    links.place(folder, [one])
    before = (folder / ".modelsync.json").read_bytes()
    read = project_files.read
    for number in (errno.EIO, errno.ENOSPC, errno.EACCES, errno.ESTALE):

        def fail(path: Path, limit: int, *, inside: Path | None, number: int = number) -> bytes:
            if path.name == ".modelsync.json":
                raise OSError(number, os.strerror(number), str(path))
            return read(path, limit, inside=inside)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(project_files, "read", fail)
            with pytest.raises(StoreError):
                links.owned(folder)
            with pytest.raises(StoreError):
                links.place(folder, [new])
            with pytest.raises(StoreError):
                links.remove(folder, ["m/one.gguf"])
        assert (folder / ".modelsync.json").read_bytes() == before
        assert (folder / "m/one.gguf").read_bytes() == ONE
    links.place(folder, [new])
    assert (folder / "m/one.gguf").read_bytes() == NEW


def test_an_endless_record_is_an_error(folder: Path) -> None:
    """A record that is a link out of the project, or a pipe that no one writes to, is refused by its name."""
    folder.mkdir(parents=True)
    record = folder / ".modelsync.json"
    record.symlink_to("/dev/zero")
    with pytest.raises(RefusedError, match=r"\.modelsync\.json is a symbolic link"):
        links.owned(folder)
    record.unlink()
    os.mkfifo(record)
    with pytest.raises(RefusedError, match=r"\.modelsync\.json is no regular file"):
        links.owned(folder)


def test_a_lock_that_cannot_be_used_says_what_mends_it(store: Store, folder: Path) -> None:
    """A folder by the name of the folder's own lock: the hint is about that folder, not about the store."""
    (folder / link_folder.LOCK / "x").mkdir(parents=True)
    os.utime(folder / link_folder.LOCK, (1, 1))
    with pytest.raises(StoreError) as error:
        links.place(folder, [wanted(store, "m/one.gguf", ONE)])
    assert "MODELSYNC_STORE" not in str(error.value.hint)
    assert "--dir" in str(error.value.hint)


def test_old_leftovers_go_and_fresh_ones_stay(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process of another day left on its way into the folder goes; what may be another's work of now stays."""
    links.place(folder, [wanted(store, "m/one.gguf", ONE)])
    left, mine = folder / ".modelsync-0123456789abcdef.tmp", folder / ".modelsync-mine.tmp"
    os.link(store.blob_path(sha256(ONE)), left)  # of the blob's time, which may be years ago
    mine.write_bytes(b"mine")
    links.place(folder, [wanted(store, "m/two.gguf", TWO)])
    link_folder.sweep(folder)
    assert left.exists()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1.1 * 86_400)
    link_folder.sweep(folder)
    assert not left.exists()
    assert mine.exists()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_ITEM = st.fixed_dictionaries(
    {},
    optional={
        "sha256": st.just("0" * 64) | _JSON,
        "size": st.just(4) | _JSON,
        "mtime_ns": st.just(1) | _JSON,
        "mode": st.sampled_from(["copy", "symlink", "hardlink"]) | _JSON,
        "owner": _JSON,
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=_JSON
    | st.fixed_dictionaries(
        {"files": st.dictionaries(st.text(max_size=12), _ITEM | _JSON) | _JSON, "pending": _JSON}
    )
)
def test_any_record_is_data(tmp_path: Path, value: object) -> None:
    """Whatever stands in a record: it says what makes sense in it, and no command fails over it."""
    (tmp_path / ".modelsync.json").write_text(json.dumps(value))
    for path, record in links.owned(tmp_path).items():
        assert path_fault(path) is None
        assert not links.intact(tmp_path, path, record)
    links.remove(tmp_path, [*links.owned(tmp_path), "m/one.gguf"])


def test_git_sees_none_of_it(store: Store, folder: Path) -> None:
    """A folder that modelsync made does not show up in `git status`."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    folder.parent.mkdir()
    subprocess.run([git, "init", "-q", folder.parent], check=True)
    links.place(folder, [wanted(store, "m/one.gguf", ONE)])
    status = subprocess.run(
        [git, "-C", folder.parent, "status", "--porcelain"], check=True, capture_output=True, text=True
    )
    assert status.stdout == ""
