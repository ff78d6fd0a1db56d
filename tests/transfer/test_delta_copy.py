"""Files that are copied from older ones as far as those have their bytes, and fetched where they have not."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.errors import CancelledError, HashMismatchError, NetworkError
from modelsync.transfer import journal
from modelsync.transfer.copy_source import CopySources
from modelsync.transfer.delta_probes import delta_parts, first_probes
from modelsync.transfer.jobs import Fetched, Guess, Job, Segment
from modelsync.transfer.partial import Partial
from modelsync.transfer.progress import Event
from modelsync.transfer.scheduler import Scheduler
from tests.hub import Corrupt, Delay, Hub, IgnoreRange, Replaced, Slow, Status
from tests.support.content import noise, sha256
from tests.support.processes import TREE
from tests.support.transfers import Lab, is_gguf
from tests.support.units import KiB, MiB
from tests.support.waiting import wait_until

HEAD = noise(1000)
TENSORS = [random.Random(n).randbytes(500 * KiB + n) for n in range(12)]  # 6 MiB
NEW = HEAD + b"".join(TENSORS)
OLD = noise(777) + b"".join(TENSORS)


def guesses(old: Path, tensors: Sequence[bytes] = TENSORS, *, probe: bool = True) -> list[Guess]:
    """All tensors, where `OLD` has them."""
    out, start = [], 0
    for tensor in tensors:
        out.append(Guess(len(HEAD) + start, len(tensor), old, 777 + start, probe))
        start += len(tensor)
    return out


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.gguf"
    path.write_bytes(OLD)
    return path


def sent(hub: Hub) -> int:
    return sum(request.sent for request in hub.requests)


def whole(fetched: Fetched) -> None:
    """Every byte is accounted for, once."""
    assert fetched.resumed + fetched.reused + fetched.fetched >= fetched.size


def test_what_an_older_file_has_is_copied(hub: Hub, lab: Lab, old: Path) -> None:
    """The head, and a small look at each tensor, come from the network; the rest does not."""
    url = hub.file("/x.gguf", NEW)
    fetched = lab.run(lab.job(url, NEW, guesses=guesses(old), check=is_gguf)).only
    assert fetched.fetched == sent(hub) <= len(NEW) // 64
    assert fetched.reused == len(NEW) - fetched.fetched
    assert (fetched.resumed, fetched.note) == (0, None)
    assert len(hub.requests) <= 1 + len(TENSORS)


def test_a_head_that_was_read_already_is_not_asked_for(hub: Hub, lab: Lab, old: Path) -> None:
    """The bytes that the job brings count as fetched, and no request begins at them."""
    url = hub.file("/x.gguf", NEW)
    fetched = lab.run(lab.job(url, NEW, guesses=guesses(old), head=NEW[:1500], check=is_gguf)).only
    assert fetched.fetched == sent(hub) + 1500
    assert all(request.range and not request.range.startswith("bytes=0-") for request in hub.requests)
    whole(fetched)


def test_a_head_without_a_guess_is_just_a_beginning(hub: Hub, lab: Lab) -> None:
    """Longer than the file too: nothing is asked for then."""
    url = hub.file("/x.gguf", NEW)
    assert lab.run(lab.job(url, NEW, head=NEW + b"more")).only.fetched == len(NEW)
    assert hub.requests == []


def test_a_wrong_head_is_found_by_the_digest(hub: Hub, lab: Lab, old: Path) -> None:
    """The digest says so; the first bytes are told apart from the rest, and fetched again alone."""
    url = hub.file("/x.gguf", NEW)
    fetched = lab.run(lab.job(url, NEW, guesses=guesses(old), head=noise(1000, 5))).only
    assert fetched.sha256 == sha256(NEW)
    assert sent(hub) == len(NEW)  # and the copies, which were doubted first
    assert "came from its source, with the header were wrong" in str(fetched.note)


def test_tensors_that_differ_are_fetched_and_the_others_copied(hub: Hub, lab: Lab, old: Path) -> None:
    """One of twelve has changed wholly: it, and little else."""
    new = bytearray(NEW)
    start = len(HEAD) + sum(map(len, TENSORS[:5]))
    new[start : start + len(TENSORS[5])] = random.Random(99).randbytes(len(TENSORS[5]))
    url = hub.file("/x.gguf", bytes(new))
    fetched = lab.run(lab.job(url, bytes(new), guesses=guesses(old))).only
    assert len(TENSORS[5]) < sent(hub) <= len(TENSORS[5]) + len(NEW) // 50
    assert fetched.note is None
    whole(fetched)


def test_when_nothing_is_alike_six_looks_are_all_that_is_lost(hub: Hub, lab: Lab, old: Path) -> None:
    """And not even those: what they brought is part of the file."""
    new = HEAD + b"".join(random.Random(50 + n).randbytes(len(tensor)) for n, tensor in enumerate(TENSORS))
    url = hub.file("/x.gguf", new)
    fetched = lab.run(lab.job(url, new, guesses=guesses(old))).only
    assert sent(hub) == fetched.fetched == len(new)
    assert fetched.reused == 0
    assert len(hub.requests) <= 6 + 1 + 14


def test_what_no_look_saw_is_found_by_the_digest_and_fetched_once(hub: Hub, lab: Lab, old: Path) -> None:
    """One flipped byte in the older file: what was copied is fetched, what was fetched is not asked for again."""
    rotten = bytearray(OLD)
    rotten[777 + 200 * KiB] ^= 1
    old.write_bytes(rotten)
    url = hub.file("/x.gguf", NEW)
    fetched = lab.run(lab.job(url, NEW, guesses=guesses(old))).only
    assert fetched.reused == 0
    assert sent(hub) == fetched.fetched == len(NEW)
    assert fetched.note
    assert "copied from another file" in fetched.note


def test_a_hub_that_lies_about_the_digest_is_asked_twice(hub: Hub, lab: Lab, old: Path) -> None:
    """Copied, doubted, fetched, fetched again, refused: each byte twice at most, and told where they came from."""
    url = hub.file("/x.gguf", NEW)
    job = lab.job(url, size=len(NEW), digest=sha256(b"another"), guesses=guesses(old), head=HEAD)
    error = lab.run(job).error
    assert isinstance(error, HashMismatchError)
    assert sent(hub) == 2 * len(NEW) - len(HEAD)
    assert f"got {sha256(NEW)}, twice; bytes 0-{len(NEW) - 1} came from {hub.plain} (" in error.message
    assert not job.folder.exists()


def test_a_source_that_changes_between_look_and_fetch_is_refused(hub: Hub, lab: Lab, old: Path) -> None:
    """Other bytes of the same size after the looks: a wrong digest, one more try, and an error."""
    url = hub.file("/x.gguf", NEW)
    changed = guesses(old)[:-1]  # the last tensor is not guessed: it comes from the other version
    hub.misbehave(
        Replaced(noise(len(NEW), 7)),
        where="plain",
        times=None,
        when=lambda request: request.headers.get("range", "").endswith(f"-{len(NEW) - 1}"),
    )
    error = lab.run(lab.job(url, NEW, guesses=changed, head=HEAD)).error
    assert isinstance(error, HashMismatchError)
    hub.behave()
    assert lab.run(lab.job(url, NEW, guesses=changed)).only.sha256 == sha256(NEW)


@pytest.mark.parametrize("what", ["gone", "short", "folder", "empty"])
def test_an_older_file_that_is_not_what_it_was_costs_nothing_but_traffic(
    hub: Hub, lab: Lab, old: Path, what: str
) -> None:
    """Gone, cut off, or no file at all: what it does not give is fetched."""
    if what in ("gone", "folder"):
        old.unlink()
    if what == "folder":
        old.mkdir()
    if what in ("short", "empty"):
        old.write_bytes(OLD[: len(OLD) // 2] if what == "short" else b"")
    fetched = lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=guesses(old))).only
    assert sent(hub) == fetched.fetched
    assert (fetched.reused > 2 * MiB) == (what == "short")
    whole(fetched)


def test_one_of_two_older_files_may_be_missing(hub: Hub, lab: Lab, old: Path, tmp_path: Path) -> None:
    """The other one is used all the same."""
    mixed = guesses(old)
    mixed[::2] = [guess._replace(path=tmp_path / "gone") for guess in mixed[::2]]
    fetched = lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=mixed)).only
    assert 2 * MiB < fetched.reused < 3 * MiB + len(TENSORS)
    whole(fetched)


def test_of_several_older_files_the_one_that_has_the_bytes_is_taken(
    hub: Hub, lab: Lab, old: Path, tmp_path: Path
) -> None:
    """One probe of the source is compared with all of them; one that is gone is passed over."""
    other = tmp_path / "other"
    other.write_bytes(noise(len(OLD), 9))
    many = [
        guess._replace(path=other, others=((tmp_path / "gone", 5), (guess.path, guess.offset)))
        for guess in guesses(old)
    ]
    fetched = lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=many)).only
    assert fetched.reused > 5 * MiB
    assert len(hub.requests) <= 1 + len(TENSORS)


def test_a_file_whose_beginning_is_guessed_is_checked_before_anything_else(
    hub: Hub, lab: Lab, old: Path
) -> None:
    """All of it guessed, in two pieces, the looks in the second: the first bytes come first."""
    new = b"".join(TENSORS)
    segments = [Segment(hub.file("/1", new[:100]), 100), Segment(hub.file("/2", new[100:]), len(new) - 100)]
    seen: list[bytes] = []
    moved = [guess._replace(start=guess.start - len(HEAD)) for guess in guesses(old)]
    fetched = lab.run(lab.job(segments, new, guesses=moved, check=seen.append)).only
    assert seen == [new[:64]]
    assert fetched.reused > 5 * MiB
    assert hub.requests[0].path == "/1"


def test_a_job_may_be_prepared_while_others_go_on(hub: Hub, lab: Lab, old: Path) -> None:
    """What finds older files takes its time in the file's own thread; what it raises is the job's failure."""
    go_on = threading.Event()

    def prepared(job: Job) -> Job:
        assert go_on.wait(30)
        return job._replace(guesses=tuple(guesses(old)), head=HEAD)

    def fails(job: Job) -> Job:
        raise NetworkError("no")

    url = hub.file("/x.gguf", NEW)
    slow = lab.job(url, NEW, label="slow")._replace(prepare=prepared)
    bad = lab.job(url, NEW, label="bad")._replace(prepare=fails)
    other = lab.job(hub.file("/y.gguf", noise(MiB)), noise(MiB), label="other")
    seen: list[Event] = []

    def hear(event: Event) -> None:
        seen.append(event)
        if (event.phase, event.label) == ("done", "other"):
            go_on.set()

    outcome = lab.run(slow, bad, other, listener=hear)
    assert set(outcome.done) == {"slow", "other"}
    assert outcome.errors["bad"].message == "no"
    assert outcome.done["slow"][0].reused > 5 * MiB


def test_a_server_without_ranges_gives_the_whole(hub: Hub, lab: Lab, old: Path) -> None:
    """There is no looking: plainly, and right."""
    url = hub.file("/x.gguf", NEW, ranges=False)
    for probe in (True, False):
        lab.folder = lab.folder / str(probe)
        fetched = lab.run(lab.job(url, NEW, guesses=guesses(old, probe=probe), head=HEAD, check=is_gguf)).only
        assert fetched.sha256 == sha256(NEW)


def test_a_server_that_once_ignores_a_range_spoils_nothing(hub: Hub, lab: Lab, old: Path) -> None:
    """At the first question, and in the middle of looking."""
    url = hub.file("/x.gguf", NEW)
    for skip in (0, 3, 9):
        lab.folder = lab.folder / str(skip)
        hub.misbehave(IgnoreRange(), where="plain", skip=skip)
        assert lab.run(lab.job(url, NEW, guesses=guesses(old))).only.sha256 == sha256(NEW)


def test_a_source_that_has_another_size_for_a_while_is_recovered_from(hub: Hub, lab: Lab, old: Path) -> None:
    """An answer of another version in the middle of copying."""
    url = hub.file("/x.gguf", NEW)
    hub.misbehave(Replaced(NEW + b"x"), where="plain", skip=3)
    assert lab.run(lab.job(url, NEW, guesses=guesses(old))).only.sha256 == sha256(NEW)


def test_a_server_that_answers_some_looks_with_errors_is_asked_again(hub: Hub, lab: Lab, old: Path) -> None:
    """As with every range."""
    url = hub.file("/x.gguf", NEW)
    hub.misbehave(Status(503, {"Retry-After": "0"}), where="plain", skip=2, times=3)
    fetched = lab.run(lab.job(url, NEW, guesses=guesses(old))).only
    assert fetched.reused > 5 * MiB


def test_what_is_vouched_for_otherwise_is_copied_without_a_look(hub: Hub, lab: Lab, old: Path) -> None:
    """The gap alone is asked for."""
    good = [guess for n, guess in enumerate(guesses(old, probe=False)) if n != 4]
    fetched = lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=good, head=HEAD)).only
    assert len(hub.requests) == 1
    assert sent(hub) == len(TENSORS[4])
    assert fetched.reused == len(NEW) - len(HEAD) - len(TENSORS[4])


def test_pieces_are_joined_from_copies_too(hub: Hub, lab: Lab, old: Path) -> None:
    """A tensor that crosses from one piece into the next is looked at in both."""
    cut = 2 * MiB + 12345
    one, two = hub.file("/1", NEW[:cut]), hub.file("/2", NEW[cut:])
    segments = [Segment(one, cut), Segment(two, len(NEW) - cut)]
    fetched = lab.run(lab.job(segments, NEW, guesses=guesses(old))).only
    assert fetched.pieces == (sha256(NEW[:cut]), sha256(NEW[cut:]))
    assert fetched.reused > 5 * MiB
    assert len(hub.requests) <= len(TENSORS) + 2


def test_a_local_source_is_read_as_if_nothing_were_guessed_or_better(
    lab: Lab, old: Path, tmp_path: Path
) -> None:
    """A `file:` segment with guesses is right, too."""
    (tmp_path / "new").write_bytes(NEW)
    assert lab.run(lab.job((tmp_path / "new").as_uri(), NEW, guesses=guesses(old))).only.sha256 == sha256(NEW)


def test_guesses_want_a_digest_and_a_size(hub: Hub, lab: Lab, old: Path) -> None:
    """Without one nothing could tell that they were wrong."""
    url = hub.file("/x.gguf", NEW)
    for job in (
        lab.job(url, size=len(NEW), guesses=guesses(old)),
        lab.job(url, digest=sha256(NEW), guesses=guesses(old)),
        lab.job(url, head=HEAD),
    ):
        with pytest.raises(ValueError, match="guesses"):
            lab.run(job)


def test_progress_tells_what_was_copied_apart(hub: Hub, lab: Lab, old: Path) -> None:
    """What is here grows with every copy; what was not fetched is named."""
    outcome = lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=guesses(old)))
    last = outcome.events[-1]
    assert (last.phase, last.done, last.reused) == ("done", len(NEW), outcome.only.reused)
    first = next(event for event in outcome.events if event.phase != "waiting")
    assert (first.done, first.reused) == (0, 0)


def stopped_in_the_middle(lab: Lab, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a job until some MiB were copied; the next copy waits until the run is stopped."""
    cancel, copy, copied = threading.Event(), CopySources.copy, 0
    start, schedulers = Scheduler.start, list[Scheduler]()

    def started(self: Scheduler) -> None:
        schedulers.append(self)
        start(self)

    def stop(self: CopySources, path: Path, at: int, partial: Partial, offset: int, count: int) -> int:
        nonlocal copied
        if copied > 2 * MiB:  # whichever parts were looked at first
            cancel.set()
            wait_until(lambda: schedulers[0].stopped)
        done = copy(self, path, at, partial, offset, count)
        copied += done
        return done

    with monkeypatch.context() as patch:
        patch.setattr(CopySources, "copy", stop)
        patch.setattr(Scheduler, "start", started)
        with pytest.raises(CancelledError):
            lab.run(job, cancel=cancel)


def test_after_a_cancel_nothing_is_copied_or_looked_at_twice(
    hub: Hub, lab: Lab, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal knows what was copied: it is still unverified in the next run, which fetches what is missing."""
    job = lab.job(hub.file("/x.gguf", NEW), NEW, guesses=guesses(old))
    stopped_in_the_middle(lab, job, monkeypatch)
    # the server may still answer a last request of these
    stopped = {request.connection for request in hub.requests}
    fetched = lab.run(job).only
    assert fetched.resumed > 1 * MiB
    assert fetched.reused > 1 * MiB
    assert sent(hub) <= len(NEW) // 50
    assert fetched.resumed + fetched.reused + fetched.fetched == len(NEW)
    again = [request for request in hub.requests if request.connection not in stopped]
    assert sum(request.sent for request in again) == fetched.fetched


def test_what_an_earlier_run_copied_wrongly_is_found_by_a_later_one(
    hub: Hub, lab: Lab, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older file was rotten and is gone now: only what came from it is fetched again."""
    rotten = bytearray(OLD)
    for guess in guesses(old):
        rotten[guess.offset + 200 * KiB] ^= 1
    old.write_bytes(rotten)
    job = lab.job(hub.file("/x.gguf", NEW), NEW, guesses=guesses(old), head=HEAD)
    stopped_in_the_middle(lab, job, monkeypatch)
    old.unlink()
    fetched = lab.run(job._replace(guesses=())).only
    twice = sent(hub) - (len(NEW) - len(HEAD))  # looks that were under way when it was stopped
    assert 0 <= twice <= 64 * KiB
    assert fetched.note
    assert fetched.reused == 0


def test_other_guesses_in_the_next_run_do_not_vouch_for_themselves(
    hub: Hub, lab: Lab, old: Path, tmp_path: Path
) -> None:
    """Bytes that an earlier run copied are no probe for what they are a copy of."""
    wrong = random.Random(1234).randbytes(len(TENSORS[0]))
    other = tmp_path / "other"
    other.write_bytes(wrong)
    partial = Partial(lab.folder / "model.gguf", f"sha256:{sha256(NEW)}")
    partial.allocate(len(NEW))
    partial.write(wrong, len(HEAD))
    partial.record(len(HEAD), len(HEAD) + len(wrong), "a copy", unverified=True)
    partial.close()
    one = [Guess(len(HEAD), len(wrong), other, 0), *guesses(old)[1:]]
    fetched = lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=one)).only
    assert fetched.sha256 == sha256(NEW)


def test_what_was_hashed_before_it_is_asked_for_again_is_hashed_again(hub: Hub, lab: Lab, old: Path) -> None:
    """An earlier run copied a look's bytes; the source has others there: never a right digest of a wrong file."""
    partial = Partial(lab.folder / "model.gguf", f"sha256:{sha256(NEW)}")
    partial.allocate(len(NEW))
    partial.write(NEW, 0)
    partial.record(0, len(HEAD), "its source")
    for guess in guesses(old):
        partial.record(guess.start, guess.start + guess.size - 500, "a copy", unverified=True)
    partial.close()
    parts = delta_parts(guesses(old), [len(NEW)], sha256(NEW))
    later = next(part.probe for part in parts if part not in first_probes(parts) and part.probe)
    hub.misbehave(Delay(0.3), where="plain", times=None)  # what is here is hashed meanwhile
    hub.misbehave(Corrupt(later[0]), where="plain", times=None)
    outcome = lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=guesses(old)))
    assert not outcome.done
    assert isinstance(outcome.error, HashMismatchError)


CHILD = """
import sys
from pathlib import Path
from modelsync.net.client import Client
from modelsync.transfer.copy_source import CopySources
from modelsync.transfer.downloader import Downloader
from modelsync.transfer.jobs import Guess, Job, Segment

url, folder, size, sha256, old, start, offset = sys.argv[1:]
count = int(size) - int(start)
guesses = tuple(
    Guess(int(start) + at, min(2**20, count - at), Path(old), int(offset) + at) for at in range(0, count, 2**20)
)
copy = CopySources.copy

def slowly(self, path, at, partial, offset, count):
    print(offset, flush=True)
    return copy(self, path, at, partial, offset, count)

CopySources.copy = slowly
with Client() as client:
    Downloader(lambda: client).run(
        [Job("m", Path(folder), int(size), sha256, (Segment(url),), None, guesses)], lambda *_: None, lambda *_: None
    )
"""


def test_a_kill_in_the_middle_of_copying_loses_next_to_nothing(hub: Hub, lab: Lab, tmp_path: Path) -> None:
    """SIGKILL: the next run copies on, and knows that what is there was only copied."""
    data = noise(64 * MiB)
    old = tmp_path / "old"
    old.write_bytes(b"12345" + data[1000:])
    job = lab.job(hub.file("/x.gguf", data), data)
    arguments = (job.segments[0].url, job.folder, job.size, job.sha256, old, 1000, 5)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=TREE
    )
    assert child.stdout is not None
    for copied, line in enumerate(child.stdout):
        if int(line) > 20 * MiB and copied > 40:
            break
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    text = (job.folder / "journal").read_bytes()
    trusted = journal.read(text, f"sha256:{job.sha256}", Partial(job.folder, f"sha256:{job.sha256}")._boot)
    assert trusted is not None
    assert trusted.unverified.covered > 12 * MiB
    parts = tuple(
        Guess(1000 + at, min(MiB, len(data) - 1000 - at), old, 5 + at)
        for at in range(0, len(data) - 1000, MiB)
    )
    fetched = lab.run(job._replace(guesses=parts)).only
    assert fetched.resumed >= trusted.ranges.covered - 8 * MiB
    assert sent(hub) <= len(data) // 50
    whole(fetched)


FULL = """
import resource, sys
from pathlib import Path
from modelsync.net.client import Client
from modelsync.transfer.downloader import Downloader
from modelsync.transfer.jobs import Guess, Job, Segment

url, folder, size, sha256, old = sys.argv[1:]
guesses = (Guess(1000, int(size) - 1000, Path(old), 777),)
job = Job("m", Path(folder), int(size), sha256, (Segment(url),), None, guesses)
from modelsync.transfer.partial import Partial
allocate = Partial.allocate

def then_full(self, size):
    allocate(self, size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 2**20, 3 * 2**20))

Partial.allocate = then_full
with Client() as client:
    Downloader(lambda: client).run(
        [job], lambda *_: print("done"), lambda _, error, __: print(type(error).__name__, error.message)
    )
"""


def test_a_disk_that_fills_up_while_copying_is_told_and_loses_nothing(hub: Hub, lab: Lab, old: Path) -> None:
    """The same words as for any other write, and the rest is gone on with."""
    job = lab.job(hub.file("/x.gguf", NEW), NEW)
    arguments = (job.segments[0].url, job.folder, job.size, job.sha256, old)
    command = [sys.executable, "-c", FULL, *map(str, arguments)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=TREE).stdout
    assert told.startswith(f"DiskFullError the disk is full at {job.folder}")
    fetched = lab.run(job._replace(guesses=tuple(guesses(old)))).only
    assert fetched.resumed > MiB
    whole(fetched)


@pytest.mark.parametrize("probe", [True, False], ids=["update", "repair"])
def test_a_slow_disk_beside_a_fast_network_costs_time_and_no_traffic(
    hub: Hub, lab: Lab, old: Path, monkeypatch: pytest.MonkeyPatch, probe: bool
) -> None:
    """The first 3 MiB take more than a second, and a range from the network none: all is copied as on a fast disk."""
    copy, steps = CopySources.copy, 0

    def crawl(self: CopySources, path: Path, at: int, partial: Partial, offset: int, count: int) -> int:
        nonlocal steps
        steps += 1
        if steps <= 3:
            threading.Event().wait(0.4)
        return copy(self, path, at, partial, offset, count)

    monkeypatch.setattr(CopySources, "copy", crawl)
    one = [Guess(2 * MiB + len(HEAD), len(NEW) - 2 * MiB - len(HEAD), old, 2 * MiB + 777, probe)]
    fetched = lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=one)).only
    assert sent(hub) == fetched.fetched <= 2 * MiB + len(NEW) // 64
    assert steps > 3
    whole(fetched)


def test_without_copy_file_range_it_is_read_and_written(
    hub: Hub, lab: Lab, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, or from one file system to another."""
    monkeypatch.delattr("os.copy_file_range", raising=False)
    fetched = lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=guesses(old))).only
    assert fetched.reused > 5 * MiB


def test_a_mistake_while_copying_comes_out(
    hub: Hub, lab: Lab, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no error of ours is not hidden, and no thread stays."""

    def fail(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(CopySources, "copy", fail)
    with pytest.raises(ZeroDivisionError):
        lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=guesses(old)))


def test_an_earlier_runs_bytes_that_were_wrong_are_told_of(hub: Hub, lab: Lab) -> None:
    """It begins again and succeeds; a note says which bytes came from which run."""
    url = hub.file("/x.gguf", NEW)
    job = lab.job(url, NEW)
    partial = Partial(job.folder, f"sha256:{job.sha256}")
    partial.allocate(len(NEW))
    partial.write(noise(MiB, 3), 0)
    partial.record(0, MiB, "https://bad.example")
    partial.close()
    fetched = lab.run(job).only
    assert fetched.note
    assert f"bytes 0-{MiB - 1} came from https://bad.example (" in fetched.note
    assert f"bytes {MiB}-{len(NEW) - 1} came from {hub.plain} (" in fetched.note


pieces = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces, st.integers(0, 2**20), st.booleans(), st.integers(0, 3))
def test_whatever_is_guessed_the_file_is_right(
    hub: Hub, lab: Lab, tmp_path: Path, plan: list[tuple[int, int]], seed: int, probe: bool, fault: int
) -> None:
    """Right guesses, wrong ones, shifted ones, ones over each other, over a server that errs: the bytes are right."""
    blocks = [
        random.Random(f"{seed}{n}").randbytes(random.Random(n).randrange(1, 60 * KiB)) for n in range(6)
    ]
    new = noise(300) + b"".join(blocks[n] for n, _ in plan)
    older = tmp_path / "older"
    older.write_bytes(b"".join(blocks))
    offsets = [sum(map(len, blocks[:n])) for n in range(6)]
    guessed, start = [], 300
    for n, kind in plan:
        where = offsets[n] if kind < 2 else offsets[(n + 1) % 6] if kind == 2 else offsets[n] + 3
        guessed.append(Guess(max(0, start - (kind == 1) * 7), len(blocks[n]), older, where, probe))
        start += len(blocks[n])
    hub.behave()
    lab.folder = tmp_path / f"{random.getrandbits(64):x}"
    if fault:
        hub.misbehave([Corrupt(500), IgnoreRange(), Status(500)][fault - 1], where="plain", skip=seed % 4)
    outcome = lab.run(lab.job(hub.file("/x.gguf", new), new, guesses=guessed), timeout=2.0)
    if not isinstance(outcome.errors.get("model.gguf"), HashMismatchError):
        assert outcome.only.sha256 == sha256(new)
    else:
        assert fault == 1


def test_a_slow_source_does_not_hold_up_the_copying(hub: Hub, lab: Lab, old: Path) -> None:
    """Tensors whose look is here are copied while others are waited for."""
    hub.misbehave(Slow(20 * KiB), where="plain", times=None, skip=4)
    seen: list[Event] = []
    lab.run(lab.job(hub.file("/x.gguf", NEW), NEW, guesses=guesses(old)), listener=seen.append)
    assert any(0 < event.reused < 5 * MiB for event in seen)
