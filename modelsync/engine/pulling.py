"""Models by their URIs, without a manifest: into the store, or as plain files under a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from modelsync.engine import paths, plan
from modelsync.engine.context import Context
from modelsync.engine.paths import ModelFiles, arranged
from modelsync.engine.snapshot import Target, look
from modelsync.errors import NotSyncedError, UsageError
from modelsync.spec import uri as uris
from modelsync.spec.lockfile import LockedFile, LockedModel
from modelsync.spec.names import file_name, safe_path
from modelsync.spec.request import Request
from modelsync.spec.uri import HfUri, Reference, WebUri
from modelsync.store import blobs, links, roots, views
from modelsync.store.links import LinkMode


class Pulled(NamedTuple):
    """One URI's model, where its files are, and what became of it.

    `bytes` are those that were fetched; `changed` says whether anything had to be done for it.
    """

    uri: str
    model: LockedModel
    files: ModelFiles
    bytes: int
    changed: bool


class PullReport(NamedTuple):
    """What a pull came to, in the order of the URIs; bytes over the network, and not; notes for a person."""

    pulled: tuple[Pulled, ...]
    bytes_fetched: int = 0
    bytes_reused: int = 0
    notes: tuple[str, ...] = ()


def pull(
    context: Context,
    texts: Sequence[str],
    *,
    directory: Path | None = None,
    filename: str | None = None,
    link_mode: LinkMode = "auto",
) -> PullReport:
    """Makes what the URIs mean now be here, all of them side by side.

    Upstream is asked each time; what is here already is not fetched again. Offline, what a URI meant when it was
    last pulled is the answer.

    Args:
        context: What to work with.
        texts: The URIs; relative `file:` paths are relative to the working directory.
        directory: A folder for plain files, at `<user>/<repo>/<path>`; None: the store alone.
        filename: The one file's name in that folder.
        link_mode: How files come into that folder.

    Raises:
        UsageError: a file name without a folder, or for more than one file.
        NotSyncedError: offline, and a URI was never pulled.
    """
    if filename is not None and directory is None:
        raise UsageError("--filename names a file in a folder", hint="give --dir too")
    references = list(dict.fromkeys(uris.parse(text) for text in texts))
    models, notes, read = _remembered(context, references), (), 0
    if not context.offline:
        models, notes, read = _resolve(context, references)
    target = Target(directory.absolute(), link_mode, None) if directory is not None else None
    before = look(context, models, None)
    steps = plan.make(models, before, linked=False, exact=False)

    fetched, reused = 0, 0
    if steps.steps:
        from modelsync.engine.carrying import carry_out

        for reference, model in zip(references, models, strict=True):
            if _is_new(context, reference, model):
                roots.remember(context.store, str(reference), model.files)
        done = carry_out(context, steps, Path.cwd(), None)
        fetched, reused, notes = done.fetched, done.reused, notes + done.notes
    for reference, model in zip(references, models, strict=True):
        roots.remember(context.store, str(reference), model.files)
    placed, changed = _place(context, models, target, filename)
    by_model = dict.fromkeys(range(len(models)), 0)
    for step in steps.of("fetch"):
        by_model[next(index for index, model in enumerate(models) if model is step.model)] += step.bytes
    touched = {id(step.model) for step in steps.steps} | changed
    return PullReport(
        tuple(
            Pulled(str(reference), model, files, by_model[index], id(model) in touched)
            for index, (reference, model, files) in enumerate(zip(references, models, placed, strict=True))
        ),
        fetched + read,
        reused,
        notes,
    )


def files(context: Context, text: str, *, download: bool = True) -> ModelFiles:
    """The files of a URI: resolved and fetched once, answered without a network from then on.

    Raises:
        NotSyncedError: it was never pulled, and was not to be.
    """
    reference = uris.parse(text)
    known = roots.recall(context.store, str(reference))
    if known is not None:
        model = _model(reference, known)
        ready = views.ready(context.store, known)
        if ready is None:
            ready = paths.obtain(context, model, Path.cwd(), keep=lambda: None, download=download)
        return arranged(known, ready)
    if context.offline or not download:
        raise NotSyncedError(f"{reference} was never pulled here", hint=f"run `modelsync pull {reference}`")
    return pull(context, [text]).pulled[0].files


def _resolve(
    context: Context, references: Sequence[Reference]
) -> tuple[list[LockedModel], tuple[str, ...], int]:
    from modelsync.engine.reading import Asked, settle
    from modelsync.engine.resolving import Query, resolve_all

    requests = [Request(reference.uri, reference.revision) for reference in references]
    known = [roots.recall(context.store, str(reference)) or () for reference in references]
    answers = resolve_all(
        context, [Query(request, before) for request, before in zip(requests, known, strict=True)], Path.cwd()
    )
    asked = [
        Asked(_name(reference), request.to_dict(), answer, before)
        for reference, request, answer, before in zip(references, requests, answers, known, strict=True)
    ]
    reading = settle(context, asked, Path.cwd())
    models = [
        _model(reference, files)._replace(revision=answer.revision, license=answer.license)
        for reference, files, answer in zip(references, reading.files, answers, strict=True)
    ]
    notes = tuple(
        f"{reference}: {note}"
        for reference, answer in zip(references, answers, strict=True)
        for note in answer.notes
    )
    return models, notes + reading.notes, reading.fetched


def _remembered(context: Context, references: Sequence[Reference]) -> list[LockedModel]:
    if not context.offline:
        return []
    models = []
    for reference in references:
        known = roots.recall(context.store, str(reference))
        if known is None:
            raise NotSyncedError(f"{reference} was never pulled here", hint="pull it once without --offline")
        models.append(_model(reference, known))
    return models


def _model(reference: Reference, files: Sequence[LockedFile]) -> LockedModel:
    request = Request(reference.uri, reference.revision)
    return LockedModel(name=_name(reference), request=request.to_dict(), files=tuple(files))


def _name(reference: Reference) -> str:
    uri = reference.uri
    return uri.repo.rpartition("/")[2] if isinstance(uri, HfUri) else file_name(str(uri).rstrip("/"))


def _is_new(context: Context, reference: Reference, model: LockedModel) -> bool:
    """Whether nothing that is here would be forgotten by remembering what the URI means now."""
    known = roots.recall(context.store, str(reference))
    return known is None or views.ready(context.store, known) is None


def _place(
    context: Context, models: Sequence[LockedModel], target: Target | None, filename: str | None
) -> tuple[list[ModelFiles], set[int]]:
    """Where the files of each model are in the end, and which models (by identity) had to be placed there."""
    if target is None:
        return [
            arranged(
                model.files,
                views.ready(context.store, model.files) or views.view_paths(context.store, model.files),
            )
            for model in models
        ], set()
    if filename is not None and sum(len(model.files) for model in models) != 1:
        raise UsageError("--filename names one file, and this is more than one", hint="leave it out")
    placed, changed = [], set()
    for model in models:
        wanted = []
        for file in model.files:
            blob = blobs.find(context.store, file.sha256, file.size)
            assert blob is not None  # the plan was carried out
            place = safe_path(filename) if filename is not None else _place_of(model, file)
            wanted.append(links.Wanted(place, blob, file.sha256, file.size))
        records = links.owned(target.folder)
        if any(
            want.path not in records
            or records[want.path].sha256 != want.sha256
            or not links.intact(target.folder, want.path, records[want.path])
            for want in wanted
        ):
            changed.add(id(model))
            links.place(context.store, target.folder, wanted, mode=target.mode)
        placed.append(arranged(model.files, [target.folder / want.path for want in wanted]))
    return placed, changed


def _place_of(model: LockedModel, file: LockedFile) -> str:
    uri = uris.parse(model.request["uri"]).uri
    if isinstance(uri, HfUri):
        return f"{file.repo or uri.repo}/{file.path}"
    if isinstance(uri, WebUri):
        parts = urlsplit(file.url or uri.url)
        folder = unquote(parts.path).strip("/").rpartition("/")[0]
        return safe_path("/".join(filter(None, (parts.hostname or "", folder, file_name(file.path)))))
    return file_name(file.path)
