"""Finds the files of a model that a command was given by name, URI or path, and where their bytes are.

A name of the manifest means its locked files; a URI what it means now (or meant when it was pulled, where the network
is ruled out); a path the file there. What of it is on this machine is taken from there. Nothing is read yet.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from modelsync.context import Context
from modelsync.errors import ManifestError, NotFoundError, NotSyncedError, StaleLockError
from modelsync.fetch.wanted import WantedFile, wanted_file
from modelsync.fit import variants
from modelsync.install import present
from modelsync.project import model_files
from modelsync.project.model_files import ModelFiles
from modelsync.project.project import Project
from modelsync.sources.base import Found, FoundPiece
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.names import file_name, printable, safe_path
from modelsync.spec.parts import joined_name, siblings
from modelsync.spec.request import Request
from modelsync.spec.roles import Role
from modelsync.spec.uri import FileUri, Reference, WebUri
from modelsync.store import pulled

if TYPE_CHECKING:
    from modelsync.project.selection import Variant
    from modelsync.sources.base import Resolution


class Subject(NamedTuple):
    """A model, and where the bytes of its files are.

    Attributes:
        title: The name or the URI.
        files: Its files: parts in order, projector, adapters.
        license: As its source names it.
        notes: What a person should be told: a choice that was made for them.
        digests: The sha256 of locked files that are here, by path.
    """

    title: str
    files: tuple[WantedFile, ...]
    license: str | None = None
    notes: tuple[str, ...] = ()
    digests: Mapping[str, str] = {}

    def of(self, role: Role) -> tuple[WantedFile, ...]:
        """The files of one role."""
        return tuple(wanted for wanted in self.files if wanted.file.role == role)


def find(
    context: Context, text: str, find_project: Callable[[], Project], *, variant: "Variant" = None
) -> Subject:
    """What a name, a URI or a path is about.

    Args:
        context: What to work with.
        text: A name of the manifest, a URI or a path.
        find_project: Finds the project; called for a name that the environment does not answer.
        variant: The variant of the name.

    Raises:
        NotFoundError: there is no such name, file, repo or revision.
        StaleLockError: the lock does not answer the manifest.
        NotSyncedError: the network is ruled out, and nothing here tells what the URI means.
    """
    if not model_files.is_name(text):
        return _by_uri(context, context.reference(text))
    named = model_files.from_environment(text)
    if named is not None:
        return Subject(text, tuple(_named(text, named)))
    try:
        return _by_name(context, find_project(), text, variant)
    except StaleLockError as error:
        error.advise("or `modelsync lock`, which fetches no model")
        raise
    except (ManifestError, NotFoundError) as error:
        if Path(text).is_file():
            error.advise(f"`./{printable(text)}` names the file here")
        raise


def _named(text: str, files: ModelFiles) -> Iterable[WantedFile]:
    """The files that the environment names for a model."""
    for role, place in model_files.with_roles(files):
        own = place.relative_to(files.folder).as_posix() if files.folder is not None else None
        yield present.local_file(text, role, place, own)


def _by_name(context: Context, project: Project, name: str, variant: "Variant") -> Subject:
    known = variants.find(context, project, name, variant)
    digests = {file.path: file.sha256 for file in known.model.files}
    files = present.files_of(context, project, known)
    return Subject(known.model.title, files, known.model.license, digests=digests)


def _by_uri(context: Context, reference: Reference) -> Subject:
    request = Request(reference.uri, reference.revision)
    files: Sequence[Found | LockedFile]
    license_: str | None = None
    notes: tuple[str, ...] = ()
    if not context.asks_origin and not reference.uri.is_local:
        known = pulled.recall(context.store, str(reference))
        if known is None:
            raise pulled.unknown(
                str(reference),
                hint="leave out --offline, or name a model of the manifest: what is locked is known",
            )
        files = known
    elif isinstance(reference.uri, WebUri):
        files = _at_url(reference.uri)
    elif isinstance(reference.uri, FileUri):
        from modelsync.sources.request import resolve

        files = resolve(request, context.sources(), folder=Path.cwd()).files
    else:
        from modelsync.resolve.resolver import Query, resolve_all

        (answer,) = resolve_all(context, [Query(request)], Path.cwd())
        files, license_, notes = _unpacked(context, reference, answer), answer.license, answer.notes
    return Subject(str(reference), tuple(_located(context, request, files)), license_, notes)


def _unpacked(context: Context, reference: Reference, answer: "Resolution") -> "Sequence[Found]":
    """The files of an answer; those of tar layers as a pull has read them, else as the headers of the tars tell.

    Raises:
        NotSyncedError: no pull has, and a tar is compressed.
    """
    from modelsync.fetch import layer_rows

    if not layer_rows.has_layers(answer):
        return answer.files
    known = layer_rows.known(answer, pulled.recall(context.store, str(reference)) or ())
    if known is not None:
        return known.files
    from modelsync.fetch.layer_list import listed
    from modelsync.sources.registry_errors import about

    try:
        with about(reference.uri):
            return listed(context, answer).files
    except NotSyncedError as error:
        raise NotSyncedError(
            f"{reference}: {error.message}", hint=f"`modelsync pull {reference}` brings it here"
        ) from error


def _located(context: Context, request: Request, files: Sequence[Found | LockedFile]) -> Iterable[WantedFile]:
    from modelsync.sources.request import owners

    folder = Path.cwd()
    for file, _, source in owners(request.to_dict(), files, context.sources()):
        segments = source.locate(file, context.endpoint(), folder)
        yield wanted_file(printable(file_name(file.path)), file, source, segments)


def _at_url(uri: WebUri) -> tuple[Found, ...]:
    """The file at a URL with those that belong together with it. Makes no request: the first range tells the size."""
    base, mark, query = uri.url.partition("?")
    pieces = tuple(
        FoundPiece(safe_path(WebUri(part).name), f"{part}{mark}{query}", None, None)
        for part in siblings(base)
    )
    joined = joined_name(file_name(urlsplit(base).path))
    if joined is not None:
        return (Found("model", safe_path(WebUri(joined).name), None, None, None, pieces=pieces),)
    return tuple(Found("model", piece.path, piece.url, None, None) for piece in pieces)
