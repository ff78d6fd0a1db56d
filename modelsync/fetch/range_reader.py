"""Reads small ranges of files at their sources, where they are known to be worth asking for."""

from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.errors import NetworkError
from modelsync.fetch.pause import pause
from modelsync.fetch.wanted import WantedFile

if TYPE_CHECKING:
    from modelsync.transfer.responses import SourceResponse


class WindowReader:
    """Ranges of one file. Where its source redirects to is asked once."""

    def __init__(self, context: Context, wanted: WantedFile) -> None:
        """A reader that has asked nothing yet; the file is one segment of known size, not on this machine."""
        (segment,) = wanted.segments
        self._context = context
        self._size = segment.size
        self._source = context.remote(segment.url)

    def read(self, start: int, end: int) -> bytes | None:
        """The bytes from `start` up to `end`; None where the source gives no ranges, or of another file.

        Raises:
            NetworkError: the source cannot be reached.
            CancelledError: the call was cancelled.
        """
        from modelsync.net.retry import Backoff

        backoff = Backoff()
        while True:
            try:
                with self._source.open(start, end, None) as answer:
                    if answer.status != 206 or answer.start != start or answer.total != self._size:
                        return None
                    data = self._all(answer, end - start)
                    self._source.delivered()
                    return data
            except NetworkError as error:
                pause(self._context, error, backoff)

    def _all(self, answer: "SourceResponse", count: int) -> bytes:
        data, limit = memoryview(bytearray(count)), self._source.limit
        piece = count if limit is None else limit.piece
        at = 0
        while at < count and (got := answer.read_into(data[at : at + piece])):
            at += got
            if limit is not None:
                limit.pay(got, self._context.cancel.is_set)
        return bytes(data[:at])
