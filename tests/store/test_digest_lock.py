"""Two processes that want the same blob: real ones."""

import errno
import os
import signal
import threading
from pathlib import Path

import pytest

from modelsync.errors import CancelledError, StoreError
from modelsync.store import blobs, claim, digest_lock, verify
from modelsync.store.digest_lock import hold
from modelsync.store.layout import Store, url_key
from modelsync.transfer.partial import Partial
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
        until("waits", 1)
        held.folder.mkdir(parents=True, exist_ok=True)
        (held.folder / "data").write_bytes(DATA)
        blobs.publish(store, held.folder / "data", sha256=sha256(DATA), blocks=blocks(DATA))
        print("fetched", *waited)
"""


def test_of_two_processes_one_waits(store: Store, tmp_path: Path) -> None:
    """Two processes that want the same digest: one fetches, the other waits and finds it here."""
    both = [python(FETCH, store.root, tmp_path, n) for n in range(2)]
    answers = sorted(finish(*both))
    assert answers == ["fetched", "found waited"]
    assert verify.verify(store, SHA, full=True).state == "good"


@pytest.mark.skipif(not CAN_REFUSE, reason="needs Linux's seccomp, to have a kernel without flock")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_where_there_are_no_locks_one_waits_too(store: Store, tmp_path: Path, number: int) -> None:
    """Where the file system has no locks, of two processes one fetches and the other waits, all the same."""
    both = [refusing({"flock": number}, FETCH, (store.root, tmp_path, n)) for n in range(2)]
    assert sorted(finish(*both)) == ["fetched", "found waited"]
    assert verify.verify(store, SHA, full=True).state == "good"
    assert blobs.state(store, SHA, len(DATA)) == "here"
    assert list((store.root / "partials-v1").iterdir()) == []


KEEP = """
import sys
from pathlib import Path
from modelsync.store.digest_lock import hold
from modelsync.store.layout import Store
with hold(Store(Path(sys.argv[1])), "ab" * 32) as held:
    held.folder.mkdir(parents=True, exist_ok=True)
    data = held.folder / "data"
    found = data.read_text() if data.exists() else "new"
    data.write_text("of " + sys.argv[2])
    print(found, flush=True)
    sys.stdin.readline()
"""


def test_a_killed_process_is_resumed(store: Store) -> None:
    """What a killed process left goes to the next one at once, and so on; what it left is one folder."""
    for name, found in (("first", "new"), ("second", "of first"), ("third", "of second")):
        process = python(KEEP, store.root, name)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == found
        assert digest_lock.is_held(store, "ab" * 32)
        process.kill()
        process.communicate()
        assert not digest_lock.is_held(store, "ab" * 32)
    assert digest_lock.partial_of(store, "ab" * 32).joinpath("data").read_text() == "of third"
    with hold(store, "ab" * 32) as held:
        assert held is not None
        assert (held.folder / "data").read_text() == "of third"
    assert list((store.root / "partials-v1").iterdir()) == [store.partial_path("ab" * 32)]


@pytest.mark.skipif(os.name == "nt", reason="Windows suspends no process")
def test_who_stood_still_writes_nowhere_that_is_anothers(store: Store) -> None:
    """A process that was suspended for so long that another took over learns of it, and writes to no file of it."""
    code = """
import signal, sys
from pathlib import Path
from modelsync.errors import StoreError
from modelsync.store import claim
from modelsync.store.digest_lock import hold
from modelsync.store.layout import Store
from modelsync.transfer.partial import Partial
claim._SURE = 0.0
with hold(Store(Path(sys.argv[1])), "ab" * 32) as held:
    partial = Partial(held.folder, "sha256:x", confirm=held.confirm)
    partial.allocate(8)
    partial.write(b"right", 0)
    print("held", flush=True)
    sys.stdin.readline()
    try:
        partial.write(b"wrong", 0)
    except StoreError as error:
        print("refused", flush=True)
"""
    process = python(code, store.root)
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        path = store.claim_path("ab" * 32)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(claim, "STALE", 0.3)
            with hold(store, "ab" * 32) as held:
                assert held is not None
                process.send_signal(signal.SIGCONT)
                process.stdin.write("\n")
                process.stdin.flush()
                assert process.communicate(timeout=60)[0] == "refused\n"
                assert (held.folder / "data").read_bytes()[:5] == b"right"
                assert claim.holder(path) == held.claim.id  # and its claim was not taken away
    finally:
        process.kill()
        process.communicate()


def test_who_does_not_wait_is_told(store: Store) -> None:
    """Not blocking, a key that another thread holds gives None; other keys are free, and so is it afterwards."""
    with hold(store, SHA) as held:
        assert held is not None
        assert held.folder.parent == store.partial_path(SHA).parent
        assert held.folder.name.startswith(SHA)
        answers: list[object] = []

        def other() -> None:
            with hold(store, SHA, blocking=False) as mine, hold(store, url_key("https://x.example")) as free:
                answers.extend((mine, free is not None))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert answers == [None, True]
        assert digest_lock.is_held(store, SHA)
    assert not digest_lock.is_held(store, SHA)
    with hold(store, SHA, blocking=False) as held:
        assert held is not None


def test_a_wait_can_be_cancelled(store: Store) -> None:
    """A process that waits for another is told so once, and stops when it is cancelled."""
    cancel, waits = threading.Event(), []

    def on_wait() -> None:
        waits.append(True)
        threading.Timer(3 * claim.POLL, cancel.set).start()

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


def test_two_never_work_in_one_folder(store: Store) -> None:
    """Even if a claim is lost, as on a disk that loses names, the one that comes second has a folder of its own."""
    with hold(store, SHA) as first:
        assert first is not None
        first.folder.mkdir(parents=True)
        first.claim.path.unlink()
        with hold(store, SHA, blocking=False) as second:
            assert second is not None
            assert second.folder != first.folder
            assert not second.folder.exists()


def test_a_planted_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    """A symbolic link where a partial is to be leads nowhere: neither the folder's nor the data's."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_bytes(b"mine")
    rest = store.partial_path(SHA)
    rest.parent.mkdir(parents=True)
    rest.symlink_to(precious, target_is_directory=True)
    with hold(store, SHA) as held:
        assert held is not None
        assert not held.folder.exists()
        held.folder.mkdir()
        (held.folder / "data").symlink_to(precious / "data")
        with pytest.raises(StoreError):
            Partial(held.folder, "sha256:x")
    assert (precious / "data").read_bytes() == b"mine"


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
