"""What can be asked of a transfer, and what it answers: values only."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from modelsync.spec.blocks import Blocks

HEAD = 64  # bytes; a check gets no fewer, if there are as many: enough to say what a wrong file is


class Segment(NamedTuple):
    """Where the bytes of a file, or of one piece of it, come from.

    Attributes:
        url: `https:`, `http:` or `file:` (an absolute path). The canonical one, never a signed one.
        size: Bytes that it must have, or None if that is not known.
        leads: Whether its host most likely says of it where else it is, and does not give it itself.
    """

    url: str
    size: int | None = None
    leads: bool = False


class Guess(NamedTuple):
    """Bytes of the file that another file on this machine probably has.

    Attributes:
        start: Where they are in the file that is wanted.
        size: How many.
        path: The other file.
        offset: Where they are in it.
        probe: Whether a few of them are asked of the source first, and the others copied only if those are equal.
        others: Further files that may have them instead, each with the offset.
    """

    start: int
    size: int
    path: Path
    offset: int
    probe: bool = True
    others: tuple[tuple[Path, int], ...] = ()


class Job(NamedTuple):
    """One file to fetch.

    Attributes:
        label: The file's name for people, in progress and in errors.
        folder: Where the partial lives. It belongs to the digest (or, where none is known, to the URLs), and
            to one process at a time: the caller holds the lock.
        size: Bytes of the whole file, or None if that is not known.
        sha256: What the whole must hash to, 64 lower-case hex digits, or None: then it is only computed.
        segments: Where it comes from; several are joined in order, and then each must have its size.
        check: Called once with the first bytes (at least 64, or all there are) before the rest is fetched;
            raises a `ModelsyncError` if this cannot be the file that is meant.
        guesses: Where some of its bytes may be copied from; only with a size and a sha256, which decides.
        head: Its first bytes, if they were read from its source just now; only with a sha256.
        prepare: Called once, in a thread of the file's own, before anything is asked of its source; gives the job as
            it is to be done, with guesses and a head.
    """

    label: str
    folder: Path
    size: int | None
    sha256: str | None
    segments: tuple[Segment, ...]
    check: Callable[[bytes], None] | None = None
    guesses: tuple[Guess, ...] = ()
    head: bytes = b""
    prepare: "Callable[[Job], Job] | None" = None


class Fetched(NamedTuple):
    """A file that has arrived whole, and is what its job said.

    Attributes:
        path: The file, inside the job's folder. Who is told may move it away.
        size: Bytes.
        sha256: Of the whole, 64 lower-case hex digits.
        blocks: The BLAKE3 of each of its blocks.
        fetched: Bytes that were read from the source this time, the job's `head` included.
        resumed: Bytes that were here already, from an earlier run.
        etag: The ETag that the URL's own host gave (without `W/` and quotes), or None; None for joined files.
        pieces: For a joined file, the sha256 of each segment in order; else empty.
        reused: Bytes that were copied from other files this time, and are right.
        note: What went wrong on the way and was mended, in a sentence; or None.
        doubtful: The other files from which bytes were copied this time, if what was copied was not all right.
    """

    path: Path
    size: int
    sha256: str
    blocks: Blocks
    fetched: int
    resumed: int
    etag: str | None = None
    pieces: tuple[str, ...] = ()
    reused: int = 0
    note: str | None = None
    doubtful: tuple[Path, ...] = ()


def segment_sizes(job: Job) -> list[int | None]:
    """The size that each segment must have; None, for an only one, if nobody knows.

    Raises:
        ValueError: the job contradicts itself, or joins segments whose sizes are not known.
    """
    sizes = [segment.size for segment in job.segments]
    if len(sizes) == 1 and sizes[0] is None:
        sizes = [job.size]
    known = [size for size in sizes if size is not None]
    if not sizes or (len(sizes) > 1 and len(known) < len(sizes)):
        raise ValueError(f"{job.label}: there must be a segment, and each of several needs a size")
    if known and job.size not in (None, sum(known)):
        raise ValueError(f"{job.label}: its segments have {sum(known)} bytes, not {job.size}")
    if (job.guesses or job.head) and (job.sha256 is None or not known):
        raise ValueError(f"{job.label}: only what has a size and a sha256 may be guessed at")
    return sizes


def identity(job: Job) -> str:
    """Whose bytes a partial holds: those of a digest, or those of these URLs."""
    if job.sha256 is not None:
        return f"sha256:{job.sha256}"
    places = "".join(f"{segment.url}\n{segment.size}\n" for segment in job.segments)
    return f"urls:{sha256(places.encode()).hexdigest()}"
