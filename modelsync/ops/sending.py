"""The work of a push: which blobs are lacking, sending them side by side, and the manifests last."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar, cast

from modelsync.context import Context
from modelsync.errors import (
    CancelledError,
    GatedError,
    HttpStatusError,
    ModelsyncError,
    RefusedError,
    StoreError,
    UsageError,
)
from modelsync.fetch.wanted import label
from modelsync.ops.failures import Failures
from modelsync.ops.options import PushOptions
from modelsync.registry import image as images
from modelsync.registry.artifact import Artifact, Document, Layer, has_all_of, raw_layers, text_layers
from modelsync.registry.modelpack import modelpack
from modelsync.registry.repository import MANIFEST_LIMIT, Repository
from modelsync.registry.upload import Blob, mount, upload
from modelsync.spec.lock.model import LockedModel
from modelsync.store import pushed as store_pushed
from modelsync.system.parallel import run_all
from modelsync.transfer.progress import Event

STREAMS = 4  # blobs side by side
_NO_SUCH_BLOB = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})
_LATER = frozenset({408, 425, 429})  # refusals that may be none later
_PIECE = 256 * 1024

Item = TypeVar("Item")
Result = TypeVar("Result")


class PushJob:
    """A model on its way.

    Attributes:
        model: What is locked.
        paths: Its files.
        texts: License files that its repos have beside them, by path.
        artifact: What it becomes, once that is known.
        tags: All that it is to have.
        missing_tags: Those that do not point at it yet; with the first one its blobs may be missing too.
        sent: Bytes of its blobs that are sent, or were.
    """

    def __init__(self, model: LockedModel, paths: Sequence[Path]) -> None:
        self.model = model
        self.paths = tuple(paths)
        self.texts: Mapping[str, bytes] = {}
        self.artifact: Artifact | None = None
        self.tags: tuple[str, ...] = ()
        self.missing_tags: tuple[str, ...] = ()
        self.sent = 0

    @property
    def made(self) -> Artifact:
        """What the model becomes."""
        assert self.artifact is not None
        return self.artifact


class Outgoing(NamedTuple):
    """A blob that several models may have: how it is read, and what progress calls it."""

    blob: Blob
    label: str
    job: PushJob


class Sending:
    """One push: its repository, and the errors of its models."""

    def __init__(
        self, context: Context, repository: Repository, failures: Failures, options: PushOptions
    ) -> None:
        self._context = context
        self._repository = repository
        self._failures = failures
        self._options = options
        self._streams = context.options.jobs or STREAMS
        self.mounted = 0

    def prepare(self, jobs: Sequence[PushJob]) -> list[PushJob]:
        """Makes what each model becomes, and asks which tags are right already; gives those that can go on."""

        def prepare(job: PushJob) -> None:
            job.artifact = self._made(job)
            size = max(len(each.data) for each in (*job.made.parts, job.made.manifest))
            if size > MANIFEST_LIMIT:
                raise UsageError(
                    f"{job.model.title} has {len(job.model.files)} files: its manifest would have {size} bytes, and "
                    f"registries take {MANIFEST_LIMIT}",
                    hint="name fewer files with `include`",
                )
            found = self._repository.manifest(job.tags[0])
            if found is not None and has_all_of(found.data, job.made.manifest.data):
                job.artifact = job.made._replace(manifest=Document(found.data, found.media_type))
            if found is None or found.digest != job.made.manifest.digest:
                job.missing_tags = job.tags  # and perhaps the blobs
            else:
                job.missing_tags = tuple(tag for tag in job.tags[1:] if not self._has(tag, found.digest))

        return self._each(jobs, prepare)

    def missing(self, jobs: Sequence[PushJob]) -> tuple[int, list[Outgoing]]:
        """Asks which blobs are not in the repository.

        Returns:
            The bytes of those that are, and the others, the largest first.
        """
        wanted: dict[str, Outgoing] = {}
        there = 0
        for job in jobs:
            if job.tags[0] in job.missing_tags:
                for each in self._blobs(job):
                    wanted.setdefault(each.blob.digest, each)
            else:
                there += sum(layer.size for layer in job.made.layers)
        lacking: list[Outgoing] = []
        ordered = sorted(wanted.values(), key=lambda each: each.blob.size, reverse=True)

        def ask(each: Outgoing) -> bool | ModelsyncError:
            try:
                return self._repository.has_blob(each.blob.digest, each.blob.size)
            except CancelledError:
                raise
            except ModelsyncError as error:
                return error

        answers = self._run(ask, ordered)
        for each, answer in zip(ordered, answers, strict=True):
            if isinstance(answer, ModelsyncError):
                self._failures.add(each.job.model.title, _as_ours(answer))
            elif answer:
                there += each.blob.size
            else:
                lacking.append(each)
        lacking = [each for each in lacking if each.job.model.title not in self._failures]
        for each in lacking:
            each.job.sent += each.blob.size
        return there, lacking

    def send(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """Sends blobs, several side by side; gives those that were sent and not taken over."""
        for each in outgoing:
            self._context.tell(Event("waiting", each.label, 0, each.blob.size))
        siblings = store_pushed.recall(self._context.store, self._repository.registry)

        def send(each: Outgoing) -> bool:
            sibling = siblings.get(each.blob.digest)
            try:
                if sibling not in (None, self._repository.name) and mount(
                    self._repository, each.blob, str(sibling)
                ):
                    self._context.tell(Event("done", each.label, each.blob.size, each.blob.size))
                    return False
                self._upload(each)
            except CancelledError:
                raise
            except (ModelsyncError, OSError) as error:
                self._context.tell(Event("failed", each.label, 0, each.blob.size))
                self._failures.add(each.job.model.title, _as_ours(error))
                return False
            return True

        sent = []
        for each, was_sent in zip(outgoing, self._run(send, outgoing), strict=True):
            if was_sent:
                sent.append(each)
                continue
            each.job.sent -= each.blob.size
            if each.job.model.title not in self._failures:
                self.mounted += each.blob.size
        return sent

    def finish(self, jobs: Sequence[PushJob]) -> None:
        """Stores the manifests of the models all of whose blobs are there, and remembers where these are."""
        going = [job for job in jobs if job.model.title not in self._failures]
        self._each(going, self._finish)
        digests = [
            layer.digest
            for job in going
            if job.model.title not in self._failures
            for layer in job.made.layers
        ]
        store_pushed.remember(self._context.store, self._repository.registry, self._repository.name, digests)

    def _finish(self, job: PushJob) -> None:
        if not job.missing_tags:
            return
        try:
            self._put(job)
        except HttpStatusError as error:
            if error.error_code not in _NO_SUCH_BLOB:
                raise
            # It said that it has a blob, and has not: all of them are sent, without asking.
            again = list(self._blobs(job))
            self._run(self._upload, again)
            job.sent = sum(each.blob.size for each in again)
            self._put(job)

    def _put(self, job: PushJob) -> None:
        for part in job.made.parts if job.tags[0] in job.missing_tags else ():
            self._repository.put_manifest(part.digest, part.data, part.media_type)
        for tag in job.missing_tags:
            try:
                self._repository.put_manifest(tag, job.made.manifest.data, job.made.manifest.media_type)
            except HttpStatusError as error:
                self._advise(error, is_name=tag != job.tags[0])
                raise

    def _advise(self, error: HttpStatusError, *, is_name: bool) -> None:
        """Says what may mend a refusal of a manifest, which has gone through under the first tag if this is a name."""
        if is_name and 400 <= error.status < 500 and error.status not in {401, 408, 429}:
            error.advise("where tags cannot be moved, leave out `--tag`: the model is there by its first tag")
        elif error.error_code in _NO_SUCH_BLOB:
            return
        elif error.status == 409:
            error.advise(
                "its tag is there with another manifest: remove that, or push into another repository"
            )
        elif error.status in {400, 415, 422} and self._options.form == "modelpack":
            error.advise("a registry that takes images alone takes `--as image`")

    def _has(self, tag: str, digest: str) -> bool:
        found = self._repository.manifest(tag)
        return found is not None and found.digest == digest

    def _made(self, job: PushJob) -> Artifact:
        if self._options.form == "modelpack":
            return modelpack(job.model, text_layers(job.model, job.texts))
        layers = []
        for layer, path in zip(raw_layers(job.model), job.paths, strict=True):
            size = images.tar_size(layer.path, layer.size)
            told = self._context.teller(label(job.model.name, layer.file), size, "checking")
            layers.append(images.tar_layer(layer.file, layer.path, path, told))
        return images.image(job.model, layers)

    def _blobs(self, job: PushJob) -> list[Outgoing]:
        found = []
        open_file = _open_tar if self._options.form == "image" else _open_raw
        for number, layer in enumerate(job.made.layers):
            if number < len(job.paths):
                opened = partial(open_file, layer, job.paths[number])
            else:
                opened = partial(_open_bytes, job.texts[layer.path])
            blob = Blob(layer.digest, layer.size, opened)
            found.append(Outgoing(blob, label(job.model.name, layer.file), job))
        for config in job.made.configs:
            blob = Blob(config.digest, len(config.data), partial(_open_bytes, config.data))
            found.append(Outgoing(blob, f"{job.model.name}: configuration {config.digest[7:19]}", job))
        return found

    def _upload(self, each: Outgoing) -> None:
        limit = self._context.limit
        done = 0

        def told(count: int) -> None:
            nonlocal done
            done = max(0, done + count)
            if self._context.cancel.is_set():
                raise CancelledError("interrupted", hint="run the same command again")
            self._context.tell(Event("sending", each.label, done, each.blob.size))
            if limit is not None and count > 0:
                limit.pay(count, self._context.cancel.is_set)

        piece = limit.piece if limit is not None else _PIECE
        upload(self._repository, each.blob, on_bytes=told, piece=piece)
        self._context.tell(Event("done", each.label, each.blob.size, each.blob.size))

    def _each(self, jobs: Sequence[PushJob], work: Callable[[PushJob], None]) -> list[PushJob]:
        """Does something for each model; gives those for which it went well."""

        def tried(job: PushJob) -> ModelsyncError | OSError | None:
            try:
                work(job)
            except CancelledError:
                raise
            except (ModelsyncError, OSError) as error:
                return error
            return None

        good = []
        for job, error in zip(jobs, self._run(tried, jobs), strict=True):
            if error is None:
                good.append(job)
            else:
                self._failures.add(job.model.title, _as_ours(error))
        return good

    def _run(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        return run_all(work, items, threads=self._streams, name="push", cancel=self._context.cancel)


def _open_raw(_: Layer, path: Path) -> BinaryIO:
    return path.open("rb", buffering=0)


def _open_tar(layer: Layer, path: Path) -> BinaryIO:
    return cast("BinaryIO", images.TarLayer(layer.path, path.open("rb", buffering=0), layer.file.size))


def _open_bytes(data: bytes) -> BinaryIO:
    return io.BytesIO(data)


def _as_ours(error: Exception) -> ModelsyncError:
    if isinstance(error, HttpStatusError) and 400 <= error.status < 500 and error.status not in _LATER:
        kind = GatedError if error.status in {401, 403} else RefusedError  # a person has to do something
        return kind(error.message, hint=error.hint)
    if isinstance(error, ModelsyncError):
        return error
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StoreError(f"cannot read what is to be sent: {words}")
