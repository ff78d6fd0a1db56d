"""Where models come from: a request becomes the files it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelsync.errors import UsageError

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

    return (HuggingFace(client_factory), Direct(client_factory), Local())


def source_for(uri: Uri, sources: Sequence[Source]) -> Source:
    """The source of `uri`.

    Raises:
        UsageError: there is none.
    """
    for source in sources:
        if source.accepts(uri):
            return source
    raise UsageError(
        f"{uri}: this version of modelsync does not read OCI registries",
        hint="name the model's files at Hugging Face (hf:user/model) or by URL (https://…)",
    )
