"""All quants of a repo, side by side: which fit, and which is the best that does.

Of 16 MB of header one is read whole; of each other quant its first bytes and the window where its tensor infos
should be (`gguf.sibling`). Where that proves nothing, its header is read whole too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError, NetworkError, NotAModelError, UsageError
from modelsync.fetch import headers
from modelsync.fetch.range_reader import WindowReader
from modelsync.fetch.wanted import WantedFile
from modelsync.fit import machine as fit_machine
from modelsync.fit.candidates import RepoQuant, list_quants, repo_of, shown_repo
from modelsync.fit.estimation import EstimateOptions, Estimation, estimated, estimators_of, profile_of
from modelsync.fit.machine import Machine, machine
from modelsync.fit.model import model_header, with_companions
from modelsync.gguf.header import Header
from modelsync.gguf.reader import HeaderReader, NeedMore
from modelsync.gguf.sibling import START_BYTES, merged_sibling, reference_of, sibling, window_of
from modelsync.memory import placement, shape
from modelsync.memory.estimate import EstimatedModel, model_of
from modelsync.memory.load_settings import LLAMA_CPP_PYTHON, LoadSettings
from modelsync.spec.request import NO_COMPANIONS, Companions
from modelsync.spec.uri import HfUri, Reference
from modelsync.system.parallel import run_all

CONTEXT = 4096  # tokens that a model should have room for, where no option says how many
_PART_BYTES = 64 << 10  # of a part behind the first: it has a few keys and its own tensor infos


class Quants(NamedTuple):
    """The quants of a repo on one machine, from small to large.

    Attributes:
        title: The repo.
        revision: Its commit.
        rows: An estimation for each; `title` is its URI, `remedies` are left out.
        best: The largest that is all on the GPUs, or else the largest that fits; None if none does.
        notes: What a person should be told.
    """

    title: str
    revision: str
    rows: tuple[Estimation, ...]
    best: Estimation | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "title": self.title,
            "revision": self.revision,
            "rows": [row.to_dict() for row in self.rows],
            "best": None if self.best is None else self.best.quant,
            "notes": list(self.notes),
        }


def choosing(asked: EstimateOptions) -> EstimateOptions:
    """What is asked, with what a choice among quants goes by where nothing is: 4096 tokens, layers on GPUs as they fit.

    Another program's profile keeps its own.
    """
    if asked.profile not in (None, LLAMA_CPP_PYTHON.profile):
        return asked
    return asked._replace(
        context=CONTEXT if asked.context is None else asked.context,
        gpu_layers="auto" if asked.gpu_layers is None else asked.gpu_layers,
    )


def estimate_quants(
    context: Context,
    reference: Reference,
    asked: EstimateOptions | None = None,
    *,
    steady: bool = False,
    companions: Companions = NO_COMPANIONS,
) -> Quants:
    """What each quant of a repo will need.

    Args:
        context: What to work with.
        reference: An `hf:` URI, or that of a registry; a quant, a path or a tag in it is passed over.
        asked: What is asked over the defaults of a profile; see `choosing`.
        steady: Whether this machine counts with what it has, not with what is free now.
        companions: What is loaded with the model.

    Raises:
        UsageError: it is of no repo, or llama.cpp would refuse the settings.
        NotFoundError: there is no such repo or revision, or it has no quants.
        NotAModelError: none of its quants is a valid GGUF file; of those that are not, or lack parts, the notes tell.
        ModelsyncError: a header cannot be read.
    """
    uri = reference.uri
    repo = repo_of(uri)
    if repo is None:
        raise UsageError(f"{reference} is no repo: it has no quants to choose among")
    asked = choosing(asked or EstimateOptions())
    settings = asked.over(profile_of(asked.profile))
    commit, found, left_out = list_quants(context, Reference(repo, reference.revision), companions)
    read = _read(context, found)
    beside = _beside(context, found)
    with machine(settings.profile, ram=asked.ram, gpus=asked.gpus) as here:
        this = asked.ram is None and asked.gpus is None
        here = fit_machine.steady(here) if steady and this else here
        rows = tuple(
            _row(quant, header, beside, settings, here)
            for quant, header in zip(found, read, strict=True)
            if isinstance(header, Header)
        )
    bad = tuple(error.message for error in read if not isinstance(error, Header))
    fitting = [row for row in rows if row.verdict.fits]
    if steady and this:
        names = {row.quant for row in fitting}
        context.known_to_fit.update(
            wanted.file.sha256 or "" for quant in found if quant.name in names for wanted in quant.all
        )
    return Quants(shown_repo(repo), commit, rows, best_of(rows), (*here.notes, *left_out, *bad))


def best_of(rows: Sequence[Estimation]) -> Estimation | None:
    """The best of a repo's quants: the largest that is all on the GPUs, or else the largest that fits.

    Args:
        rows: From small to large.
    """
    fitting = [row for row in rows if row.verdict.fits]
    on_gpus = [row for row in fitting if row.estimate.gpu_layers == row.estimate.layers]
    return next(reversed(on_gpus or fitting), None)


def largest_fitting(
    context: Context, reference: Reference, model: EstimatedModel, settings: LoadSettings, here: Machine
) -> str | None:
    """The largest quant of a model's repo that is smaller and fits with the same settings, by its own header.

    Args:
        context: What to work with.
        reference: Where the model is from.
        model: The model, which does not fit, with what is loaded beside it.
        settings: How it would be loaded.
        here: The machine.

    Returns:
        Its name; None: none fits, or that cannot be found out.
    """
    uri, size = reference.uri, model.header.file_size
    if not isinstance(uri, HfUri) or not context.asks_origin or size is None:
        return None
    known = reference_of([model.header], model.header) if model.header.parts == 1 else None
    try:
        found = list_quants(context, Reference(HfUri(uri.repo), reference.revision)).quants
        smaller = [quant for quant in reversed(found) if 0 < quant.size < size]
        read = _read(context, smaller, known) if smaller else []
    except CancelledError:
        raise
    except ModelsyncError:
        return None  # it was only to be a hint
    for quant, header in zip(smaller, read, strict=True):
        if isinstance(header, Header):
            need = estimators_of(model_of(header, model.companions), here).exact(settings)
            if placement.verdict(need).fits:
                return quant.name
    return None


def _row(
    quant: RepoQuant, header: Header, beside: Mapping[str, Header], settings: LoadSettings, here: Machine
) -> Estimation:
    model = with_companions(header, [(wanted, beside[wanted.key]) for wanted in quant.beside])
    return estimated(str(quant.uri), quant.name, model, settings, here)


# --- headers -----------------------------------------------------------------------------------------


def _read(
    context: Context, quants: Sequence[RepoQuant], reference: Header | None = None
) -> list[Header | NotAModelError]:
    """The header of each quant: of one whole, of the others what tells them from it; or what is wrong with one.

    Args:
        context: What to work with.
        quants: Of one repo.
        reference: Another quant's header, from `reference_of`; then none has to be read whole.

    Raises:
        NotAModelError: none of them is a valid one.
    """
    found: dict[str, Header | NotAModelError] = {}
    for quant in sorted(quants, key=lambda quant: not _is_local(context, quant)):
        if reference is not None:
            break
        try:
            parts = headers.read_all(context, quant.files)
            found[quant.name] = whole = model_header(parts, str(quant.uri))
        except NotAModelError as error:
            found[quant.name] = error
            continue
        reference = reference_of(parts, whole)
    if reference is None:
        raise next(error for error in found.values() if isinstance(error, NotAModelError))

    def read(quant: RepoQuant) -> Header | NotAModelError:
        if quant.name in found:
            return found[quant.name]
        try:
            if not _is_local(context, quant) and (near := _by_windows(context, quant, reference)) is not None:
                shape.check(near, str(quant.uri))
                return near
            return model_header(headers.read_all(context, quant.files), str(quant.uri))
        except NotAModelError as error:
            return error

    return run_all(read, quants, name="quant", cancel=context.cancel)


def _beside(context: Context, quants: Sequence[RepoQuant]) -> dict[str, Header]:
    """The headers of projectors and adapters, each read once, by the files' keys."""
    files = {wanted.key: wanted for quant in quants for wanted in quant.beside}
    return dict(zip(files, headers.read_all(context, list(files.values())), strict=True))


def _is_local(context: Context, quant: RepoQuant) -> bool:
    """Whether its headers can be read without a network."""
    return all(headers.is_local(context, wanted) for wanted in quant.files)


def _by_windows(context: Context, quant: RepoQuant, reference: Header) -> Header | None:
    """The header by small ranges of its files; None where that proves nothing, or cannot be done."""
    if any(len(wanted.segments) != 1 or wanted.file.size is None for wanted in quant.files):
        return None
    try:
        first = _first_part(context, quant.files[0], reference)
        rest = [_part(context, wanted) for wanted in quant.files[1:]]
    except (CancelledError, NotAModelError):
        raise
    except NetworkError as error:
        raise quant.files[0].explain(error) from error
    except ModelsyncError:
        return None
    if first is None or None in rest:
        return None
    if not rest:
        return first
    return merged_sibling(reference, [first, *(part for part in rest if part is not None)])


def _first_part(context: Context, wanted: WantedFile, reference: Header) -> Header | None:
    size = wanted.file.size
    assert size is not None
    window = window_of(reference, size)
    if size < START_BYTES or window.end <= window.start:
        return None
    reader = WindowReader(context, wanted)
    start = reader.read(0, START_BYTES)
    data = reader.read(window.start, window.end) if start is not None else None
    return sibling(reference, start, window, data, size) if start is not None and data is not None else None


def _part(context: Context, wanted: WantedFile) -> Header | None:
    """The header of a part behind the first, which has no vocabulary."""
    assert wanted.file.size is not None
    data = WindowReader(context, wanted).read(0, min(_PART_BYTES, wanted.file.size))
    if data is None:
        return None
    answer = HeaderReader(wanted.label, size=wanted.file.size).feed(data)
    return None if isinstance(answer, NeedMore) else answer
