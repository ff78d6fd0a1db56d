"""Two processes that want the same blob: real ones."""

import errno
import os
import subprocess
import threading
from pathlib import Path

import pytest

from modelsync.errors import CancelledError
from modelsync.store import blobs, digest_lock, verify
from modelsync.store.digest_lock import hold
from modelsync.store.layout import Store, url_key
from tests.support.content import sha256
from tests.support.processes import CAN_REFUSE, finish, python, refusing
from tests.support.store import publish

DATA = b"GGUF" + bytes(range(256)) * 4000
SHA = sha256(DATA)

# Does what a command does: holds the digest, looks, writes the partial piece by piece, publishes.
FETCH = """
import sys, time
from pathlib import Path
from tests.support.store import blocks
from modelsync.store import blobs
from modelsync.store.digest_lock import hold
from modelsync.store.layout import Store
from tests.support.content import sha256

DATA = b"GGUF" + bytes(range(256)) * 4000
store, folder, me = Store(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
waited = []
def tell(what):
    (folder / f"{what}-{me}").touch()
def until(what, count):
    while len(list(folder.glob(f"{what}-*"))) < count:
        time.sleep(0.005)
def on_wait():
    waited.append("waited")
    tell("waits")
tell("ready")
until("ready", 2)
with hold(store, sha256(DATA), on_wait=on_wait) as held:
    if blobs.find(store, sha256(DATA), len(DATA)) is not None:
        print("found", *waited)
    else:
        tell("begun")
        until("waits", 1) if held.exclusive else until("begun", 2)
        held.folder.mkdir(parents=True, exist_ok=True)
        (held.folder / "data").write_bytes(DATA)
        blobs.publish(store, held.folder / "data", sha256=sha256(DATA), blocks=blocks(DATA))
        print("fetched", "locked" if held.exclusive else "private", *waited)
"""


def test_of_two_processes_one_waits(store: Store, tmp_path: Path) -> None:
    """Two processes that want the same digest: one fetches, the other waits and finds it here."""
    both = [python(FETCH, store.root, tmp_path, n) for n in range(2)]
    answers = sorted(finish(*both))
    assert answers == ["fetched locked", "found waited"]
    assert verify.verify(store, SHA, full=True).state == "good"


@pytest.mark.skipif(not CAN_REFUSE, reason="needs Linux's seccomp, to have a kernel without flock")
def test_where_there_are_no_locks_both_are_right(store: Store, tmp_path: Path) -> None:
    """Where the file system has no locks both fetch, in folders of their own, and the blob is right."""
    both = [refusing({"flock": errno.ENOSYS}, FETCH, (store.root, tmp_path, n)) for n in range(2)]
    answers = finish(*both)
    assert answers == ["fetched private"] * 2
    assert verify.verify(store, SHA, full=True).state == "good"
    assert blobs.state(store, SHA, len(DATA)) in ("here", "suspect")
    assert list((store.root / "partials-v1").iterdir()) == []


@pytest.mark.skipif(not CAN_REFUSE, reason="needs Linux's seccomp, to have a kernel without flock")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_without_locks_a_killed_process_is_resumed(store: Store, number: int) -> None:
    """A private folder whose process was killed goes to the next one; that of a living process does not."""
    code = """
import sys
from pathlib import Path
from modelsync.store.digest_lock import hold
from modelsync.store.layout import Store
with hold(Store(Path(sys.argv[1])), "ab" * 32) as held:
    held.folder.mkdir(parents=True, exist_ok=True)
    data = held.folder / "data"
    print(data.read_text() if data.exists() else "new", flush=True)
    data.write_text("of " + sys.argv[2])
    sys.stdin.readline()
"""

    def start(name: str) -> tuple[str, subprocess.Popen[str]]:
        process = refusing({"flock": number}, code, (store.root, name))
        assert process.stdout is not None
        return process.stdout.readline().strip(), process

    processes = []
    try:
        answer, first = start("first")
        processes.append(first)
        assert answer == "new"
        answer, second = start("second")
        processes.append(second)
        assert answer == "new"
        first.kill()
        first.wait()
        answer, third = start("third")
        processes.append(third)
        assert answer == "of first"
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert len(list((store.root / "partials-v1").iterdir())) == 2


def test_who_does_not_wait_is_told(store: Store) -> None:
    """Not blocking, a key that another thread holds gives None; other keys are free, and so is it afterwards."""
    with hold(store, SHA) as held:
        assert held is not None
        assert held == (SHA, store.partial_path(SHA), True)
        answers: list[object] = []

        def other() -> None:
            with hold(store, SHA, blocking=False) as mine, hold(store, url_key("https://x.example")) as free:
                answers.extend((mine, free is not None and free.exclusive))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert answers == [None, True]
        assert digest_lock.is_held(store, SHA)
    assert not digest_lock.is_held(store, SHA)
    with hold(store, SHA, blocking=False) as held:
        assert held is not None


def test_a_wait_can_be_cancelled(store: Store) -> None:
    """Who waits for another is told so once, and stops when it is cancelled."""
    cancel, waits = threading.Event(), []

    def on_wait() -> None:
        waits.append(True)
        threading.Timer(3 * digest_lock.POLL, cancel.set).start()

    with hold(store, SHA), pytest.raises(CancelledError), hold(store, SHA, cancel=cancel, on_wait=on_wait):
        pytest.fail("two hold one key")
    assert waits == [True]


def test_a_killed_process_holds_nothing(store: Store) -> None:
    """The lock of a process that was killed is free at once."""
    process = python(
        "import sys, pathlib\nfrom modelsync.store import digest_lock, layout\n"
        "with digest_lock.hold(layout.Store(pathlib.Path(sys.argv[1])), 'ab' * 32):\n"
        "    print('held', flush=True); sys.stdin.readline()",
        store.root,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with hold(store, "ab" * 32, blocking=False) as held:
        assert held is None
    process.kill()
    process.communicate()
    with hold(store, "ab" * 32, blocking=False) as held:
        assert held is not None


def test_a_lock_file_that_was_swept_away_excludes_nobody_wrongly(store: Store) -> None:
    """Who locks a file that lost its name while waiting starts over with the new one: never two at once."""
    path = store.lock_path(SHA)
    entered: list[str] = []

    waits = threading.Event()

    def other() -> None:
        with hold(store, SHA, on_wait=waits.set):
            entered.append("other")

    with hold(store, SHA):
        thread = threading.Thread(target=other)
        thread.start()
        assert waits.wait(60)
        path.unlink()  # as prune does, while it holds the lock
        assert entered == []
    thread.join()
    assert entered == ["other"]


def test_processes_of_other_machines_are_not_judged() -> None:
    """Nobody can tell whether a process of another machine, or of before a restart, is still at work."""
    machine, start = digest_lock._machine()
    assert digest_lock.is_at_work(f"{SHA}.{machine}-{start}-{os.getpid()}-00000000") is True
    assert digest_lock.is_at_work(f"{SHA}.{machine}-00000000-{os.getpid()}-00000000") is False
    assert digest_lock.is_at_work(f"{SHA}.00000000-{start}-1-00000000") is None
    assert digest_lock.is_at_work(f"{SHA}.odd") is None


def test_held_blobs_are_found_by_who_waited(store: Store) -> None:
    """After a wait the blob is looked for again: the one who had the lock has published it."""
    found: list[Path | None] = []

    def other() -> None:
        with hold(store, SHA):
            found.append(blobs.find(store, SHA, len(DATA)))

    with hold(store, SHA):
        thread = threading.Thread(target=other)
        thread.start()
        publish(store, DATA)
    thread.join()
    assert found == [store.blob_path(SHA)]
