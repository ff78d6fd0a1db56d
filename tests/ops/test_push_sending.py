"""How a push sends: side by side, at a rate, in constant memory, and not again what is there."""

import hashlib
import json
import threading
import tracemalloc
from pathlib import Path

import pytest

import modelsync
from modelsync.context import CallOptions
from modelsync.errors import (
    CancelledError,
    GatedError,
    HttpStatusError,
    ModelsyncError,
    RefusedError,
    StoreError,
    UsageError,
)
from modelsync.net.client import Client
from modelsync.ops import push
from modelsync.ops.options import PushOptions
from modelsync.registry import limits
from modelsync.registry.artifact import digest_tag
from modelsync.registry.repository import Repository
from modelsync.registry.upload import Blob, upload
from modelsync.transfer.rate_limit import RateLimit
from tests.hub.wire import Reply, Request, text
from tests.support.content import gguf
from tests.support.project import REPO, Opened, Place
from tests.support.registries import Registry, asked, needs_registry
from tests.support.servers import answering

SPLIT = {f"big-0000{n}-of-00004.gguf": gguf(f"part {n}", 3000) for n in range(1, 5)}
BIG = '[models]\nbig = "hf:user/split/big-00001-of-00004.gguf"\n'


@pytest.fixture
def split(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A model of four parts, which is here."""
    place.hub.repo("user/split").commit(SPLIT)
    place.write(BIG)
    monkeypatch.chdir(place.folder)
    modelsync.sync()
    return place


class Taking:
    """A registry that takes everything.

    Attributes:
        stored: Digests, in the order in which their uploads began.
        most: The most uploads of blobs that were under way at once.
        together: What each upload of a part waits for, or None.
        answers: What is answered to a PUT of a manifest, by its tag.
    """

    def __init__(self, together: threading.Barrier | None = None) -> None:
        self.stored: list[str] = []
        self.most = 0
        self.together = together
        self.answers: dict[str, Reply] = {}
        self._now = 0
        self._guard = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        if request.path == "/v2/":
            return text(200, "{}")
        if request.method == "POST":
            return text(202, "", {"Location": "/v2/a/blobs/uploads/1"})
        if request.method != "PUT":
            return text(404, "")
        if "/manifests/" in request.path:
            return self.answers.get(request.path.rpartition("/")[2], text(201, ""))
        with self._guard:
            self.stored.append(request.query["digest"])
            self._now += 1
            self.most = max(self.most, self._now)
        if self.together is not None:
            self.together.wait()
        with self._guard:
            self._now -= 1
        return text(201, "")


def named(url: str) -> str:
    """A repository of a server."""
    return f"oci://{url.partition('//')[2]}/a"


def test_blobs_go_side_by_side(split: Place, opened: Opened) -> None:
    """As many at once as `--jobs` says: the last pair would wait for ever if they went one by one."""
    taking = Taking(threading.Barrier(5, timeout=30))  # four parts, and the configuration
    with answering(taking) as server:
        push.push(opened(CallOptions(jobs=5)), split.project, named(server.url))
    assert taking.most == 5


def test_one_job_sends_one_blob_at_a_time(split: Place, opened: Opened) -> None:
    """`--jobs 1`; the largest first."""
    taking = Taking()
    with answering(taking) as server:
        push.push(opened(CallOptions(jobs=1)), split.project, named(server.url))
    assert taking.most == 1
    assert len(taking.stored) == 5
    parts = {f"sha256:{hashlib.sha256(data).hexdigest()}" for data in SPLIT.values()}
    assert set(taking.stored[:4]) == parts


def test_every_byte_is_paid_for(split: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--max-rate` each piece waits for the limit that all streams share, and no piece is larger than it says."""
    paid: list[int] = []
    monkeypatch.setattr(RateLimit, "pay", lambda self, count, stop: paid.append(count))
    with answering(Taking()) as server:
        context = opened(CallOptions(max_rate=10_000))
        report = push.push(context, split.project, named(server.url))
        assert context.limit is not None
        piece = context.limit.piece
    assert sum(paid) == report.bytes_sent > sum(map(len, SPLIT.values()))
    assert max(paid) <= piece


@needs_registry
def test_an_interrupted_push_goes_on(split: Place, target: str, running: Registry, opened: Opened) -> None:
    """What was complete when it was interrupted is not sent again; no manifest stands there before all blobs do."""
    cancel = threading.Event()
    ended: list[str] = []

    def hear(event: modelsync.Event) -> None:
        if event.phase == "done":
            ended.append(event.label)
            cancel.set()

    before = len(running.requests)
    with pytest.raises(CancelledError):
        push.push(opened(CallOptions(jobs=1), listener=hear, cancel=cancel), split.project, target)
    first = puts(running, before)
    assert len(first) == 1
    assert "/manifests/" not in first[0]
    before = len(running.requests)
    modelsync.push(target)
    second = puts(running, before)
    assert len(second) == 5  # three parts, the configuration and the manifest
    assert {digest_in(path) for path in first}.isdisjoint({digest_in(path) for path in second})
    assert "/manifests/" in second[-1]


def puts(running: Registry, since: int) -> list[str]:
    """What was stored since then."""
    return [path for method, path, status in asked(running, since) if method == "PUT" and status == 201]


def digest_in(path: str) -> str:
    """The digest that an upload was ended with."""
    return path.rpartition("digest=")[2]


@needs_registry
def test_memory_does_not_grow_with_the_file(tmp_path: Path, target: str) -> None:
    """A blob of 64 MiB takes a few pieces of memory."""
    path = tmp_path / "sparse"
    size = 64 << 20
    with path.open("wb") as file:
        file.truncate(size)
        digest = hashlib.sha256()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    host, _, name = target.removeprefix("oci://").partition("/")
    blob = Blob(f"sha256:{digest.hexdigest()}", size, lambda: path.open("rb", buffering=0))
    with Client() as client:
        repository = Repository(client, host, name)
        assert not repository.has_blob(blob.digest, size)
        tracemalloc.start()
        try:
            upload(repository, blob)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert repository.has_blob(blob.digest, size)
    assert peak < 4 << 20


@needs_registry
def test_a_manifest_that_no_registry_takes_is_told_first(
    split: Place, target: str, running: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is known before anything is sent; the models beside it go."""
    split.write(f'{BIG}small = "hf:{REPO}:Q4_K_M"\n')
    modelsync.sync()
    monkeypatch.setattr("modelsync.ops.sending.MANIFEST_LIMIT", 2000)
    before = len(running.requests)
    with pytest.raises(UsageError, match="4 files: its manifest would have"):
        modelsync.push(target, "big")
    assert {method for method, *_ in asked(running, before)} <= {"GET", "HEAD"}
    with pytest.raises(UsageError) as error:
        modelsync.push(target)
    report = error.value.report
    assert isinstance(report, push.PushReport)
    assert [each.name for each in report.pushed] == ["small"]


class TestLimits:
    """What a known registry does not take is told before the upload."""

    def told(
        self, split: Place, opened: Opened, limit: limits.Limit, monkeypatch: pytest.MonkeyPatch
    ) -> list[str]:
        """What a dry run warns of, with that limit for every registry."""
        monkeypatch.setattr(limits, "_KNOWN", ((".*", limit),))
        said: list[str] = []
        taking = Taking()
        with answering(taking) as server:
            options = PushOptions(dry_run=True)
            push.push(opened(warn=said.append), split.project, named(server.url), options=options)
        assert taking.stored == []
        return said

    def test_of_a_layer(self, split: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each file that is too large is named, with its size and the limit."""
        said = self.told(split, opened, limits.Limit("the registry", 2999), monkeypatch)
        assert len(said) == len(SPLIT)
        assert all("the registry takes 2.9 KiB a layer" in words for words in said)

    def test_of_time(self, split: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that needs a line faster than many have, to be there in time, is named with that speed."""
        monkeypatch.setattr(push, "_LATE", 10)
        said = self.told(split, opened, limits.Limit("the registry", 1 << 30, 60), monkeypatch)
        assert len(said) == len(SPLIT)
        assert all("gives an upload 1 minutes" in words for words in said)

    def test_that_is_kept_is_no_matter(
        self, split: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is said of files that fit."""
        assert self.told(split, opened, limits.Limit("the registry", 1 << 30, 60), monkeypatch) == []


def refusal(code: str, words: str, status: int = 400) -> Reply:
    """What a registry answers to a manifest that it does not take."""
    return text(status, json.dumps({"errors": [{"code": code, "message": words}]}))


def test_a_tag_that_cannot_be_moved_is_told(split: Place, opened: Opened) -> None:
    """Where only the name is refused, the hint is to leave it out, and not another form."""
    taking = Taking()
    taking.answers["big"] = refusal("TAG_INVALID", "the tag 'big' is immutable")
    with answering(taking) as server, pytest.raises(ModelsyncError, match="immutable") as error:
        push.push(opened(), split.project, named(server.url), options=PushOptions(tag=True))
    assert "--tag" in str(error.value.hint)


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (403, GatedError, "docker login"),
        (405, RefusedError, "takes no pushes"),
        (413, RefusedError, "administrator can raise the limit"),
        (429, HttpStatusError, "login"),
        (507, HttpStatusError, None),
    ],
)
def test_a_refusal_that_stays_is_a_persons_business(
    status: int, kind: type[ModelsyncError], hint: str | None, split: Place, opened: Opened
) -> None:
    """Exit status 1; one that may be over later is the server's, with status 3."""

    def serve(request: Request) -> Reply:
        if request.method == "POST":
            return text(status, "", {"Retry-After": "86400"})
        return text(200, "{}") if request.path == "/v2/" else text(404, "")

    with answering(serve) as server, pytest.raises(kind, match=f"answered {status}") as error:
        push.push(opened(), split.project, named(server.url))
    assert error.value.exit_code == (3 if kind is HttpStatusError else 1)
    assert hint is None or hint in str(error.value.hint)


def test_a_digest_tag_that_cannot_be_moved_is_told(split: Place, opened: Opened) -> None:
    """Where the registry has another manifest by it, the hint says what helps, and not to leave out `--tag`."""
    taking = Taking()
    [job] = push._here(opened(), split.project.loaded(), ())[0]
    taking.answers[digest_tag(job.model, "modelpack")] = refusal("DENIED", "immutable", 409)
    with answering(taking) as server, pytest.raises(RefusedError, match="immutable") as error:
        push.push(opened(), split.project, named(server.url))
    assert "push into another repository" in str(error.value.hint)


def test_a_registry_without_head_is_sent_all(split: Place, opened: Opened) -> None:
    """405 for a HEAD says nothing of what is there."""
    taking = Taking()

    def serve(request: Request) -> Reply:
        odd = request.method == "HEAD" and "/blobs/" in request.path
        return text(405, "") if odd else taking(request)

    with answering(serve) as server:
        report = push.push(opened(), split.project, named(server.url))
    assert len(taking.stored) == len(SPLIT) + 1  # and its configuration
    assert report.pushed[0].changed


def test_a_file_that_shrinks_while_it_is_sent_is_told(tmp_path: Path) -> None:
    """A clear error of this machine's, not one of the protocol; it is not tried again."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3000)
    taking = Taking()

    def shrink(_: int) -> None:
        with path.open("r+b") as file:
            file.truncate(2000)

    blob = Blob(f"sha256:{'0' * 64}", 3000, lambda: path.open("rb", buffering=0))
    with answering(taking) as server, Client() as client:
        repository = Repository(client, server.url.partition("://")[2], "a")
        with pytest.raises(StoreError, match="1000 bytes shorter while it was sent"):
            upload(repository, blob, on_bytes=shrink, piece=1500)
        assert [seen.method for seen in server.log].count("POST") == 1


def test_a_registry_that_takes_images_alone_is_told(split: Place, opened: Opened) -> None:
    """A refusal of the manifest itself has the other form as its hint."""
    taking = Taking()
    [job] = push._here(opened(), split.project.loaded(), ())[0]
    taking.answers[digest_tag(job.model, "modelpack")] = refusal("MANIFEST_INVALID", "unknown media type")
    with answering(taking) as server, pytest.raises(ModelsyncError, match="unknown media type") as error:
        push.push(opened(), split.project, named(server.url))
    assert "--as image" in str(error.value.hint)
