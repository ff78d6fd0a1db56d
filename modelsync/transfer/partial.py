"""A partial file, with a journal of its valid bytes.

The folder holds `data`, as long as the whole file, and `journal` (see `journal.py`). Bytes are written first and
recorded after, so what the journal records is there: after a kill, because the page cache outlives the process; after
a power cut, because only synced bytes count then.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from modelsync.errors import DiskFullError, StoreError
from modelsync.system.disks import boot_id
from modelsync.transfer import journal
from modelsync.transfer.datafile import FULL, OWN_FILE, DataFile, flush
from modelsync.transfer.journal import Provenance, Validator
from modelsync.transfer.ranges import Ranges, Span


class Partial:
    """An open partial. Its methods may be called from any thread.

    Args:
        folder: Created if missing. One process at a time.
        identity: Whose bytes it holds, one word. Bytes of another identity are discarded.
        boot: The ID of the current boot; None: that of `disks.boot_id`.
        confirm: Called before each write; raises if another process has taken over the folder.

    Attributes:
        ranges: The bytes that counted when it was opened.
        unverified: Those of them that were copied from another file.
        validators: Their version, by number of the segment, where that was recorded.

    Raises:
        DiskFullError: there is no room for it.
        StoreError: the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        identity: str,
        *,
        boot: str | None = None,
        confirm: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.ranges = self.unverified = Ranges()
        self.validators: Mapping[int, Validator] = {}
        self._identity = identity
        self._confirm = confirm
        self._boot = boot if boot is not None else boot_id()
        self._since = int(time.time())
        self._provenance: str | None = None
        self._lock = threading.Lock()
        self._lines = 0
        self._synced = 0
        self._os_errors = _OsErrors(folder)
        with self._os_errors:
            folder.mkdir(parents=True, exist_ok=True)
            self._data = DataFile(self.path)
            try:
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | OWN_FILE
                self._journal = os.open(folder / "journal", flags, 0o644)
                self._load()
            except BaseException:
                self._data.close()
                raise

    @property
    def path(self) -> Path:
        """The file with the bytes."""
        return data_path(self.folder)

    def allocate(self, size: int) -> None:
        """Makes the file `size` bytes long and preallocates its space, if much is missing.

        Raises:
            DiskFullError: there is not enough room. For a few bytes, the writes find that out.
        """
        with self._os_errors:
            self._data.allocate(size)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Writes `data` at `offset`. It counts once it is recorded."""
        self._confirm()
        with self._os_errors:
            self._data.write(data, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Reads from `offset` into `buffer`; returns how many bytes."""
        with self._os_errors:
            return self._data.read_into(buffer, offset)

    def copy(self, source: int, at: int, offset: int, count: int) -> int | None:
        """Lets the kernel copy bytes from an open file. They count once they are recorded.

        Args:
            source: The file's descriptor.
            at: Their offset in it.
            offset: Their offset here.
            count: How many, at most.

        Returns:
            How many it copied; 0 at the end. None where the kernel cannot copy between these files.
        """
        self._confirm()
        with self._os_errors:
            return self._data.copy(source, at, offset, count)

    def record(self, start: int, end: int, provenance: str = "", *, unverified: bool = False) -> None:
        """Records bytes that have been written.

        Args:
            start: Offset of the first one.
            end: Offset after the last one.
            provenance: Where they came from, for people.
            unverified: Whether they were copied from another file.
        """
        if start >= end:
            return
        line = f"{'?' if unverified else '+'} {start} {end}\n"
        with self._lock, self._os_errors:
            if provenance == self._provenance:
                self._write_lines(line)
            else:
                self._write_lines(journal.provenance_line(Provenance(self._since, provenance)), line)
                self._provenance = provenance

    def write_back(self, start: int, end: int) -> None:
        """Starts writing bytes to the disk without waiting. The publisher of the file has to sync it."""
        if start < end:
            with self._os_errors:
                self._data.write_back(start, end - start)

    def forget(self, spans: Iterable[Span]) -> None:
        """Removes bytes from the record, synced, so that others can be written in their place."""
        lines = [f"- {start} {end}\n" for start, end in spans if start < end]
        if lines:
            with self._lock, self._os_errors:
                for line in lines:
                    self._write_lines(line)
                flush(self._journal)

    def history(self) -> tuple[tuple[Provenance, Ranges], ...]:
        """Where which of the recorded bytes came from, in this run and earlier ones."""
        with self._lock, self._os_errors:
            text = (self.folder / "journal").read_bytes()
        trusted = journal.read(text, self._identity, self._boot)
        return trusted.history if trusted is not None else ()

    def set_validator(self, segment: int, validator: Validator | None) -> None:
        """Records the version of a segment's bytes; None: unknown."""
        self._append(journal.validator_line(segment, validator))

    def sync(self) -> None:
        """Syncs what has been recorded, so that it survives a power cut too."""
        with self._lock:
            lines = self._lines
        if lines == self._synced:
            return
        with self._os_errors:
            if not self._synced:
                _flush_folders(self.folder)
            self._data.sync()
            self._append(f"synced {lines}\n")
            flush(self._journal)
        with self._lock:  # the mark needs no sync of its own, but lines that came meanwhile do
            self._synced = self._lines if self._lines == lines + 1 else lines

    def finish(self, size: int) -> None:
        """Makes the file `size` bytes long. The publisher has to sync it."""
        with self._os_errors:
            self._data.resize(size)

    def close(self) -> None:
        """Closes the files and keeps them for another run."""
        with self._lock:
            self._data.close()
            os.close(self._journal)

    def discard(self) -> None:
        """Removes a closed partial and its folder."""
        with self._os_errors:
            for path in (self.path, self.folder / "journal"):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # files of others keep the folder
                self.folder.rmdir()

    def _load(self) -> None:
        text = (self.folder / "journal").read_bytes() if os.fstat(self._journal).st_size else b""
        trusted = journal.read(text, self._identity, self._boot)
        if trusted is None:
            self._clear()
            return
        if trusted.length < len(text):
            os.ftruncate(self._journal, trusted.length)
        self._lines = trusted.lines
        self.validators = trusted.validators
        self.ranges = trusted.ranges.within(0, self._data.size)
        self.unverified = trusted.unverified.within(0, self._data.size)
        if self._boot is None or trusted.boot != self._boot:
            self._append(f"boot {self._boot or journal.UNKNOWN_BOOT}\n")

    def _clear(self) -> None:
        if os.fstat(self._journal).st_size:
            os.ftruncate(self._journal, 0)
            flush(self._journal)  # after a power cut, the old journal must not come back for new bytes
        self._data.resize(0)
        self._lines = self._synced = 0
        self._provenance = None
        self._write_lines(journal.header_line(self._identity), f"boot {self._boot or journal.UNKNOWN_BOOT}\n")

    def _append(self, line: str) -> None:
        with self._lock, self._os_errors:
            self._write_lines(line)

    def _write_lines(self, *lines: str) -> None:
        data = "".join(lines).encode()
        written = os.write(self._journal, data)
        if written < len(data):  # half a line would make all that follow invalid
            os.ftruncate(self._journal, os.fstat(self._journal).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._lines += len(lines)


class _OsErrors:
    """Turns an `OSError` of the block into a `StoreError`. A class because it is faster than a generator."""

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
            hint="check that the folder is yours and writable, or set MODELSYNC_STORE to another one",
        ) from error


def data_path(folder: Path) -> Path:
    """The file with the bytes of the partial in `folder`."""
    return folder / "data"


def _flush_folders(folder: Path) -> None:
    """Syncs the folder entries, where the system can."""
    for place in (folder, folder.parent):
        with suppress(OSError):
            fd = os.open(place, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
