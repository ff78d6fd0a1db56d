"""Downloads that are killed, cancelled or interrupted in the middle, and go on the next time."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from modelsync.errors import CancelledError
from modelsync.transfer.jobs import Job
from modelsync.transfer.progress import Event
from tests.hub import Hub, Slow, Stall
from tests.support.content import noise, sha256
from tests.support.processes import TREE
from tests.support.transfers import Lab, ends, held, running_threads
from tests.support.units import MiB
from tests.support.waiting import wait_until

DATA = noise(40 * MiB)

CHILD = """
import mmap, sys, threading
from pathlib import Path
from modelsync.net.body import Body
from modelsync.net.client import Client
from modelsync.transfer.downloader import Downloader
from modelsync.transfer.jobs import Job, Segment

url, folder, size, sha256, read = sys.argv[1:]
with open(read, "r+b") as file:
    counter = mmap.mmap(file.fileno(), 8)  # outlives a kill
turn, read_into = threading.Lock(), Body.read_into

def counted(self, buffer):
    count = read_into(self, buffer)
    with turn:
        counter[:] = (int.from_bytes(counter[:], "big") + count).to_bytes(8, "big")
    return count

Body.read_into = counted
job = Job("model.gguf", Path(folder), int(size) or None, sha256 or None, (Segment(url),))
cancel = threading.Event()
with Client(cancel=cancel, timeout=60) as client:
    tell = lambda event: print(event.done, flush=True)
    downloader = Downloader(lambda: client, listener=tell, cancel=cancel)
    downloader.run([job], lambda *_: None, lambda *_: None)
"""


def begin(job: Job, enough: int, read: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that works on a job, once it has told that `enough` bytes are there; and how many it told.

    It counts in the file `read` what it has read from its connections.
    """
    read.write_bytes(bytes(8))
    arguments = (job.segments[0].url, job.folder, job.size or 0, job.sha256 or "", read)
    command = [sys.executable, "-c", CHILD, *map(str, arguments)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TREE)
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= enough:
            return child, int(line)
    raise AssertionError(child.communicate()[1])


@pytest.mark.parametrize("known", [True, False], ids=["digest", "no digest"])
def test_after_a_kill_at_most_8_mib_are_fetched_twice(
    hub: Hub, lab: Lab, tmp_path: Path, known: bool
) -> None:
    """SIGKILL under many streams: what was reported is there, and hardly anything else is requested again."""
    job = lab.job(hub.file("/x.gguf", DATA), DATA if known else None)
    hub.misbehave(Stall(6 * MiB), where="plain", times=None)  # of each of five ranges
    child, told = begin(job, 16 * MiB, tmp_path / "read")
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    hub.behave()
    # not what the server has sent: how much of that the system holds unread depends on how busy it is
    first = int.from_bytes((tmp_path / "read").read_bytes(), "big")
    assert first >= told
    # the server may still read a last request from these
    killed = {request.connection for request in hub.requests}
    hub.clear()
    fetched = lab.run(job).only
    assert fetched.sha256 == sha256(DATA)
    assert fetched.resumed >= told - 1
    assert first - fetched.resumed <= 8 * MiB
    assert fetched.resumed + fetched.fetched == len(DATA)
    asked = [request for request in hub.requests if request.connection not in killed]
    assert sum(request.sent for request in asked) == fetched.fetched


FULL = """
import resource, sys
from pathlib import Path
from modelsync.net.client import Client
from modelsync.transfer.downloader import Downloader
from modelsync.transfer.jobs import Job, Segment

url, folder, size, sha256 = sys.argv[1:]
job = Job("model.gguf", Path(folder), int(size), sha256, (Segment(url),))

def fill(event):
    if event.done > 2**22:
        resource.setrlimit(resource.RLIMIT_FSIZE, (12 * 2**20, 12 * 2**20))
        print("full", flush=True)

with Client() as client:
    Downloader(lambda: client, listener=fill).run(
        [job], lambda *_: print("done"), lambda _, error, __: print(type(error).__name__, error.message, error.hint)
    )
"""


def test_a_disk_that_fills_up_in_the_middle_is_told_and_loses_nothing(hub: Hub, lab: Lab) -> None:
    """No write fits any more: an error with a hint, and what had come is gone on with."""
    job = lab.job(hub.file("/x.gguf", DATA), DATA)
    hub.misbehave(Slow(8 * MiB), where="plain", times=None)
    arguments = (job.segments[0].url, job.folder, job.size, job.sha256)
    command = [sys.executable, "-c", FULL, *map(str, arguments)]
    with (
        held(hub, ends(DATA)) as last,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TREE) as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == "full\n"
        last.set()
        told = child.stdout.read()
    assert child.returncode == 0
    assert f"DiskFullError the disk is full at {job.folder}" in told
    assert "done" not in told
    hub.behave()
    fetched = lab.run(job).only
    assert fetched.resumed > 4 * MiB
    assert fetched.resumed + fetched.fetched == len(DATA)


def test_an_interrupt_from_the_keyboard_ends_the_process_and_keeps_everything(
    hub: Hub, lab: Lab, tmp_path: Path
) -> None:
    """SIGINT while servers stall: a KeyboardInterrupt comes out, and the next run goes on."""
    job = lab.job(hub.file("/x.gguf", DATA), DATA)
    hub.misbehave(Stall(4 * MiB), where="plain", times=None)
    child, told = begin(job, 10 * MiB, tmp_path / "read")
    child.send_signal(signal.SIGINT)
    _, words = child.communicate(timeout=30)
    assert child.returncode != 0
    assert words.strip().endswith("KeyboardInterrupt")
    hub.behave()
    fetched = lab.run(job).only
    assert fetched.resumed >= told
    assert fetched.resumed + fetched.fetched == len(DATA)


def test_cancelling_keeps_what_has_come(hub: Hub, lab: Lab) -> None:
    """Streams that wait for a silent server end too, and the file does not count as failed."""
    cancel = threading.Event()
    job = lab.job(hub.file("/x.gguf", DATA), DATA)
    hub.misbehave(Stall(3 * MiB), where="plain", times=None)

    def stop(event: Event) -> None:
        if event.done >= 8 * MiB:
            cancel.set()

    with pytest.raises(CancelledError):
        lab.run(job, listener=stop, cancel=cancel, timeout=60)
    hub.behave()
    assert lab.run(job).only.resumed >= 8 * MiB


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_a_listener_that_raises_ends_the_run_and_spoils_nothing(
    hub: Hub, lab: Lab, kind: type[BaseException]
) -> None:
    """Its exception comes out of the run; what had come is kept."""
    job = lab.job(hub.file("/x.gguf", DATA), DATA)
    hub.misbehave(Slow(8 * MiB), where="plain", times=None)
    cancel = threading.Event()

    def fail(event: Event) -> None:
        if event.done > 4 * MiB:
            raise kind("no")

    with pytest.raises(kind, match="no"):
        lab.run(job, listener=fail, cancel=cancel)
    hub.behave()
    assert lab.run(job).only.resumed > 4 * MiB


def test_a_mistake_in_on_done_comes_out(hub: Hub, lab: Lab) -> None:
    """What is no error of ours is not taken for one: the run ends and raises it."""
    from modelsync.transfer.downloader import Downloader
    from tests.support.transfers import Outcome, client

    jobs = [lab.job(hub.file(f"/{n}", noise(9)), noise(9), label=str(n)) for n in range(30)]

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with client(5.0, None) as asker, pytest.raises(ZeroDivisionError):
        Downloader(lambda: asker).run(jobs, fail, Outcome().on_error)
    assert running_threads() == []


def test_a_power_cut_keeps_what_was_synced(
    hub: Hub, lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After a reboot the marks count: a download of minutes does not begin again."""
    monkeypatch.setattr("modelsync.transfer.file_worker.SYNC_EVERY", 0.05)
    job = lab.job(hub.file("/x.gguf", DATA), DATA)
    hub.misbehave(Slow(8 * MiB), where="plain", times=None)
    cancel = threading.Event()
    journal = job.folder / "journal"

    def stop(event: Event) -> None:
        if event.done > 12 * MiB and not cancel.is_set():
            wait_until(lambda: "\nsynced " in journal.read_text())
            cancel.set()

    with held(hub, ends(DATA)), pytest.raises(CancelledError):
        lab.run(job, listener=stop, cancel=cancel, timeout=60)
    hub.behave()
    journal.write_text(journal.read_text().replace("boot ", "boot another-"))
    fetched = lab.run(job).only
    assert 0 < fetched.resumed < len(DATA)
    assert fetched.resumed + fetched.fetched == len(DATA)
    assert fetched.path.stat().st_size == len(DATA)
