"""A file that is not whole yet, with a journal of which of its bytes can be trusted.

The folder holds `data`, as long as the whole file, and `journal` (see `journal.py`). Bytes are written first and
recorded after, so what the journal says is there is there: after a kill, because the page cache outlives the
process; after a power cut, because only what was synced is believed then.
"""

import errno
import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from modelsync.errors import DiskFullError, StoreError
from modelsync.system.disks import boot_id
from modelsync.transfer import journal
from modelsync.transfer.datafile import FULL, DataFile, flush
from modelsync.transfer.journal import Validator, Whence
from modelsync.transfer.ranges import Ranges, Span


class Partial:
    """An open partial; every method may be called from any thread.

    Args:
        folder: Made if it is not there. One process at a time.
        identity: Whose bytes these are to be, one word. What another identity left there is thrown away.
        boot: Since when this machine has been up, as `machine.boot_id` says it.

    Attributes:
        ranges: The bytes that were here when it was opened or reset.
        guessed: Those of them that came from another file that seemed to have them.
        validators: Which version of a segment those are of, by its number, where that was recorded.

    Raises:
        DiskFullError: there is no room for it.
        StoreError: the folder cannot be used.
    """

    def __init__(self, folder: Path, identity: str, *, boot: str | None = None) -> None:
        self.folder = folder
        self.ranges = self.guessed = Ranges()
        self.validators: Mapping[int, Validator] = {}
        self._identity = identity
        self._boot = boot if boot is not None else boot_id()
        self._since = int(time.time())
        self._whence: str | None = None
        self._turn = threading.Lock()
        self._lines = 0
        self._synced = 0
        self._named = _Named(folder)
        with self._named:
            folder.mkdir(parents=True, exist_ok=True)
            self._data = DataFile(self.path)
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
                self._journal = os.open(folder / "journal", flags, 0o644)
                self._load()
            except BaseException:
                self._data.close()
                raise

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return data_path(self.folder)

    def allocate(self, size: int) -> None:
        """Makes the file `size` bytes long and sets its space aside, where the file system can and it is worth it.

        Raises:
            DiskFullError: there is not so much left. For a few bytes that turns out when they are written.
        """
        with self._named:
            self._data.allocate(size)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Writes `data` at `offset`; it does not count before it is recorded."""
        with self._named:
            self._data.write(data, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Reads from `offset` on into `buffer`; gives how many bytes."""
        with self._named:
            return self._data.read_into(buffer, offset)

    def copy(self, source: int, at: int, offset: int, count: int) -> int | None:
        """Lets the system copy bytes from an open file; they do not count before they are recorded.

        Args:
            source: The file's descriptor.
            at: Where they are in it.
            offset: Where they are to be.
            count: How many, at most.

        Returns:
            How many it copied; 0: there are no more. None where it cannot do that.
        """
        with self._named:
            return self._data.copy(source, at, offset, count)

    def record(self, start: int, end: int, whence: str = "", *, guessed: bool = False) -> None:
        """Counts bytes that have been written.

        Args:
            start: Of the first one.
            end: After the last one.
            whence: What brought them, in words.
            guessed: Whether nothing has told yet that they are right.
        """
        if start >= end:
            return
        line = f"{'?' if guessed else '+'} {start} {end}\n"
        with self._turn, self._named:
            if whence == self._whence:
                self._put(line)
            else:
                self._put(journal.whence_line(Whence(self._since, whence)), line)
                self._whence = whence

    def write_back(self, start: int, end: int) -> None:
        """Begins to bring bytes to the disk, without waiting: whoever publishes the file must wait for all of them."""
        if start < end:
            with self._named:
                self._data.write_back(start, end - start)

    def forget(self, spans: Iterable[Span]) -> None:
        """Counts bytes no more. That is on the disk before this returns: others will be written in their place."""
        lines = [f"- {start} {end}\n" for start, end in spans if start < end]
        if lines:
            with self._turn, self._named:
                for line in lines:
                    self._put(line)
                flush(self._journal)

    def history(self) -> tuple[tuple[Whence, Ranges], ...]:
        """What brought which of the bytes that count now, in this run and in earlier ones."""
        with self._turn, self._named:
            text = (self.folder / "journal").read_bytes()
        trusted = journal.read(text, self._identity, self._boot)
        return trusted.history if trusted is not None else ()

    def set_validator(self, segment: int, validator: Validator | None) -> None:
        """Says which version of a segment the bytes that follow are of; None: nobody can tell."""
        self._append(journal.validator_line(segment, validator))

    def sync(self) -> None:
        """Brings what has been recorded to the disk, so that it outlasts a power cut too."""
        with self._turn:
            lines = self._lines
        if lines == self._synced:
            return
        with self._named:
            if not self._synced:
                _flush_folders(self.folder)
            self._data.sync()
            self._append(f"synced {lines}\n")
            flush(self._journal)
        with self._turn:  # the mark itself is no news, but what came while it was made is
            self._synced = self._lines if self._lines == lines + 1 else lines

    def reset(self) -> None:
        """Throws everything away: as new."""
        with self._turn, self._named:
            self._begin()
        self.ranges = self.guessed = Ranges()
        self.validators = {}

    def finish(self, size: int) -> None:
        """Makes the file just `size` bytes long. Whoever publishes it has to bring it to the disk."""
        with self._named:
            self._data.resize(size)

    def close(self) -> None:
        """Closes the files and leaves them for another run."""
        with self._turn:
            self._data.close()
            os.close(self._journal)

    def discard(self) -> None:
        """Removes what is left of a closed partial, and its folder."""
        with self._named:
            for path in (self.path, self.folder / "journal"):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # somebody else's file in it is not ours to remove
                self.folder.rmdir()

    def _load(self) -> None:
        text = (self.folder / "journal").read_bytes() if os.fstat(self._journal).st_size else b""
        trusted = journal.read(text, self._identity, self._boot)
        if trusted is None:
            self._begin()
            return
        if trusted.length < len(text):
            os.ftruncate(self._journal, trusted.length)
        self._lines = trusted.lines
        self.validators = trusted.validators
        self.ranges = trusted.ranges.within(0, self._data.size)
        self.guessed = trusted.guessed.within(0, self._data.size)
        if self._boot is None or trusted.boot != self._boot:
            self._append(f"boot {self._boot or journal.UNKNOWN_BOOT}\n")

    def _begin(self) -> None:
        if os.fstat(self._journal).st_size:
            os.ftruncate(self._journal, 0)
            flush(self._journal)  # a journal of bytes that are gone must not come back with the power
        self._data.resize(0)
        self._lines = self._synced = 0
        self._whence = None
        self._put(journal.head(self._identity), f"boot {self._boot or journal.UNKNOWN_BOOT}\n")

    def _append(self, line: str) -> None:
        with self._turn, self._named:
            self._put(line)

    def _put(self, *lines: str) -> None:
        data = "".join(lines).encode()
        written = os.write(self._journal, data)
        if written < len(data):  # half a line would spoil all that follow
            os.ftruncate(self._journal, os.fstat(self._journal).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._lines += len(lines)


class _Named:
    """What the system says inside the block, in our words. No generator: every piece of every file passes by."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in FULL:
            raise DiskFullError(
                f"the disk is full at {self._folder}", hint="free some space and run it again: it resumes"
            ) from error
        raise StoreError(
            f"cannot use {self._folder}: {error.strerror or error}",
            hint="see that the folder is yours and writable, or set MODELSYNC_STORE to another one",
        ) from error


def data_path(folder: Path) -> Path:
    """Where the bytes of the partial in `folder` are, or will be."""
    return folder / "data"


def _flush_folders(folder: Path) -> None:
    """Makes the names of the files last, where a folder can be flushed."""
    for place in (folder, folder.parent):
        with suppress(OSError):
            fd = os.open(place, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
