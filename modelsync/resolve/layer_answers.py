"""Answers whose files are in tar layers: known from the lock, or read."""

from collections.abc import Callable, Sequence
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError
from modelsync.fetch.wanted import WantedFile, label, wanted_file
from modelsync.fit import preflight
from modelsync.resolve.resolved import ResolvedRequest


def without_layers(
    context: Context,
    asked: Sequence[ResolvedRequest],
    folder: Path,
    *,
    read: bool,
    keep: Callable[[str], None] | None,
    fail: Callable[[int, ModelsyncError], None],
) -> tuple[Sequence[ResolvedRequest], tuple[str, ...], int]:
    """The requests with the files of tar layers in the place of the layers; notes, and the bytes that it took."""
    if not any(file.layer is not None for ask in asked for file in ask.answer.files):
        return asked, (), 0
    from modelsync.fetch import layer_rows
    from modelsync.resolve import layers
    from modelsync.sources.request import owners

    done: list[ResolvedRequest] = []
    notes: tuple[str, ...] = ()
    total = 0
    for index, ask in enumerate(asked):
        answer = ask.answer
        if layer_rows.has_layers(answer):
            try:
                same = layer_rows.known(answer, ask.previous)
                if same is not None:
                    answer = same
                elif read:
                    _require_fit(context, ask, folder)
                    source = owners(ask.request, answer.files, context.sources())[0].source
                    found = layers.read(context, ask.name, answer, source, ask.allow_code, keep)
                    answer, notes, total = found.answer, notes + found.notes, total + found.fetched
            except CancelledError:
                raise
            except ModelsyncError as error:
                fail(index, error)
                answer = answer._replace(files=())
        done.append(ask._replace(answer=answer))
    return done, notes, total


def _require_fit(context: Context, ask: ResolvedRequest, folder: Path) -> None:
    """Warns of a model in tar layers that does not fit this machine, before it is read.

    Raises:
        MisfitError: it does not, and the context requires that.
    """
    from modelsync.fetch.layer_list import listed
    from modelsync.sources.request import owners

    def files() -> list[WantedFile]:
        endpoint = context.endpoint(ask.request.get("endpoint"))
        return [
            wanted_file(label(ask.name, file), file, owner, owner.locate(file, endpoint, folder))
            for file, _, owner in owners(ask.request, listed(context, ask.answer).files, context.sources())
        ]

    def refuse(error: ModelsyncError) -> None:
        raise error

    size = sum(file.layer.size for file in ask.answer.files if file.layer is not None)
    preflight.check_layers(context, ask.name, size, files, refuse)
