"""Reads the headers of files: on this machine, kept from an earlier time, at a mirror, or at their source.

Of a file elsewhere no more than the header is read, by ranges, and what a broken connection had brought is not asked
for again. A server that knows no ranges is read until the header is whole. No digest decides about a header, so only
mirrors that the user named are asked for one.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import (
    CancelledError,
    ModelsyncError,
    NotAModelError,
    NotFoundError,
    NotSyncedError,
)
from modelsync.fetch import by_digest
from modelsync.fetch.header_download import HeaderDownload
from modelsync.fetch.wanted import WantedFile, blob_of, is_gone
from modelsync.gguf.header import Header
from modelsync.gguf.reader import read_header
from modelsync.net.retry import TRIES
from modelsync.store import header_cache as kept
from modelsync.store.layout import header_in
from modelsync.system.parallel import run_all
from modelsync.transfer.jobs import Segment
from modelsync.transfer.progress import Event


def read_all(context: Context, files: Sequence[WantedFile]) -> list[Header]:
    """The headers of some files, in their order, read side by side.

    Raises:
        NotAModelError: one is not a valid GGUF file.
        NotSyncedError: one is not here, and the network is ruled out.
        ModelsyncError: the first that went wrong, as its source explains it.
    """
    if len(files) == 1:
        return [read(context, files[0])]
    return run_all(lambda wanted: read(context, wanted), files, name="header", cancel=context.cancel)


def read(context: Context, wanted: WantedFile) -> Header:
    """The header of one file: of its blob where that is here, else as it was kept, else of a mirror or its source."""
    sha256 = wanted.file.sha256
    if (blob := blob_of(context, wanted.file)) is not None:
        with suppress(NotSyncedError):
            return of_blob(context, wanted.label, blob)
    if sha256:
        known = kept.recall(context.store, sha256)
        if known is not None:
            with suppress(NotAModelError):
                return read_header(known, wanted.label, size=wanted.file.size)
    local = all(segment.is_local for segment in wanted.segments)
    if local:
        return _download_of(context, wanted).run()
    context.tell(Event("resolving", wanted.label, 0, None))
    try:
        found, error = by_digest.read_part(context, wanted, partial(_at_mirror, context))
        if found is None and not context.asks_origin:
            raise error or by_digest.ruled_out(
                context, f"{wanted.label} is not on this machine, nor is its header"
            )
        header, data = found or _remote(context, wanted)
    finally:
        context.tell(Event("done", wanted.label, 0, None))
    if sha256:
        kept.keep(context.store, sha256, bytes(data[: header.nbytes]))
    return header


def _at_mirror(context: Context, there: WantedFile, patience: float | None) -> tuple[Header, bytearray]:
    """The header where a mirror has the file, and what was read for it."""
    reading = _download_of(context, there)
    if patience is not None:
        reading.tries, reading.patience = 1, patience
    return reading.run(), reading.data


def _remote(context: Context, wanted: WantedFile) -> tuple[Header, bytearray]:
    """The header at the file's source, and what was read for it; where its commit is gone, at another one."""
    reading = _download_of(context, wanted)
    try:
        return reading.run(), reading.data
    except (CancelledError, NotAModelError):
        raise
    except NotSyncedError as error:  # it is in a tar of which no part can be read
        raise NotSyncedError(f"{wanted.label}: {error.message}", hint=error.hint) from error
    except ModelsyncError as error:
        moved = wanted.elsewhere() if is_gone(error) else None
        if moved is not None:
            found = _remote(context, wanted._replace(segments=moved.segments, relocate=None))
            context.warn(wanted.moved_note(moved))
            return found
        told = wanted.explain(error)
        if told is error:
            raise
        raise told from error


def _download_of(context: Context, wanted: WantedFile) -> "HeaderDownload":
    known = bool(wanted.file.sha256)
    mirrored = wanted.mirror is not None
    return HeaderDownload(
        context, wanted.label, wanted.segments, wanted.file.size, known=known, mirrored=mirrored
    )


def is_local(context: Context, wanted: WantedFile) -> bool:
    """Whether the header of a file with a digest can be read without a network."""
    sha256 = wanted.file.sha256
    return sha256 is not None and (
        blob_of(context, wanted.file) is not None
        or any(Path(header_in(place, sha256)).is_file() for place in context.store.places)
    )


def of_blob(context: Context, label: str, blob: Path) -> Header:
    """The header of a file that is here.

    Raises:
        NotAModelError: it is not a valid one.
        NotSyncedError: it went from the store a moment ago.
        StoreError: it cannot be read.
    """
    try:
        size = blob.stat().st_size
        return HeaderDownload(context, label, (Segment(blob.as_uri(), size),), size, known=True).run()
    except (FileNotFoundError, NotFoundError):
        raise NotSyncedError(
            f"{label} went from the store while it was read", hint="run the same command again"
        ) from None


def beginning(context: Context, wanted: WantedFile, first: int, tries: int = TRIES) -> tuple[Header, bytes]:
    """The header of a file that is to be fetched.

    Args:
        context: What to work with.
        wanted: The file; its digest is known.
        first: Bytes that are asked for at first.
        tries: How often its source is asked without any progress.

    Returns:
        The header, and what was read from the file's source for it: none where it was kept from an earlier time.

    Raises:
        ModelsyncError: it cannot be had now, or is not a valid one.
    """
    sha256 = wanted.file.sha256 or ""
    known = kept.recall(context.store, sha256)
    if known is not None:
        with suppress(NotAModelError):
            return read_header(known, wanted.label, size=wanted.file.size), b""
    reading = HeaderDownload(
        context,
        wanted.label,
        wanted.segments,
        wanted.file.size,
        known=True,
        first=first,
        rest=True,
        mirrored=wanted.mirror is not None,
    )
    reading.tries = tries
    header = reading.run()
    if wanted.mirror is None or wanted.mirror.trusted:  # no digest has decided about it yet
        kept.keep(context.store, sha256, bytes(reading.data[: header.nbytes]))
    return header, bytes(reading.data)
