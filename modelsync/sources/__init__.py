"""Where models come from: a request becomes the files it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelsync.net.client import Client
    from modelsync.sources.base import Source
    from modelsync.spec.uri import Uri


def sources(client_factory: Callable[[], Client]) -> tuple[Source, ...]:
    """All sources, for one run: they remember what a hub said about a branch.

    Args:
        client_factory: Returns the run's client, always the same. Called before the first request.
    """
    from modelsync.sources.direct import Direct
    from modelsync.sources.huggingface import HuggingFace
    from modelsync.sources.local import Local
    from modelsync.sources.registry import Registry

    return (HuggingFace(client_factory), Direct(client_factory), Local(), Registry(client_factory))


def source_for(uri: Uri, sources: Sequence[Source]) -> Source:
    """The source of `uri`: there is one for each kind."""
    return next(source for source in sources if source.accepts(uri))
