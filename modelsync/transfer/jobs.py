"""The jobs and results of a transfer. Values only."""

import io
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from modelsync.spec.blocks import Blocks
from modelsync.spec.oci_url import is_packed

if TYPE_CHECKING:
    from modelsync.errors import ModelsyncError
    from modelsync.transfer.least_rate import Trial

HEAD = 64  # bytes that a check gets, or all of a shorter file: enough to tell what a wrong file is


class Segment(NamedTuple):
    """Where the bytes of a file, or of one piece of it, come from.

    Attributes:
        url: `https:`, `http:`, `file:` (an absolute path), or `oci:`, the blob of a registry as a lock has it. The
            canonical one, never a signed one.
        size: Bytes that it must have; None: unknown.
        redirects: Whether the host most likely redirects to another one, such as a CDN.
        sha256: The digest of these bytes alone, where that is known: a wrong piece of a joined file is told by it.
    """

    url: str
    size: int | None = None
    redirects: bool = False
    sha256: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is a file of this machine."""
        return self.url.startswith("file:")

    @property
    def is_packed(self) -> bool:
        """Whether it is a file in a tar of a registry: no part of it can be asked for by itself."""
        return is_packed(self.url)


class Guess(NamedTuple):
    """Bytes of the file that another file on this machine probably has.

    Attributes:
        start: Their offset in the wanted file.
        size: How many.
        path: The other file.
        offset: Their offset there.
        probe: Whether a few of them are fetched first, and the rest copied only if those are equal.
        others: Further files that may have them, each with the offset.
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
        folder: The partial's folder. It belongs to the digest (or to the URLs, if there is none), and to one
            process at a time: the caller holds a lock.
        size: Bytes of the whole file; None: unknown.
        sha256: The digest that the file must have, 64 lower-case hex digits; None: it is only computed.
        segments: Where it comes from. Several are joined in order, and then each must have its size.
        check: Called once with the first bytes (at least 64, or all there are) before the rest is fetched;
            raises a `ModelsyncError` if this cannot be the right file.
        guesses: Bytes that may be copied from other files; only with a size and a sha256.
        head: Its first bytes, if they were read from its source just now; only with a size and a sha256.
        prepare: Called once, in the file's own thread, before the first request for it; returns the job with guesses
            and a head.
        confirm: Called before each write; raises a `ModelsyncError` if another process has taken over the folder.
        admit: Called before each request for its bytes; raises a `ModelsyncError` where none is to be made any more.
        failed: Called with the error that ends it, in the thread that met it, before that works for another job.
        trial: Set where another place is tried next: one attempt is made, nothing of it is fetched again, and of its
            bytes nothing is kept that turned out wrong. Shared by the jobs of a place.
        watch: Called with the bytes of a large file and their offset as they are hashed: in order, from the
            beginning again where some turn out wrong. Raises a `ModelsyncError` if this cannot be the right file.
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
    confirm: Callable[[], None] = lambda: None
    admit: Callable[[], None] = lambda: None
    failed: "Callable[[ModelsyncError], None]" = lambda error: None  # noqa: ARG005
    trial: "Trial | None" = None
    watch: Callable[[memoryview, int], None] | None = None


class Fetched(NamedTuple):
    """A file that has arrived whole and verified.

    Attributes:
        path: The file, inside the job's folder. The receiver may move it. Nothing is there where `data` has the bytes.
        size: Bytes.
        sha256: Of the whole, 64 lower-case hex digits.
        blocks: The BLAKE3 of each of its blocks.
        fetched: Bytes that were read from the source in this run, the job's `head` included.
        resumed: Bytes of earlier runs.
        etag: The ETag that the URL's own host gave (without `W/` and quotes), or None; None for joined files.
        pieces: For a joined file, the sha256 of each segment in order; else empty.
        reused: Bytes that were copied from other files in this run, and are right.
        note: What went wrong and was mended, in a sentence; or None.
        doubtful: The other files from which bytes were copied in this run, if any copied byte was wrong.
        shared: Whether the file is one more name of another program's: its bytes, mode and times are not to be changed.
        data: The bytes of a small file, which are in memory alone; None: they are at `path`.
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
    shared: bool = False
    data: bytes | None = None

    def open(self) -> BinaryIO:
        """Opens the bytes for reading."""
        return self.path.open("rb") if self.data is None else io.BytesIO(self.data)


def segment_sizes(job: Job) -> list[int | None]:
    """The size that each segment must have; `[None]` for a single one of unknown size.

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
        raise ValueError(f"{job.label}: guesses and a head need a size and a sha256")
    return sizes


def identity(job: Job) -> str:
    """The identity of a job's partial: its digest, or a hash of its URLs."""
    if job.sha256 is not None:
        return f"sha256:{job.sha256}"
    places = "".join(f"{segment.url}\n{segment.size}\n" for segment in job.segments)
    return f"urls:{sha256(places.encode()).hexdigest()}"
