"""The quants of a repo, and where their files are."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import NotFoundError, RefusedError
from modelsync.fetch.wanted import WantedFile, wanted_file
from modelsync.spec import choose
from modelsync.spec.names import file_name, printable, safe_path
from modelsync.spec.request import NO_COMPANIONS, Companions, Request
from modelsync.spec.uri import HfUri, Reference

if TYPE_CHECKING:
    from modelsync.sources.huggingface import HuggingFace


class RepoQuant(NamedTuple):
    """A model of a repo, and where its files are; `name` is its label, which no other has."""

    name: str
    uri: HfUri
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
        commit: The repo's.
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
        files = tuple(
            wanted_file(
                printable(file_name(file.path)), file, owner, owner.locate(file, endpoint, Path.cwd())
            )
            for file, _, owner in requests.owners(request.to_dict(), answer.files, sources)
        )
        model = tuple(wanted for wanted in files if wanted.file.role == "model")
        found.append(RepoQuant(each.label, uri, model, files[len(model) :]))
    if not found:
        raise errors[0]
    quants = tuple(sorted(found, key=lambda quant: quant.size))
    return Candidates(at.commit, quants, tuple(error.message for error in errors))
