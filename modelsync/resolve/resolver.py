"""Asks sources what requests mean, side by side."""

import importlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from modelsync.context import OFFLINE_HINT, Context
from modelsync.errors import OfflineError
from modelsync.sources import request as requests
from modelsync.sources.base import Answer
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.request import Request
from modelsync.spec.uri import FileUri
from modelsync.transfer.progress import Event

RESOLVERS = 8  # requests resolved at once
# The client comes first: the threads that ask import it too, and then wait for their servers.
SOON = (
    "modelsync.net.client",
    "modelsync.transfer.downloader",
    "modelsync.fit.largest",
    "blake3",
    "ctypes",
    "filelock",
)


class Query(NamedTuple):
    """A request, with the files that the lock has for it: what they spare need not be read again."""

    request: Request
    previous: tuple[LockedFile, ...] = ()


def resolve_all(context: Context, queries: Sequence[Query], folder: Path) -> list[Answer]:
    """What each query means now, in their order; relative `file:` paths are relative to `folder`.

    Raises:
        ModelsyncError: the first, in that order, that could not be resolved.
    """
    remote = [query.request.uri for query in queries if not isinstance(query.request.uri, FileUri)]
    if context.offline and remote:
        raise OfflineError(
            f"{remote[0]} has to be looked up, and the network is ruled out", hint=OFFLINE_HINT
        )
    sources = context.sources()

    def one(query: Query) -> Answer:
        name = str(query.request.uri)
        context.tell(Event("resolving", name, 0, None))
        answer = requests.resolve(
            query.request,
            sources,
            folder=folder,
            endpoint=context.endpoint(query.request.endpoint),
            previous=query.previous,
        )
        context.tell(Event("done", name, 0, None))
        return answer

    with ThreadPoolExecutor(min(RESOLVERS, len(queries) or 1), thread_name_prefix="resolve") as pool:
        futures = [pool.submit(one, query) for query in queries]
        try:
            if remote:
                _make_use_of_the_wait()
            return [future.result() for future in futures]
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, Exception):  # interrupted: what waits for a server waits no longer
                context.cancel.set()
            raise


def _make_use_of_the_wait() -> None:
    """Imports what a transfer will need, while servers are waited for. Who needs what cannot be had will tell."""
    for name in SOON:
        with suppress(ImportError):
            importlib.import_module(name)
