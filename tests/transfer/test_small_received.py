"""Small files that are received into memory: one request each, and every other way where that does not do."""

import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from modelsync.errors import CancelledError, HashMismatchError, HttpStatusError, NotAModelError
from modelsync.transfer.downloader import Downloader
from modelsync.transfer.jobs import Fetched, Job
from modelsync.transfer.small_files import SMALL
from tests.hub import Chunked, Corrupt, Cut, Delay, Hub, Longer, Replaced, Request, Shorter, Status
from tests.hub.faults import Fault
from tests.support.content import noise, sha256
from tests.support.transfers import Lab, client, is_gguf, running_threads

FILES = {f"m{number:02}.gguf": noise(20_000, number) for number in range(24)}
LONG = 10.0  # seconds after which a test has failed


def jobs(hub: Hub, lab: Lab) -> list[Job]:
    hub.repo("u/m").commit(FILES, lfs=None)
    return [
        lab.job(f"{hub.endpoint}/u/m/resolve/main/{name}", data, label=name) for name, data in FILES.items()
    ]


def test_each_is_asked_for_once_and_nothing_is_written(hub: Hub, lab: Lab) -> None:
    """A question for the bytes to the hub, one to where it leads, and no folder, however many files there are."""
    outcome = lab.run(*jobs(hub, lab), in_memory=True)
    assert {label: data for label, (_, data) in outcome.done.items()} == FILES
    assert all(fetched.sha256 == sha256(FILES[label]) for label, (fetched, _) in outcome.done.items())
    assert set(Counter(seen.path for seen in hub.seen("hub")).values()) == {1}
    assert {seen.method for seen in hub.requests} == {"GET"}
    assert len(hub.seen("cdn")) == len(FILES)
    assert not lab.folder.exists()
    assert {event.label for event in outcome.events if event.phase == "done"} == set(FILES)


@pytest.mark.parametrize(
    "fault",
    [
        Cut(5000),
        Cut(0),
        Cut(5000, reset=True),
        Corrupt(300),
        Shorter(),
        Longer(),
        Status(503, {"Retry-After": "0"}),
        Replaced(b"<!DOCTYPE html><title>Log in</title>"),
    ],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("known", [True, False], ids=["digest", "size alone"])
def test_what_goes_wrong_once_is_mended(hub: Hub, lab: Lab, fault: Fault, *, known: bool) -> None:
    """A broken or wrong answer to one of many costs another request, and the others come as ever."""
    if isinstance(fault, Corrupt) and not known:
        pytest.skip("nothing tells that the bytes are wrong")
    hub.misbehave(fault, where="plain", times=1)
    work = [
        lab.job(
            hub.file(f"/{name}", data), label=name, size=len(data), digest=sha256(data) if known else None
        )
        for name, data in FILES.items()
    ]
    outcome = lab.run(*work, in_memory=True)
    assert not outcome.errors
    assert {label: data for label, (_, data) in outcome.done.items()} == FILES
    assert len(hub.requests) == len(FILES) + 1


def test_what_had_come_of_a_broken_answer_is_not_asked_for_again(hub: Hub, lab: Lab) -> None:
    """With a digest, only the rest is fetched."""
    data = FILES["m00.gguf"]
    hub.misbehave(Cut(5000), where="plain", times=1)
    assert lab.run(lab.job(hub.file("/m.gguf", data), data), in_memory=True).only.fetched == len(data)
    assert [seen.range for seen in hub.requests] == [None, "bytes=5000-19999"]


def test_an_answer_that_does_not_tell_its_length_will_do(hub: Hub, lab: Lab) -> None:
    """The size and the digest decide."""
    data = FILES["m00.gguf"]
    hub.misbehave(Chunked(), where="plain", times=None)
    assert lab.run(lab.job(hub.file("/m.gguf", data), data), in_memory=True).only.size == len(data)
    assert len(hub.requests) == 1


def test_what_is_gone_is_asked_for_once(hub: Hub, lab: Lab) -> None:
    """An error that is final is told as it came."""
    job = lab.job(hub.file("/m.gguf", b"x"), FILES["m00.gguf"])
    hub.misbehave(Status(404), where="plain", times=None)
    error = lab.run(job, in_memory=True).error
    assert isinstance(error, HttpStatusError)
    assert error.status == 404
    assert len(hub.requests) == 1


def test_bytes_that_stay_wrong_are_an_error_that_names_the_server(hub: Hub, lab: Lab) -> None:
    """As with a large file: fetched twice, both digests told, and nothing is kept."""
    data = FILES["m00.gguf"]
    hub.misbehave(Corrupt(300), where="plain", times=None)
    error = lab.run(lab.job(hub.file("/m.gguf", data), data), in_memory=True).error
    assert isinstance(error, HashMismatchError)
    assert sha256(data) in error.message
    assert hub.plain in error.message
    assert len(hub.requests) == 2
    assert not (lab.folder / "model.gguf").exists()


def test_a_login_page_is_told_by_its_words(hub: Hub, lab: Lab) -> None:
    """What stands in the place of the file is named."""
    data = FILES["m00.gguf"]
    hub.misbehave(Replaced(b"<!DOCTYPE html><title>Log in</title>"), where="plain", times=None)
    error = lab.run(lab.job(hub.file("/m.gguf", data), data), in_memory=True).error
    assert "in place of the file" in error.message


def test_what_its_check_refuses_is_not_given_on(hub: Hub, lab: Lab) -> None:
    """A file that is no GGUF, though its digest is right."""
    data = bytes(4000)
    error = lab.run(lab.job(hub.file("/m.gguf", data), data, check=is_gguf), in_memory=True).error
    assert isinstance(error, NotAModelError)
    assert hub.plain in error.message


def test_what_an_earlier_run_left_is_gone_on_with(hub: Hub, lab: Lab) -> None:
    """A partial of a small file is resumed, and not left behind."""
    data = FILES["m00.gguf"]
    job = lab.job(hub.file("/m.gguf", data), data)
    hub.misbehave(Cut(5000), where="plain", times=1)
    assert lab.run(job, tries=1).errors
    before = len(hub.requests)
    assert lab.run(job, in_memory=True).only.resumed == 5000
    assert [seen.range for seen in hub.requests[before:]] == ["bytes=5000-19999"]


@pytest.mark.parametrize("size", [0, 1, SMALL - 1, SMALL, SMALL + 1])
def test_sizes_at_the_edges(hub: Hub, lab: Lab, size: int) -> None:
    """The largest small file, the smallest larger one, and the empty one."""
    data = noise(size)
    outcome = lab.run(lab.job(hub.file("/m.gguf", data), data), in_memory=size <= SMALL)
    assert outcome.only.size == size


def run(work: list[Job], on_small: object, *, streams: int, cancel: threading.Event | None = None) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    with client(5.0, cancel) as asker:
        try:
            Downloader(lambda: asker, streams=streams, cancel=cancel).run(work, never, never, on_small)  # type: ignore[arg-type]
        finally:
            assert running_threads() == []


def test_files_that_come_while_others_are_published_are_published_together(hub: Hub, lab: Lab) -> None:
    """The first waits for the disk until all others are here: these then come in one call."""
    batches: list[list[str]] = []
    work = jobs(hub, lab)

    def publish(batch: Sequence[tuple[Job, Fetched]]) -> None:
        batches.append([job.label for job, _ in batch])
        until = threading.Event()
        while len(batches) == 1 and len(hub.seen("cdn")) < len(FILES) and not until.wait(0.01):
            pass

    run(work, publish, streams=2)
    assert sorted(label for batch in batches for label in batch) == sorted(FILES)
    assert len(batches) <= len(FILES) // 2


def test_no_more_are_asked_for_at_once_than_there_may_be_streams(hub: Hub, lab: Lab) -> None:
    """`--jobs` holds for small files too."""
    guard, now, most = threading.Lock(), 0, 0

    class Counted(Delay):
        def instead(self, request: Request) -> None:
            nonlocal now, most
            with guard:
                now += 1
                most = max(most, now)
            super().instead(request)
            with guard:
                now -= 1

    hub.misbehave(Counted(0.01), where="plain", times=None)
    work = [lab.job(hub.file(f"/{name}", data), data, label=name) for name, data in FILES.items()]
    assert len(lab.run(*work, streams=3, in_memory=True).done) == len(FILES)
    assert 1 <= most <= 3


@pytest.mark.parametrize("after", [1, 5])
def test_a_cancelled_run_hands_on_whole_files_alone(hub: Hub, lab: Lab, after: int) -> None:
    """Wherever it is cut short, no thread is left, and the next run brings the files that are missing."""
    cancel = threading.Event()
    here: dict[str, bytes] = {}

    def publish(batch: Sequence[tuple[Job, Fetched]]) -> None:
        here.update({job.label: fetched.data or b"" for job, fetched in batch})
        if len(here) >= after:
            cancel.set()

    work = jobs(hub, lab)
    hub.misbehave(Delay(0.02), where="cdn", times=None)
    with pytest.raises(CancelledError):
        run(work, publish, streams=2, cancel=cancel)
    assert all(FILES[label] == data for label, data in here.items())
    rest = [job for job in work if job.label not in here]
    assert rest
    assert sorted(lab.run(*rest, in_memory=True).done) == sorted(job.label for job in rest)


def test_a_fault_in_publishing_comes_out(hub: Hub, lab: Lab) -> None:
    """What raises where the files are handed to comes out of the run."""
    stop = RuntimeError("a bug")

    def publish(_: Sequence[tuple[Job, Fetched]]) -> None:
        raise stop

    with pytest.raises(RuntimeError) as caught:
        run(jobs(hub, lab), publish, streams=2)
    assert caught.value is stop
