"""A crash at any moment leaves nothing or a whole blob: real processes, really killed."""

import random
import signal
import sys
import time
from pathlib import Path

import pytest

from modelsync.store import blobs, receipts, verify
from modelsync.store.layout import Store
from tests.support.content import sha256
from tests.support.processes import finish, python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

# Publishes, shows and removes blobs without end.
CHURN = """
import random, sys
from pathlib import Path
from tests.support.store import locked, publish
from tests.support.content import sha256
from modelsync.store import blobs, views
from modelsync.store.layout import Store
store, seed = Store(Path(sys.argv[1])), int(sys.argv[2])
begun = False
while True:
    seed += 1
    data = b"GGUF" + random.Random(seed % 7).randbytes(50_000 + seed % 7 * 40_000)
    publish(store, data)
    views.make(store, [locked(data)])
    if seed % 3 == 0:
        blobs.discard(store, sha256(data))
    if not begun:
        print("started", flush=True)
        begun = True
"""

# Kills itself before its nth effect on the disk, for every n, each time in a fork.
EVERY_STEP = """
import sys
from pathlib import Path
from tests.support.killed import before_each_step
from tests.support.store import arrive, blocks, publish
from tests.support.content import sha256
from modelsync.store.layout import Store
import hashlib, shutil, json, modelsync.store.blobs

data = b"GGUF" + bytes(range(256)) * 100

def work(n):
    store = Store(Path(sys.argv[1]) / str(n))
    arrive(store, data)
    return lambda: modelsync.store.blobs.publish(
        store, store.partial_path(sha256(data)) / "data", sha256=sha256(data), blocks=blocks(data))

before_each_step(work)
"""


def check(store: Store) -> int:
    """Holds every blob of the store against its name; returns how many there are."""
    count = 0
    for path in (store.root / "blobs-v1").glob("*/*"):
        count += 1
        data = path.read_bytes()
        assert sha256(data) == path.name, f"{path} is {len(data)} bytes of something else"
        assert blobs.find(store, path.name, len(data)) is not None
    return count


def test_killed_at_random_points_the_store_is_whole(store: Store) -> None:
    """Twenty times a process is killed with SIGKILL wherever it happens to be: every blob has its digest."""
    dice = random.Random(20)
    seen = 0
    for _ in range(20):
        process = python(CHURN, store.root, dice.randrange(1000))
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(dice.uniform(0.001, 0.04))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen += check(store)
    assert seen, "nothing was ever published"


def test_killed_before_each_step_of_publishing(tmp_path: Path) -> None:
    """Before each single effect on the disk that publishing has: nothing or a whole blob is left, and mended."""
    (steps,) = finish(python(EVERY_STEP, tmp_path))
    assert int(steps) > 5
    data = b"GGUF" + bytes(range(256)) * 100
    published = 0
    for n in range(1, int(steps) + 1):
        store = Store(tmp_path / str(n))
        state = blobs.state(store, sha256(data), len(data))
        assert state in ("here", "missing")
        published += state == "here"
        if state == "missing":
            assert (store.partial_path(sha256(data)) / "data").read_bytes() == data  # nothing was lost
        assert verify.verify(store, sha256(data), full=True).state == (
            "good" if state == "here" else "missing"
        )
    assert 1 <= published < int(steps)


def test_a_receipt_without_a_blob_is_nothing(store: Store) -> None:
    """The receipt is written before the blob appears: alone, it vouches for nothing."""
    receipts.write(store, "ab" * 32, receipts.Receipt(5, time.time_ns(), "00"))
    assert blobs.state(store, "ab" * 32, 5) == "missing"
    assert store.receipt_path("ab" * 32).exists()
