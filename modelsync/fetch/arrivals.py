"""Files that have arrived: checked once more for what they are, and published."""

import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import ModelsyncError, StoreError
from modelsync.fetch.file_check import check_file, claim_of
from modelsync.fetch.wanted import WantedFile
from modelsync.store import blobs
from modelsync.store.receipts import BlobOrigin
from modelsync.store.small_blobs import SmallBlob, SmallBlobs

if TYPE_CHECKING:
    from modelsync.sources.base import Found, FoundPiece
    from modelsync.spec.lock.model import LockedFile, Piece
    from modelsync.store.digest_lock import Held
    from modelsync.transfer.jobs import Fetched, Job


class Arrival(NamedTuple):
    """A file that has arrived, and the right to publish it."""

    job: "Job"
    fetched: "Fetched"
    wanted: WantedFile
    hold: "Held"
    stack: ExitStack


class Arrivals:
    """Takes files that have arrived, in several threads.

    Args:
        context: What to work with.
        small: Publishes those that are in memory.
        on_read: Called for each file before it is published, in one thread at a time; None: for none.
    """

    def __init__(
        self,
        context: Context,
        small: SmallBlobs,
        on_read: "Callable[[WantedFile, Fetched], None] | None",
    ) -> None:
        self._context = context
        self._small = small
        self._on_read = on_read
        self._guard = threading.Lock()

    def take(self, arrived: "Sequence[Arrival]") -> dict[str, ModelsyncError]:
        """Checks and publishes files; returns the errors, by key."""
        errors: dict[str, ModelsyncError] = {}
        with (
            self._guard if self._on_read is not None else nullcontext()
        ):  # two may turn out to be the same file
            ready = []
            for one in arrived:
                try:
                    one.hold.confirm()
                    self._check(one.wanted, one.fetched)
                    if self._on_read is not None:
                        self._on_read(one.wanted, one.fetched)
                    ready.append(one)
                except ModelsyncError as error:
                    errors[one.wanted.key] = error
            try:
                self._publish(ready)
            except ModelsyncError as error:
                errors |= {one.wanted.key: error for one in ready}
        return errors

    def _check(self, wanted: WantedFile, fetched: "Fetched") -> None:
        """Refuses what must not be published, wherever it came from and whatever a lock says; nothing of it stays."""
        try:
            data = fetched.path if fetched.data is None else fetched.data
            check_file(self._context, claim_of(wanted), data, wanted.allow_code)
        except StoreError:
            raise
        except ModelsyncError:
            shutil.rmtree(fetched.path.parent, ignore_errors=True)
            raise

    def _publish(self, arrived: "Sequence[Arrival]") -> None:
        """Publishes files: each that is on the disk by itself, those in memory together."""
        store, small = self._context.store, []
        for one in arrived:
            file, fetched = one.wanted.file, one.fetched
            origin = BlobOrigin(file.path, file.repo, file.revision, file.url, _said(file, fetched))
            sha256, blocks = fetched.sha256, fetched.blocks
            if fetched.data is not None:
                small.append(SmallBlob(sha256, fetched.data, blocks, origin))
            else:
                blobs.publish(
                    store, fetched.path, sha256=sha256, blocks=blocks, origin=origin, shared=fetched.shared
                )
        if small:
            self._small.publish(small)


def _said(file: "LockedFile | Found", fetched: "Fetched") -> str | None:
    """What the source said of a file whose sha256 it does not publish; None if it said too little."""
    from modelsync.spec.confirmation import Said, confirmation

    known = file.sha256 is not None  # then the ETags are the lock's, and nothing was asked before
    if not file.pieces:
        # The answer's own ETag has to be that one: the file may have changed since its source was asked.
        seen = fetched.etag if not known or fetched.fetched == fetched.size else None
        etag = file.etag if file.etag == seen else None
        return confirmation([Said(fetched.sha256, False, file.url, etag)])
    pieces: Sequence[Piece | FoundPiece] = file.pieces
    if len(fetched.pieces) != len(pieces):
        return None
    return confirmation(
        Said(
            sha256,
            piece.sha256 == sha256 and (not known or piece.etag == sha256),
            piece.url,
            None if known else piece.etag,
        )
        for piece, sha256 in zip(pieces, fetched.pieces, strict=True)
    )
