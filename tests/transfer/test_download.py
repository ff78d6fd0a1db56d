"""Whole downloads from a real hub, its CDN and a plain server, when nothing goes wrong."""

import socket
import threading
from pathlib import Path

import pytest

from modelsync.errors import DiskFullError, HttpStatusError, NotAModelError, RefusedError, StoreError
from modelsync.transfer.jobs import Fetched, Job, Segment
from tests.hub import Hub
from tests.support.content import noise, sha256
from tests.support.servers import Listener, read_head
from tests.support.transfers import Lab, Outcome, is_gguf
from tests.support.units import MiB

BIG = noise(40 * MiB)


def published(hub: Hub, data: bytes, path: str = "model.gguf") -> str:
    """The canonical URL of a file in a repo: it redirects to the CDN."""
    commit = hub.repo("user/model").commit({path: data})
    return f"{hub.endpoint}/user/model/resolve/{commit}/{path}"


def test_a_large_file_comes_in_ranges_over_several_connections(hub: Hub, lab: Lab) -> None:
    """Every byte once, one question to the hub, everything else from the CDN; both digests are told."""
    url = published(hub, BIG)
    fetched = lab.run(lab.job(url, BIG, check=is_gguf)).only
    assert (fetched.fetched, fetched.resumed) == (len(BIG), 0)
    assert len(hub.seen("hub")) == 1
    answers = hub.seen("cdn")
    assert len({answer.connection for answer in answers}) >= 2
    assert sum(answer.sent for answer in answers) == len(BIG)
    assert fetched.etag is None, "the CDN's tag is not the hub's"


def test_a_small_file_is_one_plain_question(hub: Hub, lab: Lab) -> None:
    """No range is asked for what fits into one."""
    url = hub.file("/small.gguf", noise(1000))
    fetched = lab.run(lab.job(url, noise(1000))).only
    [answer] = hub.requests
    assert (answer.status, answer.range) == (200, None)
    assert fetched.etag == sha256(noise(1000))[:16]


def test_many_files_share_the_streams(hub: Hub, lab: Lab) -> None:
    """Small and large ones, in one run, each told once."""
    files = {f"{n}.gguf": noise(n * 999 + 1, n) for n in range(40)} | {"big.gguf": BIG}
    jobs = [lab.job(hub.file(f"/{name}", data), data, label=name) for name, data in files.items()]
    outcome = lab.run(*jobs)
    assert {name: data for name, (_, data) in outcome.done.items()} == files
    assert [event.label for event in outcome.events if event.phase == "done"].count("big.gguf") == 1


def test_the_largest_file_comes_first_wherever_it_was_named(hub: Hub, lab: Lab) -> None:
    """Small files fill the time that it takes to open, and its last parts: most of them are still to come then."""
    files = {f"{n:02}.gguf": noise(n * 99 + 1, n) for n in range(30)} | {"zz.gguf": BIG}
    jobs = [lab.job(hub.file(f"/{name}", data), data, label=name) for name, data in files.items()]
    assert not lab.run(*jobs, streams=1).errors
    asked = [request.path for request in hub.requests]
    assert asked.index("/zz.gguf") < len(files) // 2


def test_what_nobody_knows_the_size_and_digest_of_is_fetched_and_told(hub: Hub, lab: Lab) -> None:
    """In ranges too, when the server has a strong validator."""
    url = hub.file("/x.gguf", BIG)
    fetched = lab.run(lab.job(url)).only
    assert fetched.size == len(BIG)
    assert len(hub.requests) > 2
    assert all(request.headers.get("if-range") for request in hub.requests[1:])


@pytest.mark.parametrize("etag", ["weak", None])
def test_without_a_strong_validator_it_comes_in_one_piece(hub: Hub, lab: Lab, etag: None) -> None:
    """Nothing would prove that two ranges are of one version."""
    url = hub.file("/x.gguf", BIG, etag=etag)
    assert lab.run(lab.job(url)).only.size == len(BIG)
    assert [request.range for request in hub.requests][1:] == [None]


def test_a_server_without_ranges(hub: Hub, lab: Lab) -> None:
    """The whole comes over one connection, from its first byte."""
    url = hub.file("/x.gguf", BIG, ranges=False)
    assert lab.run(lab.job(url, BIG)).only.fetched == len(BIG)
    assert len(hub.requests) == 1


@pytest.mark.parametrize("known", ["all", "digest", "nothing"])
def test_an_empty_file(hub: Hub, lab: Lab, known: str) -> None:
    """Nothing is asked for when it is known to be empty; else the server says so."""
    url = hub.file("/empty", b"")
    job = {
        "all": lab.job(url, b""),
        "digest": lab.job(url, digest=sha256(b"")),
        "nothing": lab.job(url),
    }[known]
    assert lab.run(job).only.size == 0
    assert bool(hub.requests) == (known != "all")


def test_a_file_without_a_length(hub: Hub, lab: Lab) -> None:
    """The end of the body is the end of the file."""
    from tests.hub import Chunked, IgnoreRange

    url = hub.file("/x.gguf", BIG)
    for fault in (Chunked(), IgnoreRange()):
        hub.misbehave(fault, where="plain", times=None)
    outcome = lab.run(lab.job(url))
    assert outcome.only.size == len(BIG)


def test_pieces_become_one_file(hub: Hub, lab: Lab) -> None:
    """Joined in order, each with its own digest told; empty ones and small ones among them."""
    parts = [noise(20 * MiB, 1), b"", b"x", noise(17 * MiB, 2)]
    whole = b"".join(parts)
    segments = [Segment(hub.file(f"/part{n}", part), len(part)) for n, part in enumerate(parts)]
    for known in (whole, None):
        label = "known" if known else "unknown"
        fetched = lab.run(lab.job(segments, known, label=label, check=is_gguf)).only
        assert fetched.size == len(whole)
        assert fetched.pieces == tuple(sha256(part) for part in parts)
        assert fetched.etag is None


def test_local_files_are_copied_and_joined_without_a_client(lab: Lab, tmp_path: Path) -> None:
    """Nothing of the network is touched for `file:`."""
    from modelsync.transfer.downloader import Downloader

    parts = [noise(9 * MiB), noise(5, 3)]
    segments = []
    for n, part in enumerate(parts):
        (tmp_path / f"part {n}").write_bytes(part)
        segments.append(Segment((tmp_path / f"part {n}").as_uri(), len(part)))
    outcome = Outcome()

    def no_client() -> None:
        raise AssertionError("a client was asked for")

    Downloader(no_client).run(  # type: ignore[arg-type]
        [lab.job(segments, b"".join(parts))], outcome.on_done, outcome.on_error
    )
    assert outcome.only.fetched == sum(map(len, parts))
    assert outcome.only.etag is None


def test_a_local_folder_is_refused(lab: Lab, tmp_path: Path) -> None:
    """With an error for its own job alone."""
    assert isinstance(lab.run(lab.job(tmp_path.as_uri())).error, RefusedError)


def test_what_is_no_model_is_noticed_before_the_rest_is_fetched(hub: Hub, lab: Lab) -> None:
    """A login page never comes whole, and leaves nothing."""
    page = b"<!DOCTYPE html>" + BIG
    outcome = lab.run(lab.job(hub.file("/login", page), check=is_gguf))
    assert isinstance(outcome.error, NotAModelError)
    assert sum(request.sent for request in hub.requests) < len(page)
    assert not lab.job("x").folder.exists()


@pytest.mark.parametrize("data", [b"", b"GG"])
def test_a_file_that_is_shorter_than_its_magic_is_checked_too(hub: Hub, lab: Lab, data: bytes) -> None:
    """The check sees all there is."""
    assert isinstance(lab.run(lab.job(hub.file("/x", data), check=is_gguf)).error, NotAModelError)


def test_one_failure_does_not_stop_the_others(hub: Hub, lab: Lab) -> None:
    """A file that is not there is told, the others come."""
    good = [lab.job(hub.file(f"/{n}", noise(n + 9, n)), noise(n + 9, n), label=str(n)) for n in range(20)]
    bad = lab.job(f"{hub.plain}/none", label="bad")
    outcome = lab.run(*good[:10], bad, *good[10:])
    assert sorted(outcome.done) == sorted(job.label for job in good)
    [error] = outcome.errors.values()
    assert isinstance(error, HttpStatusError)
    assert error.status == 404
    assert len(hub.seen("plain", "/none")) == 1


def test_a_full_disk_is_told_before_the_first_byte(hub: Hub, lab: Lab) -> None:
    """All files of a run together are compared with the free space."""
    jobs = [lab.job(f"{hub.plain}/{n}", size=2**45, digest="0" * 64, label=str(n)) for n in range(64)]
    with pytest.raises(DiskFullError, match=r"2\.0 PiB needed, .* free"):
        lab.run(*jobs)
    assert hub.requests == []


def test_a_size_that_only_the_server_knows_is_held_against_the_disk(hub: Hub, lab: Lab) -> None:
    """An answer that promises more than there is room for is not begun."""
    from tests.hub import WrongRange

    url = hub.file("/x.gguf", BIG)
    hub.misbehave(WrongRange(0, 2**50), where="plain", times=None)
    assert isinstance(lab.run(lab.job(url)).error, DiskFullError)
    assert not list(lab.folder.rglob("data")) or allocated_is_small(lab.folder)


def test_a_body_without_an_end_leaves_space_on_the_disk(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody said how much will come: what always stays free is not filled, and nothing of it is kept."""
    from modelsync.system import disks

    def free(_: Path) -> int:
        return disks.RESERVE + len(BIG) - sum(path.stat().st_size for path in lab.folder.rglob("data"))

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nGGUF")
        while True:
            connection.sendall(bytes(100_000))

    monkeypatch.setattr(disks, "free_bytes", free)
    with Listener(serve) as server:
        error = lab.run(lab.job(f"http://127.0.0.1:{server.port}/x.gguf")).error
    assert isinstance(error, DiskFullError)
    assert not list(lab.folder.rglob("data"))


def allocated_is_small(folder: Path) -> bool:
    return all(path.stat().st_blocks < 1000 for path in folder.rglob("data"))


def test_progress_only_tells_the_truth(hub: Hub, lab: Lab) -> None:
    """Rising counts of bytes that are here, the total, and the end; never the same twice."""
    outcome = lab.run(lab.job(hub.file("/x", BIG), BIG, label="a\x1b[31mb"))
    done = [event.done for event in outcome.events]
    assert done == sorted(done)
    assert {event.total for event in outcome.events[1:]} == {len(BIG)}
    assert (outcome.events[-1].phase, done[-1]) == ("done", len(BIG))
    assert all(a != b for a, b in zip(outcome.events, outcome.events[1:], strict=False))
    assert {event.label for event in outcome.events} == {"a\\x1b[31mb"}


def test_what_on_done_cannot_use_is_the_jobs_failure(hub: Hub, lab: Lab) -> None:
    """A store that refuses the file: told as an error, and the file stays for the next run."""
    from modelsync.transfer.downloader import Downloader
    from tests.support.transfers import client

    outcome = Outcome()

    def refuse(job: Job, fetched: Fetched) -> None:
        raise StoreError("the store is read-only")

    url = hub.file("/x", BIG)
    with client(5.0, None) as asker:
        Downloader(lambda: asker).run([lab.job(url, BIG)], refuse, outcome.on_error)
    assert isinstance(outcome.error, StoreError)
    hub.clear()
    assert lab.run(lab.job(url, BIG)).only.resumed == len(BIG)
    assert hub.requests == []


def test_files_are_published_side_by_side(hub: Hub, lab: Lab) -> None:
    """Two small files that are whole wait for no one: each is told while the other is."""
    from modelsync.transfer.downloader import Downloader
    from tests.support.transfers import client

    both = threading.Barrier(2, timeout=30)
    jobs = [lab.job(hub.file(f"/{n}", noise(1000, n)), noise(1000, n), label=str(n)) for n in range(2)]
    with client(5.0, None) as asker:
        Downloader(lambda: asker).run(jobs, lambda *_: both.wait(), Outcome().on_error)  # type: ignore[arg-type]
    assert not both.broken


def test_what_was_moved_away_leaves_no_folder(hub: Hub, lab: Lab, tmp_path: Path) -> None:
    """The publisher moves the data; what is left is cleaned up."""
    from modelsync.transfer.downloader import Downloader
    from tests.support.transfers import client

    def move(job: Job, fetched: Fetched) -> None:
        fetched.path.rename(tmp_path / "mine")

    with client(5.0, None) as asker:
        Downloader(lambda: asker).run([lab.job(hub.file("/x", BIG), BIG)], move, Outcome().on_error)
    assert (tmp_path / "mine").read_bytes() == BIG
    assert list(lab.folder.iterdir()) == []


@pytest.mark.parametrize(
    "job",
    [
        Job("x", Path("x"), None, None, ()),
        Job("x", Path("x"), 5, None, (Segment("file:///a", 2), Segment("file:///b", 2))),
        Job("x", Path("x"), 5, None, (Segment("file:///a", 2), Segment("file:///b"))),
        Job("x", Path("x"), 5, None, (Segment("file:///a", 2),)),
    ],
)
def test_a_job_that_contradicts_itself_is_a_mistake_of_the_caller(lab: Lab, job: Job) -> None:
    """Sizes that do not add up are told before anything is done."""
    with pytest.raises(ValueError, match="x:"):
        lab.run(job)


def test_nothing_to_do_is_done_at_once(lab: Lab) -> None:
    """No jobs, no threads, no events."""
    assert lab.run().events == []
