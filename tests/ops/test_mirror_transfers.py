"""What holds for an origin holds for mirrors: updates, repairs, limits, resuming, pacing, one request before many."""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelsync.context import CallOptions
from modelsync.install.report import SyncReport
from modelsync.ops import lock, repair, sync
from modelsync.ops.options import Upgrade
from modelsync.project.project import Project
from modelsync.spec.blocks import SIZE
from modelsync.store import blobs, prune
from modelsync.transfer.rate_limit import RateLimit
from tests.hub.wire import Delivery, Reply, Request, text
from tests.support.content import damage, gguf, sha256
from tests.support.mirrors import Odd, WebMirror, body, ranged, web_mirror
from tests.support.project import REPO, Opened, Place, sync_options
from tests.support.registries import Registry, needs_registry, put_blobs, registry
from tests.support.units import MiB
from tests.support.weight_files import Weights, gguf_of, weights

FROZEN = sync_options(frozen=True)
BIG = b"GGUF" + random.Random(17).randbytes(2 * SIZE + MiB)
MANIFEST = f'[models]\nbig = "hf:{REPO}/big.gguf"\n'
KINDS = ["web", pytest.param("registry", marks=needs_registry)]

Served = Callable[[Iterable[bytes]], str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that asks for nothing."""
    with registry(tmp_path_factory.mktemp("registry")) as there:
        yield there


@pytest.fixture
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """Serves blobs from a mirror of the test's kind; gives what `--mirror` takes."""
    with ExitStack() as stack:

        def serve(data: Iterable[bytes]) -> str:
            if request.param == "web":
                return stack.enter_context(web_mirror(data)).url
            there: Registry = request.getfixturevalue("running")
            name = re.sub(r"[^a-z0-9]+", "-", tmp_path.name.lower()).strip("-")
            put_blobs(there, name, data)
            return f"oci://{there.host}/{name}"

        yield serve


def locked(place: Place, opened: Opened, data: bytes) -> Project:
    """A project that wants the file; nothing of it is here."""
    place.repo.commit({"big.gguf": data})
    project = place.write(MANIFEST)
    lock.lock(opened(), project, upgrade=Upgrade(True))
    place.hub.clear()
    return place.project


def synced(opened: Opened, project: Project, *mirrors: str, only: bool = True, **more: Any) -> SyncReport:
    """Syncs as the lock says, from mirrors."""
    return sync.sync(opened(CallOptions(mirrors=mirrors, mirror_only=only, **more)), project, FROZEN)


@pytest.mark.parametrize("served", KINDS, indirect=True)
def test_an_update_costs_what_changed(place: Place, opened: Opened, served: Served) -> None:
    """The header and a little more come from the mirror, the tensors from the older file here."""
    tensors: dict[str, Weights] = {f"blk.{n}.w": weights(f"0 {n}", 3900 + n) for n in range(16)}
    old, new = gguf_of(tensors, {"general.name": "old"}), gguf_of(tensors, {"general.name": "new and longer"})
    project = locked(place, opened, old)
    synced(opened, project, served([old]))
    project = locked(place, opened, new)
    report = synced(opened, project, served([new]))
    assert report.bytes_fetched <= len(new) // 10
    assert report.bytes_reused >= len(new) - len(new) // 10
    assert blobs.find(opened().store, sha256(new), len(new)) is not None
    assert place.hub.seen() == []


@pytest.mark.parametrize("served", KINDS, indirect=True)
def test_a_repair_costs_what_broke(place: Place, opened: Opened, served: Served) -> None:
    """Of a file with a damaged block, that block comes from the mirror; the report says from where."""
    project, mirror = locked(place, opened, BIG), served([BIG])
    synced(opened, project, mirror)
    blob = opened().store.blob_path(sha256(BIG))
    damage(blob, SIZE + 5)
    context = opened(CallOptions(mirrors=[mirror], mirror_only=True))
    done = repair.repair(context, project)
    assert done.error is None
    assert (done.fetched, done.reused) == (SIZE, len(BIG) - SIZE)
    assert [one.place for one in context.brought] == [mirror]
    assert blob.read_bytes() == BIG
    assert place.hub.seen() == []


@pytest.mark.parametrize("served", KINDS, indirect=True)
def test_a_limit_counts_what_mirrors_bring(
    place: Place, opened: Opened, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--max-rate`: each byte of a mirror is paid for, as those of an origin are."""
    paid: list[int] = []
    pay = RateLimit.pay

    def counted(self: RateLimit, count: int, over: Callable[[], bool]) -> None:
        paid.append(count)
        pay(self, count, over)

    monkeypatch.setattr(RateLimit, "pay", counted)
    project = locked(place, opened, BIG)
    report = synced(opened, project, served([BIG]), max_rate=2000 * MiB)
    assert report.bytes_fetched == sum(paid) == len(BIG)


@pytest.mark.parametrize("served", KINDS, indirect=True)
def test_what_broke_off_goes_on_from_another_mirror(place: Place, opened: Opened, served: Served) -> None:
    """The next mirror goes on where the first broke off: nothing comes twice, and all that came is counted."""
    cut: Odd = lambda request, data: replace(ranged(request, data), delivery=Delivery(stop=MiB))  # noqa: E731
    project, good = locked(place, opened, BIG), served([BIG])
    with web_mirror([BIG], cut) as broken:
        report = synced(opened, project, broken.url, good, only=False)
    assert report.bytes_fetched == len(BIG)
    assert [one.place for one in report.brought] == [good]
    assert place.hub.seen() == []


def test_a_call_that_broke_off_is_resumed_from_another_mirror(place: Place, opened: Opened) -> None:
    """A partial belongs to its digest: what one call left, the next goes on with, whichever mirror it asks."""
    project = locked(place, opened, BIG)
    answers = iter([Delivery(stop=5 * MiB), *[Delivery(drop=True)] * 100])
    broken: Odd = lambda request, data: replace(ranged(request, data), delivery=next(answers))  # noqa: E731
    with web_mirror([BIG], broken) as first, pytest.raises(Exception, match=r"127\.0\.0\.1"):
        synced(opened, project, first.url)
    with web_mirror([BIG]) as second:
        report = synced(opened, project, second.url)
        asked = [span for _, _, span in second.asked]
    assert report.bytes_fetched <= len(BIG) - 4 * MiB
    assert all(span is not None and not span.startswith("bytes=0-") for span in asked)


def test_a_mirror_that_asks_for_a_pause_gets_it(place: Place, opened: Opened) -> None:
    """Where nothing else may be asked, a 429 is waited out as an origin's is."""
    project = locked(place, opened, BIG)
    busy = [text(429, "slow down", {"Retry-After": "0"})] * 2
    odd: Odd = lambda request, data: busy.pop() if busy else ranged(request, data)  # noqa: E731
    with web_mirror([BIG], odd) as mirror:
        report = synced(opened, project, mirror.url)
    assert [one.place for one in report.brought] == [mirror.url]
    assert busy == []


class Whole:
    """Answers every range with the whole blob, as a pull-through cache does while it has not got it itself.

    Attributes:
        left: How many requests are answered so.
        most: The most of them that were answered at one time.
    """

    def __init__(self, left: int) -> None:
        self.left = left
        self.most = 0

    def __call__(self, request: Request, data: bytes) -> Reply:
        if self.left <= 0:
            return ranged(request, data)
        self.left -= 1
        return Reply(200, body=body(data))


def spans(mirror: WebMirror) -> list[str | None]:
    """The ranges of its GETs, in order."""
    return [span for method, _, span in mirror.asked if method == "GET"]


def test_one_request_comes_first(place: Place, opened: Opened) -> None:
    """A cache that gives the whole blob for a range is asked once, and all of it is taken."""
    project = locked(place, opened, BIG)
    with web_mirror([BIG], Whole(99)) as mirror:
        report = synced(opened, project, mirror.url)
        assert len(spans(mirror)) == 1
    assert report.bytes_fetched == len(BIG)


def test_others_come_after_a_range(place: Place, opened: Opened) -> None:
    """A mirror whose first answer was a range is asked for others; their bytes make the file, each once."""
    project = locked(place, opened, BIG)
    with web_mirror([BIG]) as mirror:
        report = synced(opened, project, mirror.url)
        assert all(span is not None for span in spans(mirror)[1:])
    assert report.bytes_fetched == len(BIG)


def test_a_cache_that_has_it_not_yet_costs_no_file(place: Place, opened: Opened) -> None:
    """What an earlier place brought is given up for a whole blob, which is one answer, and right."""
    project = locked(place, opened, BIG)
    cut: Odd = lambda request, data: replace(ranged(request, data), delivery=Delivery(stop=MiB))  # noqa: E731
    with web_mirror([BIG], cut) as first, web_mirror([BIG], Whole(99)) as cache:
        report = synced(opened, project, first.url, cache.url, only=False)
        assert len(spans(cache)) == 1
    assert [one.place for one in report.brought] == [cache.url]
    assert place.hub.seen() == []


@pytest.mark.parametrize("size", [3000, 2 * SIZE])
def test_a_416_with_a_lying_length_costs_a_try(
    place: Place, opened: Opened, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its body is not waited for: the next mirror gives the file, from where the last one broke off."""
    monkeypatch.setenv("MODELSYNC_HTTP_TIMEOUT", "0.5")
    data = gguf("lie", size)
    project = locked(place, opened, data)
    cut: Odd = lambda request, whole: replace(ranged(request, whole), delivery=Delivery(stop=1000))  # noqa: E731
    lie: Odd = lambda _, whole: Reply(  # noqa: E731
        416,
        {"Content-Range": f"bytes */{len(whole)}"},
        body(whole),
        delivery=Delivery(stop=33, then="silent", silence=5.0),
    )
    with web_mirror([data], cut) as first, web_mirror([data], lie) as liar, web_mirror([data]) as good:
        report = synced(opened, project, first.url, liar.url, good.url, only=False)
        assert 1 <= len(spans(liar)) <= 2
    assert [one.place for one in report.brought] == [good.url]
    assert place.hub.seen() == []


def test_a_mirror_that_brings_other_files_is_busy_and_not_gone(
    place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose only connection falls silent is asked for again there, while another file's bytes come."""
    monkeypatch.setenv("MODELSYNC_HTTP_TIMEOUT", "0.5")
    slow, stuck = gguf("slow", 400_000), gguf("stuck", 300_000)
    place.repo.commit({"slow.gguf": slow, "stuck.gguf": stuck})
    project = place.write(f'[models]\na = "hf:{REPO}/slow.gguf"\nb = "hf:{REPO}/stuck.gguf"\n')
    lock.lock(opened(), project)
    place.hub.clear()
    said: list[str] = []
    silent = [Delivery(stop=1000, then="silent", silence=4.0)]

    def odd(request: Request, data: bytes) -> Reply:
        if data == slow:
            return replace(ranged(request, data), delivery=Delivery(rate=len(data) / 2))
        return replace(ranged(request, data), delivery=silent.pop() if silent else Delivery())

    with web_mirror([slow, stuck], odd) as mirror:
        context = opened(CallOptions(mirrors=[mirror.url]), warn=said.append)
        report = sync.sync(context, place.project, FROZEN)
    assert [one.place for one in report.brought] == [mirror.url] * 2
    assert said == []
    assert silent == []
    assert place.hub.seen() == []


def test_a_mirror_that_is_late_to_begin_is_busy_and_not_gone(
    place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first byte of its answer may take three times as long as a silence after it."""
    monkeypatch.setenv("MODELSYNC_HTTP_TIMEOUT", "0.5")
    data = gguf("late")
    project = locked(place, opened, data)
    late: Odd = lambda request, data: replace(ranged(request, data), delivery=Delivery(delay=0.7))  # noqa: E731
    with web_mirror([data], late) as mirror:
        report = synced(opened, project, mirror.url, only=False)
    assert [one.place for one in report.brought] == [mirror.url]


def test_two_digits_make_folders(place: Place, opened: Opened) -> None:
    """`{sha256:2}` in a mirror's address is the first two digits of the digest."""
    data = gguf("two digits")
    project = locked(place, opened, data)
    with web_mirror([data]) as mirror:
        address = mirror.url.replace("{sha256}", "{sha256:2}/{sha256}")
        report = synced(opened, project, address)
    assert [one.place for one in report.brought] == [address]
    assert mirror.paths == [f"/blobs/{sha256(data)[:2]}/{sha256(data)}"]


def test_a_dead_mirror_is_asked_by_those_that_had_begun(place: Place, opened: Opened) -> None:
    """With two connections, of forty files as many ask a mirror that fails as had begun by then; the next gives all."""
    files = {f"part/{number:03}.json": b'{"n": %d}' % number for number in range(40)}
    place.repo.commit(files)
    project = place.write(f'[models.folder]\nuri = "hf:{REPO}"\ninclude = ["part/*"]\n')
    lock.lock(opened(), project)
    prune.execute(opened().store, prune.clean(opened().store))
    place.hub.clear()
    with web_mirror(files.values(), lambda *_: text(500, "no")) as bad, web_mirror(files.values()) as good:
        report = synced(opened, place.project, bad.url, good.url, only=False, jobs=2)
    assert {one.place for one in report.brought} == {good.url}
    assert len(report.brought) == 40
    assert len(bad.asked) <= 4
    assert place.hub.seen() == []


def test_large_files_that_wait_for_a_stream_ask_nothing(place: Place, opened: Opened) -> None:
    """One connection: the second file, opened and waiting, does not ask the mirror that failed for the first."""
    files = {f"part/{number}.safetensors": _tensors(number) for number in range(3)}
    place.repo.commit(files)
    project = place.write(f'[models.folder]\nuri = "hf:{REPO}"\ninclude = ["part/*"]\n')
    lock.lock(opened(), project)
    place.hub.clear()
    with web_mirror(files.values(), lambda *_: text(500, "no")) as bad, web_mirror(files.values()) as good:
        report = synced(opened, place.project, bad.url, good.url, only=False, jobs=1)
    assert {one.place for one in report.brought} == {good.url}
    assert len([method for method, _, _ in bad.asked if method == "GET"]) == 1


def _tensors(number: int) -> bytes:
    from tests.support.any_files import safetensors

    return safetensors(random.Random(number).randbytes(2 * MiB))
