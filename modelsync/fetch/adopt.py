"""Takes whole files of this machine into the store: another tool's, or the project's own. Pieces are joined.

A file is hashed while it is taken, whatever its owner says of it. It is reflinked where the disk can do that; else it
gets one more name where its owner never writes into a file, and the system allows it; else it is copied. Nothing of the
owner's file changes: a blob that is one more name of it keeps its mode and times.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from modelsync.caches.model import Candidate, Sought
from modelsync.context import Context
from modelsync.errors import StoreError
from modelsync.spec.hub_urls import commit_of
from modelsync.store import atomic
from modelsync.transfer.jobs import HEAD, Fetched, Job

if TYPE_CHECKING:
    from modelsync.sources.base import Found
    from modelsync.spec.lock.model import LockedFile
    from modelsync.transfer.digests import Digests

Way = Literal["reflink", "hardlink", "copy"]

_CHUNK = 1 << 20  # bytes copied and hashed at once
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_GIT_ID = re.compile(r"[0-9a-f]{40}", re.ASCII)


class NotTakenError(StoreError):
    """A file of this machine is not what is wanted, or cannot be read."""


class Taken(NamedTuple):
    """A file that was taken, and how."""

    fetched: Fetched
    way: Way


def sought(file: "LockedFile | Found") -> Sought | None:
    """What is looked for on this machine; None where nothing would tell that it is the file."""
    hub = commit_of(file.pieces[0].url if file.pieces else file.url)
    git_id = file.etag if hub is not None and _GIT_ID.fullmatch(file.etag or "") else None
    pieces = tuple((piece.sha256, piece.size) for piece in file.pieces if piece.sha256 and piece.size)
    if len(pieces) < len(file.pieces):
        pieces = ()
    if not file.size or not (file.sha256 or git_id or pieces):
        return None
    repo = file.repo or (hub.repo if hub is not None else None)
    return Sought(file.sha256 or None, file.size, file.path, repo, git_id, pieces)


def find(context: Context, file: "LockedFile | Found") -> tuple[Candidate, ...]:
    """The files in other tools' caches that may be a wanted one, the likeliest first; its pieces come last."""
    wanted = sought(file) if context.adopt else None
    if wanted is None:
        return ()
    whole = context.neighbours.find(wanted) if wanted.etags else ()
    return (*whole, *_joined(context, file, wanted))


def _joined(context: Context, file: "LockedFile | Found", wanted: Sought) -> tuple[Candidate, ...]:
    """The files that are the pieces of a joined one, if other tools' caches have all of them."""
    names = [piece.path for piece in file.pieces]
    found = [
        context.neighbours.find(Sought(sha256, size, name, wanted.repo))[:1]
        for (sha256, size), name in zip(wanted.pieces, names, strict=False)
    ]
    if not found or not all(found):
        return ()
    each = [candidates[0] for candidates in found]
    places = dict.fromkeys(one.place for one in each)
    return (Candidate(each[0].path, " and ".join(places), rest=tuple(one.path for one in each[1:])),)


def needs_room(context: Context, candidate: Candidate) -> bool:
    """Whether taking a file may need its size on the store's disk."""
    from modelsync.system.disks import same_device

    try:
        return not (candidate.linkable and same_device(candidate.path, context.store.root))
    except StoreError:
        return True


def take(candidate: Candidate, job: Job, wanted: Sought, told: Callable[[int], None]) -> Taken:
    """Takes a file into the job's folder, if it is the wanted one.

    Args:
        candidate: The file.
        job: What is wanted, and the folder for it, which is empty or not there.
        wanted: What decides: its sha256, else those of its pieces, else its git id.
        told: Is told how many more bytes were hashed; what it raises ends the work.

    Raises:
        NotTakenError: it is another file, it changed meanwhile, or it cannot be read.
        DiskFullError: there is no space for a copy.
        ModelsyncError: what the job's check says of it.
    """
    from modelsync.store import hashing

    shown = f"{candidate.path} is not taken"
    target = job.folder / "data"
    job.confirm()
    with atomic.told("cannot take a file into the store"):
        job.folder.mkdir(parents=True, exist_ok=True)
    sizes = [size for _, size in wanted.pieces] if candidate.rest else [wanted.size]
    pieces: tuple[str, ...] = ()
    try:
        with ExitStack() as stack:
            files = [
                stack.enter_context(_opened(path, size))
                for path, size in zip((candidate.path, *candidate.rest), sizes, strict=True)
            ]
            seen = [os.fstat(file.fileno()) for file in files]
            way = "copy" if candidate.rest else _link(candidate, target, seen[0])
            if way == "copy":
                with atomic.told("cannot take a file into the store"):
                    digests = _copy(files, sizes, target, told)
                found, blocks, pieces = digests.sha256, digests.blocks, tuple(digests.pieces)
            else:
                found, blocks = hashing.both_of(target, on_bytes=told)
            now = [os.fstat(file.fileno()) for file in files]
    except OSError as error:
        raise NotTakenError(f"{shown}: {error.strerror or error}") from error
    if [_version(each) for each in now] != [_version(each) for each in seen]:
        raise NotTakenError(f"{shown}: it was written to meanwhile")
    if not _is_right(wanted, found, pieces, target):
        raise NotTakenError(f"{shown}: its bytes are others, with the sha256 {found}")
    if job.check is not None:
        with target.open("rb") as file:
            job.check(file.read(HEAD))
    fetched = Fetched(
        target,
        blocks.size,
        found,
        blocks,
        0,
        0,
        pieces=pieces if candidate.rest else (),
        reused=blocks.size,
        shared=way == "hardlink",
    )
    return Taken(fetched, way)


def _opened(path: Path, size: int) -> FileIO:
    """Opens a regular file of a size.

    Raises:
        NotTakenError: it is none.
        OSError: it cannot be opened.
    """
    file = FileIO(os.open(path, _OPEN), "rb")
    seen = os.fstat(file.fileno())
    if stat.S_ISREG(seen.st_mode) and seen.st_size == size:
        return file
    file.close()
    raise NotTakenError(f"{path} is not taken: it is no regular file of {size} bytes")


def _version(seen: os.stat_result) -> tuple[int, int]:
    return seen.st_size, seen.st_mtime_ns


def _is_right(wanted: Sought, sha256: str, pieces: tuple[str, ...], data: Path) -> bool:
    """Whether bytes that were read are the wanted ones: by their sha256, else by those of the pieces, else by git."""
    if wanted.sha256 is not None:
        return sha256 == wanted.sha256
    if wanted.pieces:
        return pieces == tuple(piece for piece, _ in wanted.pieces)
    return _git_id(data) == wanted.git_id


def _link(candidate: Candidate, target: Path, seen: os.stat_result) -> Way:
    """Makes the file appear at `target` without copying it; `copy` where it has to be copied."""
    from modelsync.store import clone

    try:
        clone.reflink(candidate.path, target)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise
    else:
        return "reflink"
    if candidate.linkable:
        try:
            clone.hardlink(candidate.path, target)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise
        else:
            if os.path.samestat(target.lstat(), seen):
                return "hardlink"
            atomic.unlink(target)  # another file came in its place, or a link
    return "copy"


def _copy(
    files: Sequence[FileIO], sizes: Sequence[int], target: Path, told: Callable[[int], None]
) -> "Digests":
    """Copies open files, one behind the other; returns the digests of what was written."""
    from modelsync.system.disks import require_space
    from modelsync.transfer.digests import Digests

    require_space([(target.parent, sum(sizes))])
    digests, buffer = Digests(sizes), memoryview(bytearray(_CHUNK))
    with target.open("xb", buffering=0) as copy:
        for source in files:
            while count := source.readinto(buffer):
                written = 0
                while written < count:
                    written += copy.write(buffer[written:count])
                digests.update(buffer[:count])
                told(count)
    return digests


def _git_id(path: Path) -> str:
    """The git blob id of a file's bytes."""
    hashed = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            hashed.update(data)
    return hashed.hexdigest()
