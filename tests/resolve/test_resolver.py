"""Sources asked for what the lock does not answer, and for nothing else."""

import signal
import subprocess
import sys

import pytest

from modelsync.context import CallOptions, Context
from modelsync.errors import (
    OfflineError,
)
from modelsync.ops import lock
from tests.hub import Stall
from tests.support.content import gguf
from tests.support.project import MANIFEST, Opened, Place
from tests.support.waiting import wait_until


def test_a_fresh_lock_asks_nobody(place: Place, context: Context) -> None:
    """An entry that the lock answers stays as it is, byte for byte, whatever upstream has now."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    before = place.lock_text
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    place.hub.clear()
    report = lock.lock(context, project)
    assert not report.written
    assert place.lock_text == before
    assert place.hub.seen() == []


def test_locking_needs_the_network_only_for_what_is_stale(place: Place, opened: Opened) -> None:
    """Offline, a fresh lock is fine, and a stale one is an error that names the switch."""
    project = place.write(MANIFEST)
    with pytest.raises(OfflineError, match="network"):
        lock.lock(opened(CallOptions(offline=True)), project)
    lock.lock(opened(), project)
    lock.lock(opened(CallOptions(offline=True)), project)


@pytest.mark.skipif(sys.platform == "win32", reason="there, a signal is sent otherwise")
def test_ctrl_c_ends_a_lock_that_waits_for_a_server(place: Place) -> None:
    """An interrupted lock does not wait for the answers that it was waiting for, nor for its retries."""
    place.hub.misbehave(Stall(0, seconds=60), where="hub", times=100)
    place.write(MANIFEST)
    command = [sys.executable, "-m", "modelsync", "lock"]
    with subprocess.Popen(command, cwd=place.folder, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: place.hub.seen("hub"))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
