"""Asks sources what requests mean, side by side."""

import importlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from modelsync.context import OFFLINE_HINT, Context
from modelsync.errors import CancelledError, ModelsyncError, OfflineError
from modelsync.sources import request as requests
from modelsync.sources.base import Resolution
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.request import Request
from modelsync.spec.uri import FileUri
from modelsync.system.parallel import run_all
from modelsync.transfer.progress import Event

# The client comes first: the threads that ask the sources import it too, and then wait for their servers.
SOON = (
    "modelsync.net.client",
    "modelsync.transfer.downloader",
    "modelsync.fit.largest",
    "blake3",
    "ctypes",
    "modelsync.store.digest_lock",
)


class Query(NamedTuple):
    """A request, with the files that the lock has for it: what they spare need not be read again.

    `kept` is the lock's entry, where only what has moved is wanted: see `Question`.
    """

    request: Request
    previous: tuple[LockedFile, ...] = ()
    kept: LockedModel | None = None


def resolve_all(context: Context, queries: Sequence[Query], folder: Path) -> list[Resolution]:
    """What each query means now, in their order; relative `file:` paths are relative to `folder`.

    Raises:
        ModelsyncError: the first, in that order, that could not be resolved.
    """
    answers = []
    for answer in resolve_each(context, queries, folder):
        if isinstance(answer, ModelsyncError):
            raise answer
        answers.append(answer)
    return answers


def resolve_each(
    context: Context, queries: Sequence[Query], folder: Path
) -> list[Resolution | ModelsyncError]:
    """Like `resolve_all`, with the error in the place of an answer that could not be had."""
    remote = [query for query in queries if not isinstance(query.request.uri, FileUri)]
    sources = context.sources()

    def one(query: Query) -> Resolution | ModelsyncError:
        name = str(query.request.uri)
        if context.offline and not isinstance(query.request.uri, FileUri):
            return OfflineError(
                f"{name} has to be looked up, and the network is ruled out", hint=OFFLINE_HINT
            )
        context.tell(Event("resolving", name, 0, None))
        try:
            answer = requests.resolve(
                query.request,
                sources,
                folder=folder,
                endpoint=context.endpoint(query.request.endpoint),
                previous=query.previous,
                kept=query.kept,
            )
        except CancelledError:
            raise
        except ModelsyncError as error:
            return error
        context.tell(Event("done", name, 0, None))
        return answer

    return run_all(
        one,
        queries,
        name="resolve",
        cancel=context.cancel,
        meanwhile=(lambda: _import_soon(context.cancel)) if remote and not context.offline else None,
    )


def _import_soon(cancel: threading.Event) -> None:
    """Imports what a transfer will need, while servers are waited for. A package that is missing fails at its use."""
    for name in SOON:
        if cancel.is_set():
            return
        with suppress(ImportError):
            importlib.import_module(name)
