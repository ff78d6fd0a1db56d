"""Everything a server can do wrong: recovered from, or refused with nothing published."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.errors import HashMismatchError, HttpStatusError, ModelsyncError, NetworkError
from modelsync.gguf.magic import check_magic
from modelsync.transfer.jobs import Segment
from tests.hub import (
    Chunked,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Fault,
    Gzipped,
    Headers,
    Hub,
    IgnoreRange,
    Longer,
    OtherRange,
    Redirect,
    Replaced,
    Request,
    Shorter,
    Stall,
    Status,
    Tagged,
    TooMany,
    WrongRange,
)
from tests.support.content import noise, sha256
from tests.support.servers import sending_on
from tests.support.transfers import Lab
from tests.support.units import KiB

OLD, NEW = noise(400 * KiB), noise(400 * KiB, 1)
PASSING = [
    Cut(30 * KiB),
    Cut(30 * KiB, reset=True),
    Cut(0),
    Drop(),
    Stall(30 * KiB),
    Stall(0),
    Status(500),
    Status(503, {"Retry-After": "0"}),
    Status(408),
    TooMany(0, "seconds"),
    Status(401),
    Status(403),
    Status(404),
    Status(410),
    Status(416),
    IgnoreRange(),
    WrongRange(1),
    WrongRange(0, 7),
    OtherRange(5),
    Longer(),
    Shorter(),
    Shorter(300 * KiB),
    Gzipped(),
    Tagged('"another"'),
    Tagged(None),
    Redirect(),
]
LASTING: list[tuple[Fault, type[ModelsyncError]]] = [
    (Cut(0), NetworkError),
    (Drop(), NetworkError),
    (Stall(0), NetworkError),
    (Status(500), HttpStatusError),
    (Status(403), HttpStatusError),
    (Status(404), HttpStatusError),
    (Status(416), HttpStatusError),
    (WrongRange(1), NetworkError),
    (OtherRange(5), NetworkError),
    (Longer(), HashMismatchError),
    (Shorter(), HashMismatchError),
    (Gzipped(), NetworkError),
    (Corrupt(300 * KiB), HashMismatchError),
    (Replaced(NEW), HashMismatchError),
    (Redirect(), NetworkError),
]
LIES = (Corrupt, Longer, Shorter, Tagged)  # other bytes under the same tag, or one tag for two versions


def _name(value: object) -> str:
    words = value if isinstance(value, type) else type(value)
    plain = (
        {k: v for k, v in vars(value).items() if not isinstance(v, bytes)} if isinstance(value, Fault) else ""
    )
    return f"{words.__name__}{plain}"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of 64 KiB, so that a small file has several; and waits that no test waits for."""
    monkeypatch.setattr("modelsync.transfer.track.SMALLEST", 64 * KiB)
    monkeypatch.setattr("modelsync.transfer.track.FIRST_WAIT", 0.01)


@pytest.fixture
def url(hub: Hub) -> str:
    """The canonical URL of the large file: it redirects to the CDN."""
    commit = hub.repo("user/model").commit({"model.gguf": OLD})
    return f"{hub.endpoint}/user/model/resolve/{commit}/model.gguf"


@pytest.mark.parametrize("skip", [0, 2], ids=["at first", "in the middle"])
@pytest.mark.parametrize("fault", PASSING, ids=_name)
def test_what_passes_is_recovered_from(hub: Hub, lab: Lab, url: str, fault: Fault, skip: int) -> None:
    """A CDN that goes wrong once, at the first question or among several streams: the file is right."""
    trigger = hub.misbehave(fault, skip=skip)
    assert lab.run(lab.job(url, OLD), timeout=0.4).only.sha256 == sha256(OLD)
    assert trigger.fired == 1


@pytest.mark.parametrize("fault", PASSING, ids=_name)
def test_what_passes_is_recovered_from_without_a_digest(hub: Hub, lab: Lab, fault: Fault) -> None:
    """A plain server of a file that nothing is known of: one version, whole; or an error, and nothing."""
    plain = hub.file("/x.gguf", OLD)
    trigger = hub.misbehave(fault, where="plain", skip=2)
    outcome = lab.run(lab.job(plain), timeout=0.4)
    assert trigger.fired == 1
    if isinstance(fault, Status) and fault.status in (401, 403, 404, 410):
        assert isinstance(outcome.error, HttpStatusError), "of the URL's own server that is final"
    else:
        assert outcome.only.sha256 == sha256(OLD)


@pytest.mark.parametrize(("fault", "kind"), LASTING, ids=_name)
def test_what_does_not_pass_is_refused(
    hub: Hub, lab: Lab, url: str, fault: Fault, kind: type[ModelsyncError]
) -> None:
    """A CDN that goes on being wrong: an error that says so, and nothing is handed on."""
    hub.misbehave(fault, times=None)
    error = lab.run(lab.job(url, OLD), timeout=0.3, tries=2).error
    assert isinstance(error, kind)
    assert error.message
    assert "Signature" not in error.message
    assert len(hub.requests) < 30


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(hub: Hub, lab: Lab) -> None:
    """The same bytes over and over are no progress."""
    url = hub.file("/x.gguf", OLD, ranges=False)
    hub.misbehave(Cut(90 * KiB), where="plain", times=None)
    assert isinstance(lab.run(lab.job(url, OLD), tries=3).error, NetworkError)
    assert len(hub.requests) <= 5


def test_a_server_that_breaks_off_a_little_later_every_time_is_not_given_up(
    hub: Hub, lab: Lab, url: str
) -> None:
    """Bytes came: the count of tries begins again, however often."""
    hub.misbehave(Cut(20 * KiB), times=None)
    assert lab.run(lab.job(url, OLD), tries=2).only.fetched == len(OLD)


def test_every_second_answer_an_error_is_no_end(hub: Hub, lab: Lab, url: str) -> None:
    """A crowded server turns streams away: those that it takes go on."""
    turn = iter(range(10**6))
    hub.misbehave(Status(503), times=None, when=lambda _: next(turn) % 2 == 1)
    assert lab.run(lab.job(url, OLD), tries=2).only.fetched == len(OLD)


# --- signed URLs -------------------------------------------------------------------------------------


def test_a_signature_that_runs_out_under_all_streams_costs_one_question(hub: Hub, lab: Lab, url: str) -> None:
    """Three streams are refused at one moment; one of them asks the hub, the others wait for its answer."""
    together = threading.Barrier(3, action=hub.expire_links)
    three = threading.Semaphore(3)

    def wait_for_all(request: Request) -> bool:
        if three.acquire(blocking=False):
            together.wait(10)
        return False

    hub.misbehave(Status(500), when=_after(2, wait_for_all))
    assert lab.run(lab.job(url, OLD)).only.fetched == len(OLD)
    assert sum(seen.status == 403 for seen in hub.seen("cdn")) >= 3
    assert len(hub.seen("hub")) == 2


def test_a_hub_that_refuses_is_final(hub: Hub, lab: Lab, url: str) -> None:
    """A 403 of the hub's own is not asked about again."""
    hub.misbehave(Status(403), where="hub", times=None)
    error = lab.run(lab.job(url, OLD)).error
    assert isinstance(error, HttpStatusError)
    assert (error.status, error.redirected) == (403, False)
    assert len(hub.requests) == 1


def test_a_hub_that_refuses_when_it_is_asked_again_is_final(hub: Hub, lab: Lab, url: str) -> None:
    """Access that was taken away in the middle ends the file and keeps what is here."""
    hub.misbehave(Status(403), times=None, skip=2)
    hub.misbehave(Status(401), where="hub", times=None, skip=1)
    error = lab.run(lab.job(url, OLD)).error
    assert isinstance(error, HttpStatusError)
    assert (error.status, error.redirected) == (401, False)
    hub.behave()
    assert lab.run(lab.job(url, OLD)).only.resumed >= 64 * KiB


# --- two versions are never joined -------------------------------------------------------------------


@dataclass(frozen=True)
class IgnoreIfRange(Fault):
    """A server that gives ranges of whatever it has now, asked under a condition or not."""

    def before(self, request: Request) -> Request:
        return replace(request, headers={k: v for k, v in request.headers.items() if k != "if-range"})


@pytest.mark.parametrize("etag", ["strong", "weak", None])
@pytest.mark.parametrize("heeds", [True, False], ids=["heeds If-Range", "ignores If-Range"])
def test_a_file_replaced_while_it_is_fetched_comes_in_one_version(
    hub: Hub, lab: Lab, etag: str | None, heeds: bool
) -> None:
    """Between two ranges, or between two tries: what comes out is the new one, whole."""
    url = hub.file("/x.gguf", OLD, etag=etag)
    if not heeds:
        hub.misbehave(IgnoreIfRange(), where="plain", times=None)
    hub.misbehave(Cut(200 * KiB), where="plain", times=2)

    def swap(request: Request) -> bool:
        hub.file("/x.gguf", NEW, etag=etag)
        return False

    hub.misbehave(Status(500), where="plain", when=_after(3, swap))
    fetched = lab.run(lab.job(url)).only
    assert fetched.sha256 in (sha256(NEW), sha256(OLD))
    assert fetched.sha256 == sha256(NEW) or etag != "strong"


@pytest.mark.parametrize("etag", ["strong", "weak", None])
@pytest.mark.parametrize("heeds", [True, False], ids=["heeds If-Range", "ignores If-Range"])
def test_a_file_replaced_between_two_runs_comes_in_one_version(
    hub: Hub, lab: Lab, etag: str | None, heeds: bool
) -> None:
    """A partial of the old version is not gone on with."""
    url = hub.file("/x.gguf", OLD, etag=etag)
    hub.misbehave(Cut(100 * KiB), where="plain", times=None)
    hub.misbehave(Status(404), where="plain", skip=2, times=None)
    assert lab.run(lab.job(url)).errors
    hub.behave()
    hub.file("/x.gguf", NEW, etag=etag)
    if not heeds:
        hub.misbehave(IgnoreIfRange(), where="plain", times=None)
    assert lab.run(lab.job(url)).only.sha256 == sha256(NEW)


def test_a_version_without_a_name_is_not_gone_on_with_under_an_old_one(hub: Hub, lab: Lab) -> None:
    """Two servers behind one address, one of them without tags: what it gave is never joined to the other's."""
    url = hub.file("/x.gguf", OLD)
    hub.misbehave(Status(404), where="plain", skip=2)
    assert lab.run(lab.job(url)).errors
    hub.behave()
    hub.file("/x.gguf", NEW, etag=None)
    hub.misbehave(Cut(200 * KiB), where="plain")
    hub.misbehave(Status(404), where="plain", skip=1)
    assert lab.run(lab.job(url)).errors
    hub.behave()
    hub.file("/x.gguf", OLD)
    assert lab.run(lab.job(url)).only.sha256 == sha256(OLD)


def test_a_partial_is_not_gone_on_with_at_another_host(hub: Hub, lab: Lab) -> None:
    """The same tag of another origin proves nothing, without a digest."""
    url = hub.file("/x.gguf", OLD, etag='"same"')
    commit = hub.repo("user/model").commit({"x.gguf": NEW})
    elsewhere = f"{hub.endpoint}/user/model/resolve/{commit}/x.gguf"
    hub.misbehave(Tagged('"same"'), times=None)
    hub.misbehave(Status(404), where="plain", skip=2, times=None)
    assert lab.run(lab.job(url)).errors
    hub.behave()
    hub.misbehave(Tagged('"same"'), times=None)
    hub.misbehave(Redirect(elsewhere), where="plain", times=None)
    assert lab.run(lab.job(url)).only.sha256 == sha256(NEW)


def test_a_file_that_never_stays_the_same_is_given_up(hub: Hub, lab: Lab) -> None:
    """Every answer another version: an error, not an endless download."""
    url = hub.file("/x.gguf", OLD)
    versions = iter(range(10**6))

    def swap(request: Request) -> bool:
        hub.file("/x.gguf", OLD, etag=f'"{next(versions)}"')
        return False

    hub.misbehave(Status(500), where="plain", when=swap)
    assert isinstance(lab.run(lab.job(url)).error, NetworkError)
    assert len(hub.requests) < 40


def test_with_a_digest_two_versions_are_never_handed_on(hub: Hub, lab: Lab) -> None:
    """The same size, half of it another version: both digests are told, and nothing is kept."""
    url = hub.file("/x.gguf", OLD)
    hub.misbehave(Replaced(NEW), where="plain", skip=2, times=None)
    error = lab.run(lab.job(url, OLD)).error
    assert isinstance(error, HashMismatchError)
    assert sha256(OLD) in error.message
    assert len(error.message.split("got ")[1].split(";")[0].split(",")[0]) == 64
    assert f"bytes 0-{len(OLD) - 1} came from {hub.plain} (" in error.message
    assert error.hint
    assert not lab.job(url).folder.exists()


# --- resuming ----------------------------------------------------------------------------------------


def test_a_digest_goes_on_with_whoever_serves_it(hub: Hub, lab: Lab, url: str) -> None:
    """A partial belongs to its digest: the hub's bytes and a plain server's make one file."""
    hub.misbehave(Status(404), times=None, skip=2)
    assert lab.run(lab.job(url, OLD), tries=2).errors
    fetched = lab.run(lab.job(hub.file("/x.gguf", OLD, etag=None), OLD)).only
    assert fetched.resumed >= 64 * KiB
    assert fetched.resumed + fetched.fetched == len(OLD)


@pytest.mark.parametrize("again", [OLD, NEW], ids=["right now", "still wrong"])
def test_a_partial_that_was_spoilt_is_fetched_anew_once(hub: Hub, lab: Lab, again: bytes) -> None:
    """A wrong digest may be an earlier run's fault: its bytes alone, then the others, then it is final."""
    job = lab.job(hub.file("/x.gguf", OLD), OLD)
    hub.misbehave(Status(404), where="plain", times=None, skip=2)
    assert lab.run(job).errors
    hub.behave()
    with (job.folder / "data").open("r+b") as data:
        data.seek(10 * KiB)
        data.write(b"spoilt")
    hub.file("/x.gguf", again)
    hub.clear()
    outcome = lab.run(job)
    if again is OLD:
        assert outcome.only.resumed == 0
        assert sum(request.sent for request in hub.requests) == len(OLD)
        assert "bytes of an earlier run were wrong" in str(outcome.only.note)
    else:
        assert len(OLD) < sum(request.sent for request in hub.requests) < 2 * len(OLD)
        assert isinstance(outcome.error, HashMismatchError)
        assert not job.folder.exists()


def test_a_proxy_that_fetches_first_is_waited_for(hub: Hub, lab: Lab, url: str) -> None:
    """Each answer begins after more than the timeout: the file comes all the same."""
    hub.misbehave(Delay(0.6), where="cdn", times=None)
    assert lab.run(lab.job(url, OLD), timeout=0.25).only.sha256 == sha256(OLD)


def test_parts_that_do_not_say_which_bytes_they_are(hub: Hub, lab: Lab) -> None:
    """With a digest they are taken; without one the whole file is asked for instead."""
    url = hub.file("/x.gguf", OLD)
    hub.misbehave(Headers({"Content-Range": None}), where="plain", times=None)
    assert lab.run(lab.job(url, OLD)).only.sha256 == sha256(OLD)
    assert len(hub.requests) > 2
    lab.folder = lab.folder / "unknown"
    assert lab.run(lab.job(url)).only.sha256 == sha256(OLD)
    assert hub.requests[-1].range is None


PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


@pytest.mark.parametrize(("what", "named"), [(PAGE, "a web page"), (POINTER, "a Git LFS pointer")])
@pytest.mark.parametrize("same_size", [False, True])
def test_who_sent_something_else_in_place_of_the_file_is_named(
    hub: Hub, lab: Lab, url: str, what: bytes, named: str, same_size: bool
) -> None:
    """A login page, or a pointer of a hub that lost its large files: told as that, with the host that sent it."""
    served = what + (b" " * (len(OLD) - len(what)) if same_size else b"")
    hub.misbehave(Replaced(served), times=None)
    job = lab.job(url, OLD, check=lambda head: check_magic(head, "model.gguf"))
    error = lab.run(job).error
    assert (named if not same_size else "is not a GGUF model") in error.message
    assert hub.cdn in error.message
    assert "upgrade" not in str(error.hint)


def test_a_hub_behind_a_mirror_that_wants_a_token_is_asked_once(hub: Hub, lab: Lab) -> None:
    """It is no expired address: another try brings the same answer."""
    commit = hub.repo("meta/Llama", gated="manual").commit({"m.gguf": OLD})
    with sending_on(hub.endpoint) as mirror:
        url = f"{mirror.url}/meta/Llama/resolve/{commit}/m.gguf"
        error = lab.run(lab.job([Segment(url, len(OLD), redirects=True)], OLD)).error
    assert isinstance(error, HttpStatusError)
    assert (error.status, error.hub) == (401, hub.endpoint)
    assert len(hub.seen("hub", method="GET")) == 1


def test_one_wrong_byte_costs_no_run(hub: Hub, lab: Lab, url: str) -> None:
    """A byte that a network flips once: the file is fetched once more by itself, and a note tells from where."""
    hub.misbehave(Corrupt(3))
    fetched = lab.run(lab.job(url, OLD)).only
    assert fetched.sha256 == sha256(OLD)
    assert fetched.fetched == 2 * len(OLD)
    assert f"were wrong and were fetched again (bytes 0-{len(OLD) - 1} came from {hub.cdn}" in str(
        fetched.note
    )


def test_of_a_joined_file_the_wrong_piece_alone_is_fetched_again(hub: Hub, lab: Lab) -> None:
    """Where each piece has a digest of its own."""
    pieces = {"/one": OLD[: 150 * KiB], "/two": OLD[150 * KiB : 300 * KiB], "/three": OLD[300 * KiB :]}
    hub.misbehave(Corrupt(3), where="plain", match="/two")
    segments = [
        Segment(hub.file(path, data), len(data), sha256=sha256(data)) for path, data in pieces.items()
    ]
    fetched = lab.run(lab.job(segments, OLD)).only
    assert fetched.sha256 == sha256(OLD)
    assert fetched.fetched == len(OLD) + len(pieces["/two"])


def test_of_two_hosts_the_one_with_fewer_bytes_is_doubted_first(hub: Hub, lab: Lab) -> None:
    """Bytes that one server of several brought can be told apart: they alone are fetched again."""
    one, two = OLD[: 300 * KiB], OLD[300 * KiB :]
    commit = hub.repo("user/model").commit({"two.gguf": two})
    hub.misbehave(Corrupt(3))
    segments = [
        Segment(hub.file("/one", one), len(one)),
        Segment(f"{hub.endpoint}/user/model/resolve/{commit}/two.gguf", len(two)),
    ]
    fetched = lab.run(lab.job(segments, OLD)).only
    assert fetched.sha256 == sha256(OLD)
    assert fetched.fetched == len(OLD) + len(two)
    assert f"bytes that came from {hub.cdn} were wrong" in str(fetched.note)


def test_a_wrong_file_of_this_machine_is_read_once(lab: Lab, tmp_path: Path) -> None:
    """Another reading would bring the same bytes."""
    (tmp_path / "x.gguf").write_bytes(NEW)
    error = lab.run(lab.job((tmp_path / "x.gguf").as_uri(), OLD)).error
    assert isinstance(error, HashMismatchError)
    assert "twice" not in error.message


def test_a_piece_of_the_wrong_size_is_refused(hub: Hub, lab: Lab) -> None:
    """Each segment has its own size, whatever the sum is."""
    one, two = noise(10), noise(20)
    segments = [Segment(hub.file("/one", two), 10), Segment(hub.file("/two", one), 20)]
    error = lab.run(lab.job(segments)).error
    assert isinstance(error, HashMismatchError)
    assert "20 bytes instead of 10" in error.message or "10 bytes instead of 20" in error.message


def test_a_body_longer_than_was_promised_is_refused_even_if_nothing_says_its_length(
    hub: Hub, lab: Lab
) -> None:
    """No digest, no length: the byte too many is what tells."""
    url = hub.file("/x", noise(1001))
    hub.misbehave(Chunked(), where="plain", times=None)
    assert isinstance(lab.run(lab.job(url, size=1000)).error, HashMismatchError)
    assert isinstance(lab.run(lab.job(url, size=1002)).error, ModelsyncError)
    assert lab.run(lab.job(url, size=1001)).only.size == 1001


# --- anything ----------------------------------------------------------------------------------------

troubles = st.lists(
    st.tuples(
        st.sampled_from(PASSING + [fault for fault, _ in LASTING]), st.integers(0, 12), st.integers(1, 4)
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    troubles=troubles,
    known=st.booleans(),
    etag=st.sampled_from(["strong", "weak", None]),
    runs=st.integers(1, 3),
)
def test_whatever_goes_wrong_what_is_handed_on_is_right(
    tmp_path_factory: pytest.TempPathFactory,
    troubles: list[tuple[Fault, int, int]],
    known: bool,
    etag: str | None,
    runs: int,
) -> None:
    """Any mixture of faults over several runs: every run ends, with the file or with an error."""
    lab = Lab(tmp_path_factory.mktemp("partials"))
    with Hub() as hub:
        url = hub.file("/x.gguf", OLD, etag=etag)
        for fault, skip, times in troubles:
            hub.misbehave(fault, where="plain", skip=skip, times=times)
        for _ in range(runs):
            outcome = lab.run(lab.job(url, OLD if known else None), timeout=0.2, tries=3)
            for fetched, data in outcome.done.values():
                assert fetched.sha256 == sha256(data)
                assert data == OLD or not known
                assert data in (OLD, NEW) or any(isinstance(fault, LIES) for fault, _, _ in troubles)
            assert outcome.done or outcome.error.message


class _after:
    """A condition that begins with the n-th request, counted from 0."""

    def __init__(self, count: int, then: object) -> None:
        self._left = count
        self._then = then
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> bool:
        with self._lock:
            self._left -= 1
            early = self._left >= 0
        return False if early else bool(self._then(request))  # type: ignore[operator]
