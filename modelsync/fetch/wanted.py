"""The files that are wanted in the store, and where their bytes are."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import CancelledError, HttpStatusError, ModelsyncError
from modelsync.spec.hub_urls import commit_of
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.names import file_name, printable
from modelsync.store import blobs, layout, published

if TYPE_CHECKING:
    from modelsync.sources.base import Found, Moved, Source
    from modelsync.spec.mirror import Mirror
    from modelsync.transfer.jobs import Guess, Segment


class WantedFile(NamedTuple):
    """A file that is wanted in the store.

    Attributes:
        label: What progress and errors call it.
        file: What is known of it; without a sha256, it is read to learn it.
        segments: Where its bytes are.
        explain: Puts a source's errors into words that say what to do.
        copies: Files in the folder it is to appear in that may have its bytes; their digest decides.
        folder: What people call that folder: `models/`.
        guesses: Where some of its bytes may be copied from; its digest decides.
        allow_code: Globs of files that may run code when they are loaded, as the manifest's entry has them.
        names_data: Whether a model beside it may keep its weights in it; see `content.policy.named_data`.
        mirror: The mirror that its bytes are at; None: its source.
        confirmed: Tells whether the file's origin publishes it with its sha256; it may be asked.
        relocate: Asks where else its source has it, if its commit is gone; None: there is no commit.
    """

    label: str
    file: "LockedFile | Found"
    segments: "tuple[Segment, ...]"
    explain: Callable[[ModelsyncError], ModelsyncError]
    copies: tuple[Path, ...] = ()
    folder: str = ""
    guesses: "tuple[Guess, ...]" = ()
    relocate: "Callable[[], Moved | None] | None" = None
    allow_code: tuple[str, ...] = ()
    names_data: bool = False
    mirror: "Mirror | None" = None
    confirmed: "Callable[[], bool]" = lambda: False

    @property
    def key(self) -> str:
        """What its partial and its lock are called: its digest, else its address."""
        return self.file.sha256 or layout.url_key(" ".join(segment.url for segment in self.segments))

    def elsewhere(self) -> "Moved | None":
        """Where its source has the same bytes, if its commit is gone; None: nowhere, or that cannot be found out."""
        try:
            moved = self.relocate() if self.relocate is not None else None
        except CancelledError:
            raise
        except ModelsyncError:
            return None  # why the lock's commit could not be had says more
        return None if moved is None or moved.segments == self.segments else moved

    def moved_note(self, moved: "Moved") -> str:
        """What a person is told where the bytes came from elsewhere."""
        return (
            f"{self.label}: the commit of the lock is gone upstream, and the same bytes came from "
            f"{moved.commit[:7]}; `modelsync lock --upgrade` settles it"
        )


_GONE = frozenset({404, 410})


def is_gone(error: ModelsyncError) -> bool:
    """Whether a source itself says that there is no such file; a CDN that says so had an old address."""
    return isinstance(error, HttpStatusError) and error.status in _GONE and not error.redirected


def wanted_files(
    context: Context,
    model: LockedModel,
    files: Iterable[LockedFile],
    folder: Path,
    allow_code: tuple[str, ...] = (),
) -> Iterable[WantedFile]:
    """The needs for some files of a locked model; `folder` is the manifest's, `allow_code` the entry's."""
    from modelsync.content.policy import named_data
    from modelsync.sources.request import owners

    endpoint = context.endpoint(model.request.get("endpoint"))
    wanted = set(files)
    data = named_data([file.path for file in model.files])
    confirmer = Confirmer(context, endpoint)
    for file, reference, source in owners(model.request, model.files, context.sources()):
        if file in wanted:
            found = wanted_file(label(model.name, file), file, source, source.locate(file, endpoint, folder))
            yield found._replace(
                relocate=partial(source.relocate, file, reference, endpoint),
                allow_code=allow_code,
                names_data=file.path in data,
                confirmed=partial(confirmer.confirms, source, file),
            )


class Confirmer:
    """Finds out whether files' origins publish them with the digests that a lock gives them.

    What a hub was seen to publish is not asked again, and a hub that cannot be asked is asked once.

    Args:
        context: What to work with.
        endpoint: The hub.
    """

    def __init__(self, context: Context, endpoint: str) -> None:
        self._context = context
        self._endpoint = endpoint
        self._failed = False

    def confirms(self, source: "Source", file: "LockedFile | Found") -> bool:
        """Whether a file's source publishes it with its sha256."""
        if file.sha256 is None or file.size is None or file.pieces:
            return False
        commit = commit_of(file.url)
        if commit is not None:
            known = published.read(self._context.store, self._endpoint, *commit)
            seen = known.files.get(file.path)
            if seen is not None:
                return seen.etag == file.sha256 and seen.size == file.size
        if self._failed or not self._context.asks_origin:
            return False
        try:
            found = source.publishes(file, self._endpoint)
        except CancelledError:
            raise
        except ModelsyncError:
            self._failed = True
            return False
        if found and commit is not None:
            said = {file.path: published.PublishedFile(file.sha256, file.size)}
            published.note(self._context.store, self._endpoint, *commit, said)
        return found


def wanted_file(
    name: str, file: "LockedFile | Found", source: "Source", segments: "tuple[Segment, ...]"
) -> WantedFile:
    """A file, as `name`, from its source, which explains what goes wrong."""
    return WantedFile(name, file, segments, lambda error: source.explain(error, segments[0].url))


def blob_of(context: Context, file: "LockedFile | Found") -> Path | None:
    """The path of the file's blob; None where it is missing or suspect, or the digest is not known."""
    return blobs.find(context.store, file.sha256, file.size) if file.sha256 else None


def label(name: str, file: "LockedFile | Found") -> str:
    """What progress calls a file: the model's name and its own, once where they are the same.

    Two files of a folder model may have one name in two folders: its files are called by their paths.
    """
    own = printable(file.path if file.role == "file" else file_name(file.path))
    return own if own == name else f"{name}: {own}"
