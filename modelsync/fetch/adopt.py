"""Takes whole files of this machine into the store: another tool's, or the project's own.

A file is hashed while it is taken, whatever its owner says of it. It is reflinked where the disk can do that; else it
gets one more name where its owner never writes into a file, and the system allows it; else it is copied. Nothing of the
owner's file changes: a blob that is one more name of it keeps its mode and times.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable
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
    from modelsync.spec.blocks import Blocks
    from modelsync.spec.lock.model import LockedFile

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
    hub = commit_of(file.url)
    git_id = file.etag if hub is not None and _GIT_ID.fullmatch(file.etag or "") else None
    if not file.size or not (file.sha256 or git_id):
        return None
    repo = file.repo or (hub.repo if hub is not None else None)
    return Sought(file.sha256 or None, file.size, file.path, repo, git_id)


def find(context: Context, file: "LockedFile | Found") -> tuple[Candidate, ...]:
    """The files in other tools' caches that may be a wanted one, the likeliest first."""
    wanted = sought(file) if context.adopt else None
    return context.neighbours.find(wanted) if wanted is not None else ()


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
        wanted: What decides: its sha256, else its git id.
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
    try:
        descriptor = os.open(candidate.path, _OPEN)
        with FileIO(descriptor, "rb") as source:
            seen = os.fstat(descriptor)
            if not stat.S_ISREG(seen.st_mode) or seen.st_size != wanted.size:
                raise NotTakenError(f"{shown}: it is no regular file of {wanted.size} bytes")
            way = _link(candidate, target, seen)
            if way == "copy":
                with atomic.told("cannot take a file into the store"):
                    found, blocks = _copy(source, target, told)
            else:
                found, blocks = hashing.both_of(target, on_bytes=told)
            now = os.fstat(descriptor)
    except OSError as error:
        raise NotTakenError(f"{shown}: {error.strerror or error}") from error
    if (now.st_size, now.st_mtime_ns) != (seen.st_size, seen.st_mtime_ns):
        raise NotTakenError(f"{shown}: it was written to meanwhile")
    if found != wanted.sha256 if wanted.sha256 is not None else _git_id(target) != wanted.git_id:
        raise NotTakenError(f"{shown}: its bytes are others, with the sha256 {found}")
    if job.check is not None:
        with target.open("rb") as file:
            job.check(file.read(HEAD))
    fetched = Fetched(target, blocks.size, found, blocks, 0, 0, reused=blocks.size, shared=way == "hardlink")
    return Taken(fetched, way)


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


def _copy(source: FileIO, target: Path, told: Callable[[int], None]) -> "tuple[str, Blocks]":
    """Copies an open file; returns the sha256 and the blocks of what was written."""
    from modelsync.system.disks import require_space
    from modelsync.transfer.digests import Digests

    require_space([(target.parent, os.fstat(source.fileno()).st_size)])
    digests, buffer = Digests(), memoryview(bytearray(_CHUNK))
    with target.open("xb", buffering=0) as file:
        while count := source.readinto(buffer):
            written = 0
            while written < count:
                written += file.write(buffer[written:count])
            digests.update(buffer[:count])
            told(count)
    return digests.sha256, digests.blocks


def _git_id(path: Path) -> str:
    """The git blob id of a file's bytes."""
    hashed = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            hashed.update(data)
    return hashed.hexdigest()
