"""Looks into a file wherever it is, by ranges: on this machine, or a mirror or its source."""

from functools import partial
from typing import TYPE_CHECKING

from modelsync.content.findings import OutOfReach
from modelsync.content.view import WINDOW, View
from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError, NetworkError
from modelsync.fetch import by_digest
from modelsync.fetch.pause import pause
from modelsync.fetch.wanted import WantedFile, blob_of
from modelsync.transfer.jobs import Segment
from modelsync.transfer.least_rate import LeastRate

if TYPE_CHECKING:
    from modelsync.transfer.responses import ByteSource, SourceResponse

MAX_BYTES = 64 << 20  # of one file that are read over the network to look into it
MAX_RANGES = 16


def view_of(context: Context, wanted: WantedFile) -> View:
    """A view of a file of one segment. What it reads of a file at its source is bounded; see `OutOfReach`.

    Raises:
        NotSyncedError: it is not on this machine, and the network is ruled out.
        ModelsyncError: it cannot be read, as its source explains it.
    """
    blob = blob_of(context, wanted.file)
    url = blob.as_uri() if blob is not None else wanted.segments[0].url
    if not url.startswith("file:"):
        found, error = by_digest.read_part(context, wanted, partial(_view, context))
        if found is not None:
            return found
        if not context.asks_origin:
            raise error or by_digest.ruled_out(context, f"{wanted.label} is not on this machine")
    return _view(context, wanted._replace(segments=(Segment(url, wanted.file.size),)), None)


def _view(context: Context, wanted: WantedFile, patience: float | None) -> View:
    ranges = _Ranges(context, wanted, patience)
    head = ranges.read(0, WINDOW)

    def read(start: int, end: int) -> bytes:
        return head[start:end] if end <= len(head) else ranges.read(start, end)

    return View(read, len(head) if ranges.size is None else ranges.size)


class _Ranges:
    """Ranges of one file.

    Attributes:
        size: Bytes of the whole file; None: a server does not say, and all of it came with the first range.
    """

    def __init__(self, context: Context, wanted: WantedFile, patience: float | None) -> None:
        url = wanted.segments[0].url
        self._context = context
        self._wanted = wanted
        self._patience = patience
        self._local = url.startswith("file:")
        self._source: ByteSource
        if self._local:
            from modelsync.transfer.local import LocalSource

            self._source = LocalSource(url)
        else:
            self._source = context.remote(url, mirrored=wanted.mirror is not None)
        self._bytes = 0
        self._ranges = 0
        self.size = wanted.file.size

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`; fewer where the file ends."""
        from modelsync.net.retry import TRIES, Backoff

        self._bytes += end - start
        self._ranges += 1
        if not self._local and (self._bytes > MAX_BYTES or self._ranges > MAX_RANGES):
            raise OutOfReach
        backoff = Backoff(TRIES if self._patience is None else 1)
        while True:
            try:
                with self._source.open(start, end, None) as answer:
                    data = self._taken(answer, start, end)
                    self._source.delivered()
                    return data
            except CancelledError:
                raise
            except NetworkError as error:
                try:
                    pause(self._context, error, backoff)
                except NetworkError as final:
                    raise self._wanted.explain(final) from final
            except ModelsyncError as error:
                raise self._wanted.explain(error) from error

    def _taken(self, answer: "SourceResponse", start: int, end: int) -> bytes:
        """The wanted bytes of an answer: a range, or the whole file from a server that knows none."""
        if answer.total is not None:
            if self.size is not None and answer.total != self.size:
                raise NetworkError(
                    f"{self._wanted.label} is another file at its source: {answer.total} bytes instead of {self.size}"
                )
            self.size = answer.total
        least = LeastRate(self._patience, answer.waited) if self._patience is not None else None
        at = answer.start if answer.status == 206 else 0
        buffer = memoryview(bytearray(WINDOW if self._source.limit is None else self._source.limit.piece))
        out = bytearray()
        while at < end and (count := answer.read_into(buffer[: min(len(buffer), end - at)])):
            out += buffer[max(0, start - at) : count]
            at += count
            if least is not None:
                least.count(count, answer.waited, answer.origin)
            if self._source.limit is not None:
                self._source.limit.pay(count, self._context.cancel.is_set)
        return bytes(out)
