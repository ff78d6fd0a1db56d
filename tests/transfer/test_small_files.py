"""Many small files: what each waits for, its hub, its CDN, the disk, holds up no other."""

import threading
from collections.abc import Callable

import pytest

from modelsync.errors import CancelledError, ModelsyncError
from modelsync.transfer.downloader import Downloader
from modelsync.transfer.jobs import Fetched, Job, Segment
from modelsync.transfer.stream import RangeDownload
from tests.hub import Hub, Request, Status
from tests.support.content import noise
from tests.support.transfers import Lab, client, held, running_threads
from tests.support.units import MiB

FILES = {f"m{number:02}.gguf": noise(20_000, number) for number in range(24)}
LONG = 10.0  # seconds after which a test has failed


def jobs(hub: Hub, lab: Lab) -> list[Job]:
    hub.repo("u/m").commit(FILES, lfs=None)
    return [
        lab.job(
            [Segment(f"{hub.endpoint}/u/m/resolve/main/{name}", len(data), redirects=True)], data, label=name
        )
        for name, data in FILES.items()
    ]


def run(work: list[Job], on_done: Callable[[Job, Fetched], None], *, streams: int) -> None:
    def failed(_: Job, error: ModelsyncError, __: int) -> None:
        raise error

    with client(5.0, None) as asker:
        try:
            Downloader(lambda: asker, streams=streams).run(work, on_done, failed)
        finally:
            assert running_threads() == []


def test_files_that_wait_for_the_disk_hold_up_no_others(hub: Hub, lab: Lab) -> None:
    """Three of them are being published with one stream, and the next ones come all the same."""
    together = threading.Barrier(3)
    done: list[str] = []

    def publish(job: Job, _: Fetched) -> None:
        together.wait(LONG)
        done.append(job.label)

    run(jobs(hub, lab), publish, streams=1)
    assert sorted(done) == sorted(FILES)


def test_one_stream_brings_a_small_file_however_many_are_free(hub: Hub, lab: Lab) -> None:
    """Each costs one question to the CDN: to cut it up would be to wait several times."""
    files = {f"{number}.gguf": noise(3 * MiB, number) for number in range(4)}
    hub.repo("u/three").commit(files, lfs=None)
    work = [
        lab.job(f"{hub.endpoint}/u/three/resolve/main/{name}", data, label=name)
        for name, data in files.items()
    ]
    assert len(lab.run(*work, streams=16).done) == len(files)
    assert len(hub.seen("cdn")) == len(files)


def test_the_hub_is_asked_about_the_next_file_while_a_stream_waits_for_this_one(hub: Hub, lab: Lab) -> None:
    """The first answer of the CDN waits for the question about the second file."""
    asked: set[str] = set()
    two = threading.Event()
    waited: list[bool] = []
    done: list[str] = []

    def count(request: Request) -> bool:
        asked.add(request.path)
        if len(asked) == 2:
            two.set()
        return False

    def wait(_: Request) -> bool:
        waited.append(two.wait(LONG))
        return False

    hub.misbehave(Status(500), where="hub", method="HEAD", times=None, when=count)
    hub.misbehave(Status(500), where="cdn", times=None, when=wait)
    run(jobs(hub, lab)[:4], lambda job, _: done.append(job.label), streams=1)
    assert waited == [True] * 4
    assert len(done) == 4


def test_no_file_is_begun_after_the_run_has_broken(hub: Hub, lab: Lab) -> None:
    """What raises in one file's publishing comes out; nothing is asked but for the files that were open by then."""
    stop = RuntimeError("a bug")

    def publish(_: Job, __: Fetched) -> None:
        raise stop

    with pytest.raises(RuntimeError) as caught:
        run(jobs(hub, lab), publish, streams=1)
    assert caught.value is stop
    assert len({seen.path for seen in hub.seen("hub")}) <= 3


@pytest.mark.parametrize("streams", [1, 2, 8])
def test_large_small_and_unknown_ones_come_in_one_run(hub: Hub, lab: Lab, streams: int) -> None:
    """Whatever waits for what, each comes once, and whole."""
    large, unknown = noise(9 * MiB, 99), noise(70_000, 98)
    mixed = [
        *jobs(hub, lab),
        lab.job(hub.file("/large.gguf", large), large, label="large"),
        lab.job(hub.file("/unknown.gguf", unknown), label="unknown"),
    ]
    outcome = lab.run(*mixed, streams=streams)
    assert {label: data for label, (_, data) in outcome.done.items()} == {
        **FILES,
        "large": large,
        "unknown": unknown,
    }


@pytest.mark.parametrize("after", [1, 4, 20])
def test_a_cancelled_run_leaves_what_the_next_one_goes_on_with(hub: Hub, lab: Lab, after: int) -> None:
    """Wherever it is cut short, no thread is left, and the next run brings the files that are missing."""
    cancel = threading.Event()
    here: set[str] = set()

    def publish(job: Job, fetched: Fetched) -> None:
        here.add(job.label)
        fetched.path.unlink()
        if len(here) == after:
            cancel.set()

    work = jobs(hub, lab)
    answers = threading.Semaphore(after)  # of the CDN; the others are held until the run has ended
    with (
        held(hub, lambda _: not answers.acquire(blocking=False), where="cdn"),
        client(60.0, cancel) as asker,
        pytest.raises(CancelledError),
    ):
        Downloader(lambda: asker, streams=2, cancel=cancel).run(work, publish, lambda *_: None)
    hub.behave()
    assert len(here) == after
    assert running_threads() == []
    rest = [job for job in work if job.label not in here]
    assert sorted(lab.run(*rest).done) == sorted(job.label for job in rest)


def test_a_small_file_is_fetched_by_its_own_thread_and_counts_as_a_stream(
    hub: Hub, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To hand it to a stream costs more than to read it; no more are read at once than there may be streams."""
    fetch, guard = RangeDownload.run, threading.Lock()
    now: set[str] = set()
    most, others = 0, []

    def run_and_count(self: RangeDownload) -> None:
        nonlocal most
        name = threading.current_thread().name
        with guard:
            now.add(name)
            most = max(most, len(now))
        if "-file-" not in name:
            others.append(name)
        fetch(self)
        with guard:
            now.discard(name)

    monkeypatch.setattr(RangeDownload, "run", run_and_count)
    done: list[str] = []
    run(jobs(hub, lab), lambda job, _: done.append(job.label), streams=2)
    assert sorted(done) == sorted(FILES)
    assert most <= 2
    assert len(others) < len(FILES)
