"""Reads one header by ranges: what a broken connection had brought is not asked for again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.errors import HttpStatusError, NetworkError
from modelsync.fetch.pause import pause
from modelsync.gguf.header import Header
from modelsync.gguf.reader import HeaderReader, NeedMore
from modelsync.net.retry import TRIES, Backoff, FinalNetworkError
from modelsync.transfer.jobs import Segment
from modelsync.transfer.least_rate import LeastRate

if TYPE_CHECKING:
    from modelsync.transfer.journal import Validator
    from modelsync.transfer.responses import ByteSource, SourceResponse

FIRST = 2 << 20  # bytes of the first range: most headers whose vocabulary is small
NEXT = 4 << 20  # of each one after it
_PIECE = 256 << 10  # bytes taken from a connection at once


class HeaderDownload:
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
        from modelsync.transfer.other_size import other_size
        from modelsync.transfer.responses import Expectation, judge, validator_of

        label = self._label
        known = Expectation(promised, size, self._known, validator)
        match judge(answer, known):
            case "other-size":
                raise other_size(label, promised, answer.total)
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
