"""Models by their URIs, without a manifest: into the store, or as plain files under a folder."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.context import Context
from modelsync.errors import ModelsyncError, UsageError
from modelsync.fetch import disk_space
from modelsync.fit import preflight
from modelsync.install import link, plan, snapshot
from modelsync.install.target import Standing, Target
from modelsync.ops import pull_places
from modelsync.ops.failures import Failures
from modelsync.ops.options import PLAIN_PULL, PullOptions
from modelsync.ops.pulled_request import model_of, recall, remember, request_of, title_of
from modelsync.project.model_files import ModelFiles, of_model
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.request import Request
from modelsync.store import link_folder, views
from modelsync.store import pulled as store_pulled
from modelsync.store.brought import Brought
from modelsync.store.links import LinkMode

if TYPE_CHECKING:
    from modelsync.sources.base import Resolution

_NO_LOAD: Mapping[str, Any] = {}  # what is pulled has no load settings


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
    """The result of a pull, in the order of the URIs; bytes over the network, and not; notes for a person.

    `warnings` are what a person was told before anything was fetched: of models that cannot fit this machine. `brought`
    is what came into the store, and from where. `given` is how many files were put into the Hugging Face cache, None if
    none were to be; `left_out` tells what was not.
    """

    pulled: tuple[Pulled, ...]
    bytes_fetched: int = 0
    bytes_reused: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    brought: tuple[Brought, ...] = ()
    given: int | None = None
    left_out: tuple[str, ...] = ()


def pull(
    context: Context,
    texts: Sequence[str],
    *,
    directory: Path | None = None,
    filename: str | None = None,
    link_mode: LinkMode = "auto",
    asked: PullOptions = PLAIN_PULL,
    offered: bool = True,
) -> PullReport:
    """Makes what the URIs mean now be here, all of them side by side.

    Upstream is asked each time; what is here already is not fetched again. Offline, what a URI meant when it was
    last pulled is the answer.

    Args:
        context: What to work with.
        texts: The URIs; relative `file:` paths are relative to the working directory.
        directory: A folder for plain files, at `<user>/<repo>/<path>`, with a revision at
            `<user>/<repo>@<revision>/<path>`; None: the store alone.
        filename: The one file's name in that folder.
        link_mode: How files come into that folder.
        asked: Which files of each repo are wanted, at which revision, and whether anything is fetched at all.
        offered: Whether what is pulled is put into the Hugging Face cache too, if that is wanted.

    Raises:
        UsageError: a file name without a folder, or for more than one file; two URIs whose files would have one
            place in the folder; globs for what is no whole repo.
        NotSyncedError: offline, and a URI was never pulled.
        MisfitError: a model does not fit this machine, and the context requires that.
        ModelsyncError: the first by URI of those that could not be had, with all errors and the report.
    """
    if filename is not None and directory is None:
        raise UsageError("--filename names a file in a folder", hint="give --dir too")
    if filename is not None and asked.globs.include:
        raise UsageError(
            "--filename names one file, and --include makes a folder", hint="leave one of them out"
        )
    each = [request_of(context, text, asked) for text in texts]
    requests = list(dict.fromkeys(each))
    if filename is not None and len(requests) != 1:
        raise UsageError("--filename names one file", hint="pull one URI at a time with it")
    failures = Failures(named=len(requests) > 1)
    if not context.asks_origin:
        meant = _remembered(context, requests, failures)
    else:
        meant = _resolve(context, requests, failures, asked)
    requests, models = meant.requests, meant.models
    target = Target(directory.absolute(), link_mode, None) if directory is not None else None
    places = pull_places.places(models, filename) if target is not None else ()
    here = snapshot.look(context, models, None)
    standing = Standing()
    if target is not None:
        standing = snapshot.standing(target.folder, _each_place(models, places), here)
    here = here._replace(copies=frozenset(standing.files))
    steps = plan.make(models, here, linked=False, exact=False)
    fetched, reused, notes = meant.fetched, 0, meant.notes
    warnings: tuple[str, ...] = ()
    brought: tuple[Brought, ...] = ()
    titles = {id(model): title_of(request) for request, model in zip(requests, models, strict=True)}
    lost: set[int] = set()

    def on_error(model: LockedModel, error: ModelsyncError) -> None:
        lost.add(id(model))
        failures.add(titles[id(model)], error)

    if steps.steps and not asked.dry_run:
        from modelsync.install.execute import carry_out

        described = [(title_of(each), model, _NO_LOAD) for each, model in zip(requests, models, strict=True)]
        warnings = preflight.check_plan(context, steps, described, Path.cwd(), on_error)
        room = disk_space.Room(context.store)
        for index, model in enumerate(models):
            if id(model) in lost:
                continue
            coming = [step for step in steps.of("fetch", "adopt") if step.model is model]
            full = room.take(
                [(step.target, step.room) for step in coming],
                _copies(context, models[index : index + 1], places[index:][:1], target),
                disk_space.largest_layer(
                    (step.file.url, step.room) for step in coming if step.file is not None
                ),
            )
            if full is not None:
                on_error(model, full)
        steps = plan.Plan(tuple(step for step in steps.steps if id(step.model) not in lost))
        # Prune must know the digests before the first byte; but what a URI meant before stays known while it is here.
        remember(context, requests, models, unless_here=True)
        done = carry_out(
            context,
            steps._replace(allowed={model.key: asked.globs.allow_code for model in models}),
            Path.cwd(),
            None,
            copies=_copies(context, models, places, target, lost),
            on_error=on_error,
            standing=standing,
        )
        brought = done.brought
        fetched, reused, notes = fetched + done.fetched, done.reused, notes + done.notes
    if target is not None and not asked.dry_run:
        link_folder.sweep(target.folder)  # also where nothing is to be linked
    pulled = {}
    for index, (request, model) in enumerate(zip(requests, models, strict=True)):
        if id(model) in lost:
            continue
        if not asked.dry_run:
            remember(context, (request,), (model,))
        mine = [step for step in steps.steps if step.model is model]
        if target is None:
            where, placed = of_model(model.files, views.view_paths(context.store, model.files)), False
        else:
            where = of_model(model.files, [target.folder / place for place in places[index]])
            linked = list(zip(model.files, places[index], strict=True))
            placed = not link.is_linked(context, target, linked)
            try:
                if placed and not asked.dry_run:
                    link.link(context, target, linked)
            except ModelsyncError as error:
                on_error(model, error)
                continue
        wire = sum(step.bytes for step in mine if step.verb == "fetch")
        pulled[request] = Pulled(title_of(request), model, where, wire, bool(mine) or placed)
    changed = (one.model for one in pulled.values() if one.changed)
    reused += max(0, plan.bytes_here(changed, here) - meant.fetched)
    there = tuple(pulled[request] for request in each if request in pulled)
    report = PullReport(there, fetched, reused, notes, warnings, brought)
    if offered and not asked.dry_run and context.hf_cache:
        from modelsync.ops import hf_cache

        gave = hf_cache.offer(context, [one.model for one in pulled.values()])
        report = report._replace(given=len(gave.put), left_out=gave.notes)
    failures.raise_first(report)
    return report


class _Meant(NamedTuple):
    """What the requests mean, in order; those that could not be looked up are left out."""

    requests: list[Request]
    models: tuple[LockedModel, ...]
    notes: tuple[str, ...] = ()
    fetched: int = 0


def _resolve(
    context: Context, requests: Sequence[Request], failures: Failures, options: PullOptions
) -> _Meant:
    from modelsync.resolve.pin import settle
    from modelsync.resolve.published import learn
    from modelsync.resolve.resolved import ResolvedRequest
    from modelsync.resolve.resolver import Query, resolve_each

    queries = [Query(request, recall(context, request) or ()) for request in requests]
    resolved: list[tuple[Request, ResolvedRequest]] = []
    answers = resolve_each(context, queries, Path.cwd())
    if not options.dry_run:
        learn(context, zip((query.request for query in queries), answers, strict=True))
    for query, answer in zip(queries, answers, strict=True):
        if isinstance(answer, ModelsyncError):
            failures.add(title_of(query.request), answer)
        else:
            asked = ResolvedRequest(
                query.request.uri.short_name,
                query.request.to_dict(),
                answer,
                query.previous,
                options.globs.allow_code,
            )
            resolved.append((query.request, asked))
    reading = settle(
        context,
        [asked for _, asked in resolved],
        Path.cwd(),
        read=not options.dry_run,
        on_error=lambda index, error: failures.add(title_of(resolved[index][0]), error),
    )
    notes = tuple(f"{asked.name}: {note}" for _, asked in resolved for note in asked.answer.notes)
    models = {
        request: _pulled_model(request, files, asked.answer)
        for (request, asked), files in zip(resolved, reading.files, strict=True)
        if title_of(request) not in failures
    }
    return _Meant(list(models), tuple(models.values()), notes + reading.notes, reading.fetched)


def _pulled_model(request: Request, files: Sequence[LockedFile], answer: "Resolution") -> LockedModel:
    """What a pull has found; files out of layers remember the manifest, which spares reading them again."""
    from modelsync.fetch.layer_rows import with_manifest

    model = model_of(request, files)._replace(revision=answer.revision, license=answer.license)
    return model._replace(files=with_manifest(model))


def _remembered(context: Context, requests: Sequence[Request], failures: Failures) -> _Meant:
    models = {}
    for request in requests:
        known = recall(context, request)
        if known is None:
            error = store_pulled.unknown(title_of(request), hint="pull it once without --offline")
            failures.add(title_of(request), error)
        else:
            models[request] = model_of(request, known)
    return _Meant(list(models), tuple(models.values()))


def _each_place(
    models: Sequence[LockedModel], places: Sequence[Sequence[str]]
) -> Iterator[tuple[LockedFile, str]]:
    """All files of the models, each with its place in the folder."""
    for model, own in zip(models, places, strict=True):
        yield from zip(model.files, own, strict=True)


def _copies(
    context: Context,
    models: Sequence[LockedModel],
    places: Sequence[Sequence[str]],
    target: Target | None,
    lost: Collection[int] = (),
) -> list[tuple[Path, int]]:
    if target is None:
        return []
    files = [
        (place, file.size)
        for model, own in zip(models, places, strict=True)
        if id(model) not in lost
        for place, file in zip(own, model.files, strict=True)
    ]
    return disk_space.of_copies(context.store, target.folder, target.mode, files)
