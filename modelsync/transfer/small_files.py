"""Small files: each is received into memory by one request, and handed on together with others.

A partial, its journal and a thread of its own cost a small file more than its bytes. What one request does not settle
(an error, a broken answer, wrong bytes) goes the way of every other file, with what came of it.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from modelsync.errors import CancelledError, ModelsyncError
from modelsync.spec.digest import etag as bare_etag
from modelsync.spec.names import printable
from modelsync.transfer.digests import Digests
from modelsync.transfer.jobs import HEAD, Fetched, Job
from modelsync.transfer.other_size import no_file, other_size
from modelsync.transfer.partial import data_path
from modelsync.transfer.responses import ByteSource

SMALL = 128 * 1024  # bytes of the largest file that is received so


class Attempt(NamedTuple):
    """What the one request for a small file brought, where that is not the file.

    Attributes:
        data: The bytes from the first one that are of use; none where no digest could tell that they are right.
        server: Where they came from, for people.
        error: What went wrong with the request; None: its bytes are not the file's, or are not judged here.
    """

    data: bytes = b""
    server: str = ""
    error: ModelsyncError | None = None


def is_direct(job: Job) -> bool:
    """Whether a job is for a small file that one request brings, from a place that has the last word on it."""
    if len(job.segments) > 1 or job.trial is not None or job.guesses or job.head:
        return False
    segment = job.segments[0]
    return not (segment.is_local or segment.is_packed) and job.size is not None and job.size <= SMALL


def receive(
    job: Job, source: ByteSource, stopped: Callable[[], bool], count: Callable[[int, float], None]
) -> Fetched | Attempt:
    """Receives a small file by one request for all of it.

    Args:
        job: What `is_direct` takes.
        source: Where its bytes are.
        stopped: Whether the run was stopped.
        count: Called with bytes that came, and the seconds in which they were not waited for.

    Returns:
        The file, verified; or what came of the request, for `FileWorker`.

    Raises:
        CancelledError: the run was stopped.
    """
    size, label = job.size or 0, printable(job.label)
    buffer = memoryview(bytearray(size + 1))  # with room for a byte too many
    piece = size + 1 if source.limit is None else source.limit.piece
    filled, server, etag = 0, "", None
    try:
        if job.prepare is not None:
            job = job.prepare(job)
            if not is_direct(job):
                return Attempt()
        job.admit()
        with source.open(0, None, None) as response:
            told, waited, server = time.monotonic(), response.waited, str(response.origin)
            if response.total not in (None, size):
                raise no_file(label, response) or other_size(label, size, response.total)
            while came := response.read_into(buffer[filled : filled + piece]):
                filled += came
                now = time.monotonic()
                count(came, now - told - (response.waited - waited))
                told, waited = now, response.waited
                if stopped():
                    raise CancelledError("interrupted")
                if filled > size:
                    filled = 0  # nothing of it is the promised file
                    raise other_size(label, size, None)
                if source.limit is not None:
                    source.limit.pay(came, stopped)
            source.delivered()
            if source.is_origin:
                etag = bare_etag(response.headers.get("etag", ""))
    except CancelledError:
        raise
    except ModelsyncError as error:
        return Attempt(bytes(buffer[:filled]) if job.sha256 is not None else b"", server, error)
    data = bytes(buffer[:filled])
    digests = Digests()
    digests.update(memoryview(data))
    if filled < size or job.sha256 not in (None, digests.sha256) or not _is_taken(job, data):
        return Attempt(data if job.sha256 is not None else b"", server)
    return Fetched(data_path(job.folder), size, digests.sha256, digests.blocks, size, 0, etag=etag, data=data)


def _is_taken(job: Job, data: bytes) -> bool:
    """Whether the job's checks let the bytes pass; if not, `FileWorker` tells why."""
    try:
        if job.check is not None:
            job.check(data[:HEAD])
        if job.watch is not None:
            job.watch(memoryview(data), 0)
    except CancelledError:
        raise
    except ModelsyncError:
        return False
    return True
