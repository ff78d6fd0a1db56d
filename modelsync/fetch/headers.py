"""Reads the headers of files: on this machine, kept from an earlier time, at a mirror, or at their source.

Of a file elsewhere no more than the header is read, by ranges, and what a broken connection had brought is not asked
for again. A server that knows no ranges is read until the header is whole. No digest decides about a header, so only
mirrors that the user named are asked for one.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.errors import (
    CancelledError,
    HttpStatusError,
    ModelsyncError,
    NetworkError,
    NotAModelError,
    NotFoundError,
    NotSyncedError,
)
from modelsync.fetch import by_digest
from modelsync.fetch.wanted import WantedFile, blob_of, is_gone
from modelsync.gguf.header import Header
from modelsync.gguf.reader import HeaderReader, NeedMore, read_header
from modelsync.net.retry import TRIES, Backoff, FinalNetworkError, retryable
from modelsync.store import header_cache as kept
from modelsync.store.layout import header_in
from modelsync.system.parallel import run_all
from modelsync.transfer.jobs import Segment
from modelsync.transfer.least_rate import LeastRate
from modelsync.transfer.progress import Event

if TYPE_CHECKING:
    from modelsync.transfer.journal import Validator
    from modelsync.transfer.responses import ByteSource, SourceResponse

FIRST = 2 << 20  # bytes of the first range: most headers whose vocabulary is small
NEXT = 4 << 20  # of each one after it
_PIECE = 256 << 10  # bytes taken from a connection at once


def read_all(context: Context, files: Sequence[WantedFile]) -> list[Header]:
    """The headers of some files, in their order, read side by side.

    Raises:
        NotAModelError: one is not a valid GGUF file.
        NotSyncedError: one is not here, and the network is ruled out.
        ModelsyncError: the first that went wrong, as its source explains it.
    """
    if len(files) == 1:
        return [read(context, files[0])]
    return run_all(lambda wanted: read(context, wanted), files, name="header", cancel=context.cancel)


def read(context: Context, wanted: WantedFile) -> Header:
    """The header of one file: of its blob where that is here, else as it was kept, else of a mirror or its source."""
    sha256 = wanted.file.sha256
    if (blob := blob_of(context, wanted.file)) is not None:
        with suppress(NotSyncedError):
            return of_blob(context, wanted.label, blob)
    if sha256:
        known = kept.recall(context.store, sha256)
        if known is not None:
            with suppress(NotAModelError):
                return read_header(known, wanted.label, size=wanted.file.size)
    local = all(segment.is_local for segment in wanted.segments)
    if local:
        return _download_of(context, wanted).run()
    context.tell(Event("resolving", wanted.label, 0, None))
    try:
        found, error = by_digest.read_part(context, wanted, partial(_at_mirror, context))
        if found is None and not context.asks_origin:
            raise error or by_digest.ruled_out(
                context, f"{wanted.label} is not on this machine, nor is its header"
            )
        header, data = found or _remote(context, wanted)
    finally:
        context.tell(Event("done", wanted.label, 0, None))
    if sha256:
        kept.keep(context.store, sha256, bytes(data[: header.nbytes]))
    return header


def _at_mirror(context: Context, there: WantedFile, patience: float | None) -> tuple[Header, bytearray]:
    """The header where a mirror has the file, and what was read for it."""
    reading = _download_of(context, there)
    if patience is not None:
        reading.tries, reading.patience = 1, patience
    return reading.run(), reading.data


def _remote(context: Context, wanted: WantedFile) -> tuple[Header, bytearray]:
    """The header at the file's source, and what was read for it; where its commit is gone, at another one."""
    reading = _download_of(context, wanted)
    try:
        return reading.run(), reading.data
    except (CancelledError, NotAModelError):
        raise
    except NotSyncedError as error:  # it is in a tar of which no part can be read
        raise NotSyncedError(f"{wanted.label}: {error.message}", hint=error.hint) from error
    except ModelsyncError as error:
        moved = wanted.elsewhere() if is_gone(error) else None
        if moved is not None:
            found = _remote(context, wanted._replace(segments=moved.segments, relocate=None))
            context.warn(wanted.moved_note(moved))
            return found
        told = wanted.explain(error)
        if told is error:
            raise
        raise told from error


def _download_of(context: Context, wanted: WantedFile) -> "_HeaderDownload":
    known = bool(wanted.file.sha256)
    mirrored = wanted.mirror is not None
    return _HeaderDownload(
        context, wanted.label, wanted.segments, wanted.file.size, known=known, mirrored=mirrored
    )


def is_local(context: Context, wanted: WantedFile) -> bool:
    """Whether the header of a file with a digest can be read without a network."""
    sha256 = wanted.file.sha256
    return sha256 is not None and (
        blob_of(context, wanted.file) is not None
        or any(Path(header_in(place, sha256)).is_file() for place in context.store.places)
    )


def of_blob(context: Context, label: str, blob: Path) -> Header:
    """The header of a file that is here.

    Raises:
        NotAModelError: it is not a valid one.
        NotSyncedError: it went from the store a moment ago.
        StoreError: it cannot be read.
    """
    try:
        size = blob.stat().st_size
        return _HeaderDownload(context, label, (Segment(blob.as_uri(), size),), size, known=True).run()
    except (FileNotFoundError, NotFoundError):
        raise NotSyncedError(
            f"{label} went from the store while it was read", hint="run the same command again"
        ) from None


def beginning(context: Context, wanted: WantedFile, first: int, tries: int = TRIES) -> tuple[Header, bytes]:
    """The header of a file that is to be fetched.

    Args:
        context: What to work with.
        wanted: The file; its digest is known.
        first: Bytes that are asked for at first.
        tries: How often its source is asked without any progress.

    Returns:
        The header, and what was read from the file's source for it: none where it was kept from an earlier time.

    Raises:
        ModelsyncError: it cannot be had now, or is not a valid one.
    """
    sha256 = wanted.file.sha256 or ""
    known = kept.recall(context.store, sha256)
    if known is not None:
        with suppress(NotAModelError):
            return read_header(known, wanted.label, size=wanted.file.size), b""
    reading = _HeaderDownload(
        context,
        wanted.label,
        wanted.segments,
        wanted.file.size,
        known=True,
        first=first,
        rest=True,
        mirrored=wanted.mirror is not None,
    )
    reading.tries = tries
    header = reading.run()
    if wanted.mirror is None or wanted.mirror.trusted:  # no digest has decided about it yet
        kept.keep(context.store, sha256, bytes(reading.data[: header.nbytes]))
    return header, bytes(reading.data)


class _HeaderDownload:
    """One file's header on its way.

    Args:
        context: What to work with.
        label: The file's name for people.
        segments: Where it is.
        size: Bytes of the whole file, or None.
        known: Whether a digest will decide about it.
        first: Bytes that are asked for at first.
        rest: Whether what is left of a range behind the header is read too.
        mirrored: Whether the segments are at a mirror.

    Attributes:
        data: What has come, from the file's first byte on.
        tries: How often its source is asked without any progress.
        patience: Seconds after which a connection that gives next to nothing is given up; None: none.
    """

    def __init__(
        self,
        context: Context,
        label: str,
        segments: Sequence[Segment],
        size: int | None,
        *,
        known: bool,
        first: int = FIRST,
        rest: bool = False,
        mirrored: bool = False,
    ) -> None:
        self._context = context
        self._label = label
        self._segments = segments
        self._size = size
        self._known = known
        self._first = first
        self._rest = rest
        self._mirrored = mirrored
        self._reader: HeaderReader | None = None
        self.tries = TRIES
        self.patience: float | None = None
        self.data = bytearray()

    def run(self) -> Header:
        """Reads until the header is whole.

        Raises:
            NotAModelError: it is not a valid one, or the file ends before it does.
        """
        header = None
        for segment in self._segments:
            header = header or self._through(segment)
        if header is None:
            self._made(len(self.data)).end()
        return header

    def _through(self, segment: Segment) -> Header | None:
        """Reads on in a file, or in a piece of one; None if that ends first."""
        source, backoff = self._source(segment), Backoff(self.tries)
        begin, size = len(self.data), segment.size
        validator: Validator | None = None
        while size is None or len(self.data) - begin < size:
            at = len(self.data) - begin
            if self._rest:
                end = self._first if at < self._first else 2 * at
            else:
                end = at + (NEXT if self.data else self._first)
            try:
                with source.open(at, end if size is None else min(end, size), None) as answer:
                    validator = self._judged(answer, at, segment.size, size, validator)
                    size = size if answer.total is None else answer.total
                    header = self._take(answer, source, backoff, size)
            except NetworkError as error:
                if isinstance(error, HttpStatusError) and error.status == 416:
                    return None  # nothing is there: it was not known where the file ends
                pause(self._context, error, backoff)
                continue
            if header is not None:
                return header
            if answer.status == 200:
                return None
        return None

    def _source(self, segment: Segment) -> "ByteSource":
        if segment.is_local:
            from modelsync.transfer.local import LocalSource

            return LocalSource(segment.url)
        return self._context.remote(segment.url, mirrored=self._mirrored)

    def _judged(
        self,
        answer: "SourceResponse",
        at: int,
        promised: int | None,
        size: int | None,
        validator: "Validator | None",
    ) -> "Validator | None":
        """Holds an answer against what is known of the file; returns the version that it is of."""
        from modelsync.transfer.responses import Expectation, OtherSizeError, judge, validator_of

        label = self._label
        known = Expectation(promised, size, self._known, validator)
        match judge(answer, known):
            case "other-size":
                raise OtherSizeError(
                    f"{label} is another file at its source: {answer.total} bytes instead of {promised}",
                    hint="if it has changed upstream, `modelsync lock --upgrade` locks the new one",
                )
            case "whole" if at:
                raise NetworkError(f"{label}: its server sent the whole file when asked for a part of it")
            case "changed":
                raise FinalNetworkError(
                    f"{label} changed at its source while its header was read", hint="run the command again"
                )
        return validator or validator_of(answer)

    def _take(
        self, answer: "SourceResponse", source: "ByteSource", backoff: Backoff, size: int | None
    ) -> Header | None:
        """Takes the bytes of one answer; the header once it is whole."""
        reader = self._made(size)
        limit = source.limit
        least = LeastRate(self.patience, answer.waited) if self.patience is not None else None
        buffer = memoryview(bytearray(_PIECE if limit is None else min(_PIECE, limit.piece)))
        found: Header | None = None
        while True:
            try:
                count = answer.read_into(buffer)
            except NetworkError:
                if found is None:
                    raise
                break  # what is left of the range was not needed
            if not count:
                break
            source.delivered()
            backoff.progressed()
            if least is not None:
                least.count(count, answer.waited, answer.origin)
            self.data += buffer[:count]
            header = found or reader.feed(buffer[:count])
            if not isinstance(header, NeedMore):
                found = header
                if not (self._rest and answer.status == 206):
                    break
            if limit is not None:
                limit.pay(count, self._context.cancel.is_set)
        return found

    def _made(self, size: int | None) -> HeaderReader:
        """The reader; `size` is of the only segment, and used where the file's is not known."""
        if self._reader is None:
            whole = size if len(self._segments) == 1 else None
            self._reader = HeaderReader(self._label, size=whole if self._size is None else self._size)
        return self._reader


def pause(context: Context, error: NetworkError, backoff: Backoff) -> None:
    """Waits before the next try.

    Raises:
        NetworkError: the error itself, where another try would not help.
        CancelledError: the call was cancelled.
    """
    asked, stale = None, False
    if isinstance(error, HttpStatusError):
        asked, stale = error.retry_after, error.stale
    wait = backoff.failed(asked) if stale or retryable(error) else None
    if wait is None:
        raise error
    if context.cancel.wait(wait):
        raise CancelledError("interrupted")
