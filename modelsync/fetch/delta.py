"""Finds what an older file in the store may give to a new one: the bases of an update.

A model is published again for its chat template, and every tensor's bytes are the same, some bytes further on. So
before a file is fetched, those in the store are looked at that may be an older version of it, or another cut or copy
of the same model. Where one is, the new header is read and its tensors are lined up with theirs. What comes of it are
guesses: the transfer looks whether they hold, and the digest decides. What cannot be found out means that the file is
fetched plainly. A source that does not answer is tried as often as for the bytes themselves.
"""

import re
import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError
from modelsync.fetch import headers
from modelsync.fetch.wanted import WantedFile
from modelsync.gguf.header import Header
from modelsync.gguf.tensor_match import match_tensors
from modelsync.net.retry import TRIES, retryable
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.names import file_name
from modelsync.spec.parts import MAX_PARTS, part_of
from modelsync.store import inventory
from modelsync.store.inventory import Kept
from modelsync.store.receipts import BlobOrigin
from modelsync.system.parallel import THREADS
from modelsync.transfer.jobs import Guess, Job

if TYPE_CHECKING:
    from modelsync.sources.base import Found

LEAST = 8 << 20  # bytes; a file that has fewer in common with older ones is fetched whole
PARTS = 64  # of one older model that are looked at
OTHERS = 4  # further files that are looked at
CLOSE = 64  # a file of another name is tried if its size differs by at most 1/64 of it
SLACK = 64 << 10  # bytes that a header may have grown by
TENSORS = 2000  # of a file that are looked for, the largest: each is a request, and no model has so many that matter

NAMESAKE, STRANGER = MAX_PARTS + 1, MAX_PARTS + 2

_COMMIT = re.compile(r"/resolve/[0-9a-f]{40}/")


class OlderFiles:
    """What the store has that new files may be copied from; looked through once, when it is first asked.

    Args:
        context: What to work with.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._turn = threading.Lock()
        self._headers: dict[str, Header | None] = {}
        self._room = threading.BoundedSemaphore(THREADS)

    def prepare(self, wanted: WantedFile, job: Job) -> Job:
        """The job with what can be guessed of it.

        Raises:
            CancelledError: the call was cancelled.
            NetworkError: the source gave nothing, after all retries, but may later. The file is not fetched whole
                instead: a broken connection would decide what an update costs.
        """
        try:
            olds = self._olds(wanted) if (wanted.file.size or 0) >= LEAST else []
            if not olds:
                return job
            with self._room:
                tries = TRIES if job.trial is None else 1
                header, head = headers.beginning(self._context, wanted, olds[0].header.nbytes + SLACK, tries)
        except CancelledError:
            raise
        except (ModelsyncError, OSError) as error:
            if retryable(error):
                raise
            return job
        return job._replace(guesses=guesses(header, olds), head=head)

    def _olds(self, wanted: WantedFile) -> "list[Old]":
        """The older files that are here and can be read, the likeliest first."""
        out = []
        with self._turn:  # one thread looks through the store for all of them
            kept = self._kept
        for one in choose(wanted.file, kept):
            path = inventory.find(self._context.store, one)
            header = self._header(one, path) if path is not None else None
            if path is not None and header is not None:
                out.append(Old(path, header))
        return out

    @cached_property
    def _kept(self) -> tuple[Kept, ...]:
        return tuple(inventory.kept(self._context.store))

    def _header(self, one: Kept, path: Path) -> Header | None:
        with self._turn:
            if one.sha256 not in self._headers:
                try:
                    self._headers[one.sha256] = headers.of_blob(self._context, one.sha256, path)
                except CancelledError:
                    raise
                except (ModelsyncError, OSError):
                    self._headers[one.sha256] = None
            return self._headers[one.sha256]


class Old(NamedTuple):
    """A file that is here, and its header."""

    path: Path
    header: Header


def choose(file: "LockedFile | Found", kept: Iterable[Kept]) -> list[Kept]:
    """Which of the blobs that there are may have bytes of a file, the likeliest first; not too many. Pure."""
    ranked = []
    for one in kept:
        kinship = min((_kinship(file, origin) for origin in one.origins), default=STRANGER)
        away = abs(one.size - (file.size or 0))
        if one.sha256 != file.sha256 and (kinship < STRANGER or away * CLOSE <= one.size):
            ranked.append((kinship, away, one))
    ranked.sort()
    near = [one for kinship, _, one in ranked if kinship < NAMESAKE][:PARTS]
    return near + [one for kinship, _, one in ranked if kinship >= NAMESAKE][:OTHERS]


def _kinship(file: "LockedFile | Found", origin: BlobOrigin) -> int:
    """How near a blob of this origin is to a file.

    0: another version of it. To `MAX_PARTS`: a part of one, by how far its number is away. `NAMESAKE`: of the same
    place, or of the same name. `STRANGER`: nothing of that.
    """
    place, name = _place(file.url)
    its_place, its_name = _place(origin.url)
    same_place = bool(place) and place == its_place
    if same_place and name == its_name:
        return 0
    part, its_part = part_of(name), part_of(its_name)
    if same_place and part and its_part and part.prefix == its_part.prefix:
        return min(1 + abs(part.number - its_part.number), MAX_PARTS)
    return NAMESAKE if same_place or file_name(file.path) == file_name(origin.path) else STRANGER


def _place(url: str | None) -> tuple[str, str]:
    """The repo and the path in it, of whatever commit; of a direct URL its folder and its name."""
    repo, *path = _COMMIT.split(url or "", maxsplit=1)
    if path:
        return repo, path[0]
    place, _, name = repo.rpartition("/")
    return place, name


def guesses(new: Header, olds: Sequence[Old]) -> tuple[Guess, ...]:
    """Where the tensors of a new file may be in older ones; none, if that is not worth it. Pure."""
    alike = match_tensors(new, [old.header for old in olds])
    largest = sorted(alike, key=lambda one: -one.nbytes)[:TENSORS]
    if sum(one.nbytes for one in largest) < LEAST:
        return ()
    out = []
    for one in sorted(largest):
        (path, offset), *others = ((olds[index].path, at) for index, at in one.places)
        out.append(Guess(one.at, one.nbytes, path, offset, others=tuple(others)))
    return tuple(out)
