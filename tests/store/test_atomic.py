"""What the disk refuses is told in words, with a hint, and loses nothing: on real small or read-only disks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelsync.store import blobs
from modelsync.store.layout import Store
from tests.support.content import sha256
from tests.support.processes import TREE, finish, python
from tests.support.store import publish

DATA = b"GGUF" + bytes(300_000)


def _can_mount() -> bool:
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0
    )


needs_mount = pytest.mark.skipif(
    not _can_mount(), reason="needs the right to mount a file system of one's own"
)


def mounted(setup: str, code: str, *arguments: object) -> str:
    """What `code` prints in a process that sees the mounts of the shell lines `setup` ($1, $2, … are `arguments`)."""
    done = subprocess.run(
        [
            "unshare",
            "--map-root-user",
            "--mount",
            "sh",
            "-ec",
            f'{setup}\nexec {sys.executable} -c "$CODE" "$@"',
            "sh",
        ]
        + [str(argument) for argument in arguments],
        cwd=TREE,
        env={**os.environ, "CODE": code},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# Prints the error's class, code, message and hint, which is what a command shows of it.
TELL = """
import sys
from pathlib import Path
from modelsync.errors import ModelsyncError
from modelsync.store import blobs, digest_lock, links, prune, roots, verify, views
from modelsync.store.layout import Store
from tests.support.store import arrive, locked, publish, write_lock
from tests.support.content import sha256
DATA = b"GGUF" + bytes(300_000)

def tell(act):
    try:
        act()
    except ModelsyncError as error:
        assert error.hint, error
        print(error.code, "|", error.message, "|", error.hint)
    else:
        print("done")

store = Store(Path(sys.argv[1]))
"""


def unprivileged(code: str, *arguments: object) -> list[str]:
    """What `code` prints in a process that may only do what its user's files allow."""
    (answer,) = finish(
        python(f"from tests.support.processes import renounce\nrenounce()\n{code}", *arguments)
    )
    return answer.splitlines()


@needs_mount
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A store on a full disk: what was fetched stays where it is, and is published once there is space."""
    code = TELL + (
        "data = arrive(store, DATA)\n"
        "rest = open(sys.argv[1] + '/rest', 'wb', buffering=0)\n"
        "try:\n"
        "    while True: rest.write(bytes(4096))\n"
        "except OSError: pass\n"
        "tell(lambda: publish_again())\n"
        "print(data.read_bytes() == DATA, blobs.state(store, sha256(DATA)))\n"
        "tell(lambda: roots.write(store, Path('/x/models.lock'), [sha256(DATA)]))\n"
        "rest.truncate(0)\n"
        "tell(lambda: publish_again())\n"
        "print(blobs.state(store, sha256(DATA)), list((store.root / 'tmp-v1').iterdir()))\n"
    )
    code = code.replace(
        "data = arrive",
        "from tests.support.store import blocks\n"
        "publish_again = lambda: blobs.publish(store, data, sha256=sha256(DATA), blocks=blocks(DATA))\n"
        "data = arrive",
    )
    answers = mounted('mount -t tmpfs -o size=1m none "$1"', code, tmp_path).splitlines()
    assert answers[0].startswith("disk-full | cannot publish")
    assert "MODELSYNC_STORE" in answers[0]
    assert answers[1] == "True missing"
    assert answers[2].startswith("disk-full | cannot write down")
    assert answers[3:] == ["done", "here []"]


@needs_mount
def test_copies_are_held_against_the_free_space_first(store: Store, tmp_path: Path) -> None:
    """A folder on a small disk: copies that do not fit are not begun, and the message says how much is needed."""
    blob = publish(store, DATA * 8)
    code = TELL + (
        "want = links.NewLink('m/a.gguf', Path(sys.argv[3]), sha256(DATA * 8), len(DATA) * 8)\n"
        "folder = Path(sys.argv[2])\n"
        "tell(lambda: links.place(folder, [want]))\n"
        "print(sorted(path.name for path in folder.iterdir()))\n"
    )
    small = tmp_path / "small"
    small.mkdir()
    answers = mounted('mount -t tmpfs -o size=1m none "$2"', code, store.root, small, blob).splitlines()
    assert answers[0].startswith("disk-full | ")
    assert "2.3 MiB needed" in answers[0]
    assert "--dir" in answers[0]
    assert answers[1] == "['.gitignore']"


@needs_mount
def test_a_read_only_file_system_is_told(store: Store, tmp_path: Path) -> None:
    """A store that cannot be written: blobs are found, work is refused in words, and nothing needs to be rooted."""
    publish(store, DATA)
    code = TELL + (
        "lock = Path(sys.argv[2]) / 'models.lock'\n"
        "write_lock(lock, DATA)\n"
        "print(blobs.state(store, sha256(DATA), len(DATA)))\n"
        "tell(lambda: roots.write(store, lock, [sha256(DATA)]))\n"
        "tell(lambda: digest_lock.hold(store, 'ab' * 32).__enter__())\n"
        "tell(lambda: views.make(store, [locked(DATA)]))\n"
        "tell(lambda: prune.execute(store, prune.prune(store, at_once=True)))\n"
        "print(verify.verify(store, sha256(DATA), full=True).state)\n"
    )
    setup = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"'
    answers = mounted(setup, code, store.root, tmp_path).splitlines()
    assert answers[0] == "here"
    assert answers[1] == "done"
    assert answers[2].startswith("store | cannot lock")
    assert "read-only" in answers[2]
    assert "MODELSYNC_STORE" in answers[2]
    assert answers[3].startswith("store | cannot show a model")
    assert answers[4:] == ["done", "good"]
    assert blobs.state(store, sha256(DATA), len(DATA)) == "here"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_missing_permission_is_told(tmp_path: Path) -> None:
    """A store and a folder of somebody else: an error that names the place and what to set."""
    mine = tmp_path / "mine"
    publish(Store(mine), DATA)
    for folder in (mine / "locks-v1", mine / "tmp-v1", mine):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o555)
    code = TELL + (
        "print(blobs.state(store, sha256(DATA), len(DATA)))\n"
        "tell(lambda: digest_lock.hold(store, 'ab' * 32).__enter__())\n"
        "tell(lambda: digest_lock.hold(Store(store.root / 'new'), 'ab' * 32).__enter__())\n"
        "want = links.NewLink('m/a.gguf', store.blob_path(sha256(DATA)), sha256(DATA), len(DATA))\n"
        "tell(lambda: links.place(store.root / 'project', [want]))\n"
        "tell(lambda: roots.write(Store(store.root / 'new'), Path('/x/models.lock'), [sha256(DATA)]))\n"
    )
    try:
        answers = unprivileged(code, mine)
    finally:
        for folder in (mine, mine / "locks-v1", mine / "tmp-v1"):
            folder.chmod(0o755)
    assert answers[0] == "here"
    assert answers[1].startswith("store | cannot lock")
    assert answers[2].startswith("store | cannot lock")
    assert "MODELSYNC_STORE" in answers[2]
    assert answers[3].startswith(f"store | cannot put files into {mine}")
    assert "--dir" in answers[3]
    assert answers[4] == "done"
    assert all("permission denied" in answer for answer in answers[1:4])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_what_cannot_be_removed_is_told(store: Store) -> None:
    """Prune goes on past a blob that it may not remove, and says which it is."""
    blob, other = publish(store, DATA), publish(store, DATA + b"!")
    blob.parent.chmod(0o555)
    code = TELL + (
        "freed = prune.execute(store, prune.prune(store, at_once=True))\nprint(freed.blobs, *freed.stuck)\n"
    )
    try:
        answers = unprivileged(code, store.root)
    finally:
        blob.parent.chmod(0o755)
    assert answers == [f"1 {blob}"]
    assert not other.exists()


@needs_mount
def test_a_store_over_two_file_systems_is_told(store: Store, tmp_path: Path) -> None:
    """Where a folder of the store is a mount of its own, a rename cannot reach it: the message says so."""
    store.blob_path(sha256(DATA)).parent.mkdir(parents=True)
    code = (
        TELL
        + "tell(lambda: publish(store, DATA))\nprint((store.partial_path(sha256(DATA)) / 'data').exists())\n"
    )
    answers = mounted('mount -t tmpfs none "$1/blobs-v1"', code, store.root).splitlines()
    assert answers[0].startswith("store | cannot publish")
    assert "one file system" in answers[0]
    assert answers[1] == "True"
