"""The quants of a repo, and where their files are. Those of a registry's repository are its tags that name quants."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError, NotFoundError, NotSyncedError, RefusedError
from modelsync.fetch import layer_rows
from modelsync.fetch.layer_list import listed as listed_files
from modelsync.fetch.wanted import WantedFile, wanted_file
from modelsync.spec import choose
from modelsync.spec.labels import quant_of
from modelsync.spec.names import file_name, listed, printable, safe_path
from modelsync.spec.request import NO_COMPANIONS, Companions, Request
from modelsync.spec.uri import HfUri, OciUri, Reference, Uri
from modelsync.spec.uri_forms import DOCKER_HUB
from modelsync.system.parallel import run_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelsync.sources.base import Resolution, Source
    from modelsync.sources.huggingface import HuggingFace
    from modelsync.sources.registry import Registry


_MOST_TAGS = 48  # of a repository that are looked at; each is a request


class RepoQuant(NamedTuple):
    """A model of a repo, and where its files are; `name` is its label, which no other has."""

    name: str
    uri: Uri
    files: tuple[WantedFile, ...]
    beside: tuple[WantedFile, ...] = ()  # its projector and adapters

    @property
    def all(self) -> tuple[WantedFile, ...]:
        """All its files."""
        return (*self.files, *self.beside)

    @property
    def size(self) -> int:
        """Bytes of the model's own files."""
        return sum(wanted.file.size or 0 for wanted in self.files)


class Candidates(NamedTuple):
    """The models of a repo that can be had.

    Attributes:
        commit: The repo's; empty for tags, of which each has a manifest of its own.
        quants: From small to large, each by a URI that names it alone.
        notes: What is wrong with those that were left out.
    """

    commit: str
    quants: tuple[RepoQuant, ...]
    notes: tuple[str, ...]


def list_quants(context: Context, reference: Reference, companions: Companions = NO_COMPANIONS) -> Candidates:
    """The models of a repo, without those that cannot be had: one whose parts are not all uploaded yet.

    Raises:
        NotFoundError: there is no such repo or revision, or it has no model.
        ModelsyncError: none of its models can be had; the first's error.
    """
    from modelsync.sources import request as requests
    from modelsync.sources import source_for
    from modelsync.sources.huggingface import check_owner

    if isinstance(reference.uri, OciUri):
        return _of_tags(context, reference.uri, companions)
    assert isinstance(reference.uri, HfUri)
    repo, sources, endpoint = reference.uri.repo, context.sources(), context.endpoint()
    source: HuggingFace = source_for(reference.uri, sources)  # type: ignore[assignment]
    at = source.hubs.repo(endpoint, repo, reference.revision)
    check_owner(at, reference.revision)
    files_there = source.hubs.files(endpoint, at)
    models = choose.models(
        tuple(files_there), {path: file.size for path, file in files_there.items() if file.size is not None}
    )
    if not models:
        choose.choose_model((), quant=None, path=None, repo=repo)
    found, errors = [], []
    for each in models:
        try:
            uri = HfUri(repo, quant=each.label) if each.by_quant else HfUri(repo, path=safe_path(each.path))
            request = Request(uri, at.commit, **companions._asdict())
            answer = requests.resolve(request, sources, folder=Path.cwd(), endpoint=endpoint)
        except (NotFoundError, RefusedError) as error:
            errors.append(error)
            continue
        found.append(_quant(each.label, request, answer, sources, endpoint))
    if not found:
        raise errors[0]
    quants = tuple(sorted(found, key=lambda quant: quant.size))
    return Candidates(at.commit, quants, tuple(error.message for error in errors))


def repo_of(uri: Uri) -> Uri | None:
    """The repo that a URI is of, or the registry's repository; None where there is nothing to choose among."""
    if isinstance(uri, HfUri):
        return HfUri(uri.repo)
    if isinstance(uri, OciUri) and uri.digest is None:
        return uri._replace(reference=":latest")
    return None


def shown_repo(uri: Uri) -> str:
    """What messages call a repo."""
    return f"oci://{uri.registry}/{uri.repository}" if isinstance(uri, OciUri) else str(uri)


def quant_tags(context: Context, uri: OciUri) -> tuple[str, ...]:
    """The tags of a repository that name quants, in the registry's order.

    Raises:
        ModelsyncError: the registry does not list its tags.
    """
    from modelsync.sources import source_for

    source: Registry = source_for(uri, context.sources())  # type: ignore[assignment]
    return tuple(tag for tag in source.models.tags(uri) if quant_of(tag) is not None)


def _of_tags(context: Context, uri: OciUri, companions: Companions) -> Candidates:
    """The models that a repository's tags name; several tags of one manifest are one."""
    from modelsync.sources import request as requests

    tags = quant_tags(context, uri)
    if not tags:
        raise NotFoundError(
            f"{shown_repo(uri)} has no tags that name quants", hint="name one of its tags behind a `:`"
        )
    sources = context.sources()

    def ask(tag: str) -> RepoQuant | ModelsyncError:
        request = Request(uri._replace(reference=f":{tag}"), **companions._asdict())
        try:
            answer = requests.resolve(request, sources, folder=Path.cwd(), endpoint=context.endpoint())
            if layer_rows.has_layers(answer):
                answer = listed_files(context, answer)
        except CancelledError:
            raise
        except NotSyncedError as error:  # it is in a tar of which no part can be read
            return NotSyncedError(
                f"{request.uri}: {error.message}", hint=f"`modelsync pull {request.uri}` brings it here"
            )
        except ModelsyncError as error:
            return error
        if any(file.role == "file" for file in answer.files):
            return RefusedError(f"{request.uri}: it is no GGUF model")
        return _quant(tag, request, answer, sources, context.endpoint())

    found: dict[tuple[str | None, ...], RepoQuant] = {}
    errors: list[ModelsyncError] = []
    for each in run_all(ask, tags[:_MOST_TAGS], name="tags", cancel=context.cancel):
        if isinstance(each, ModelsyncError):
            errors.append(each)
        else:
            found.setdefault(tuple(wanted.file.sha256 or wanted.file.url for wanted in each.files), each)
    if not found:
        raise errors[0]
    notes = [error.message for error in errors]
    if len(tags) > _MOST_TAGS:
        notes.append(
            f"of {len(tags)} tags the first {_MOST_TAGS} were looked at, not {listed(tags[_MOST_TAGS:])}"
        )
    if uri.registry == DOCKER_HUB:
        notes.append(f"Docker Hub counts this as {min(len(tags), _MOST_TAGS)} pulls")
    return Candidates("", tuple(sorted(found.values(), key=lambda quant: quant.size)), tuple(notes))


def _quant(
    name: str, request: Request, answer: "Resolution", sources: "Sequence[Source]", endpoint: str
) -> RepoQuant:
    """A model, and where its files are."""
    from modelsync.sources.request import owners

    files = tuple(
        wanted_file(printable(file_name(file.path)), file, owner, owner.locate(file, endpoint, Path.cwd()))
        for file, _, owner in owners(request.to_dict(), answer.files, sources)
    )
    model = tuple(wanted for wanted in files if wanted.file.role == "model")
    return RepoQuant(name, request.uri, model, files[len(model) :])
