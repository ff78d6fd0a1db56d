"""Fetches again what may be wrong in a file whose digest is wrong."""

from itertools import accumulate

from modelsync.errors import HashMismatchError
from modelsync.transfer.digests import Digests
from modelsync.transfer.doubt import next_doubt
from modelsync.transfer.file_state import FileState
from modelsync.transfer.jobs import segment_sizes
from modelsync.transfer.provenance import sentence
from modelsync.transfer.ranges import Ranges


class Refetch:
    """What was fetched again of one file.

    Args:
        file: The file.

    Attributes:
        resumed: Bytes of earlier runs; to be set before the first call.
        note: What was wrong and was fetched again last, in a sentence; or None.
        lost_copies: Whether bytes were fetched again that had been copied from other files.
    """

    def __init__(self, file: FileState) -> None:
        self._file = file
        self._again = Ranges()
        self._digest = ""
        self.resumed = Ranges()
        self.note: str | None = None
        self.lost_copies = False

    def begin(self, digests: Digests) -> int:
        """Lets the streams fetch again what is most in doubt; returns where that begins.

        No stream and no copy works on the file.

        Args:
            digests: Those of the whole file, which is wrong.

        Raises:
            HashMismatchError: all of it has been fetched again, or it is a file of this machine.
        """
        file = self._file
        history = file.partial.history()
        doubt = next_doubt(_wrong(file, digests), file.unverified, self.resumed, self._again, history)
        if file.job.trial is not None and file.fetched and not file.unverified:
            doubt = None  # another place is asked
        local = all(segment.is_local for segment in file.job.segments)
        if doubt is None or (local and not file.unverified):
            twice = ", twice" if digests.sha256 == self._digest else ""
            raise HashMismatchError(
                f"{file.label} is not what was promised: expected sha256 {file.job.sha256}, "
                f"got {digests.sha256}{twice}; {sentence(history)}",
                hint="nothing of it was kept; `modelsync lock --verify` shows whether it has changed upstream",
            )
        self._digest = digests.sha256
        copied = file.unverified.common(doubt.ranges)
        where = "" if copied else f" ({sentence(history)})"
        self.note = f"{file.label}: {doubt.what} were wrong and were fetched again{where}"
        self.lost_copies = self.lost_copies or bool(copied)
        self._again = Ranges((*self._again, *doubt.ranges.without(copied)))
        file.partial.forget(doubt.ranges)
        with file.scheduler.lock:
            file.lose(doubt.ranges)
            file.reused -= copied.without(self.resumed).covered
            self.resumed = self.resumed.without(doubt.ranges)
            file.scheduler.offer(file)
        return doubt.ranges.spans[0][0]


def _wrong(file: FileState, digests: Digests) -> Ranges:
    """Where the wrong bytes must be: the pieces whose own digest is wrong, else the whole file."""
    sizes = [size or 0 for size in segment_sizes(file.job)]
    parts = zip(file.job.segments, sizes, accumulate(sizes), digests.pieces, strict=False)
    wrong = Ranges(
        (end - size, end) for segment, size, end, sha256 in parts if segment.sha256 not in (None, sha256)
    )
    return wrong or Ranges([(0, digests.position)])
