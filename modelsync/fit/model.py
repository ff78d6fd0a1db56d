"""Reads a model from the headers of its files."""

from collections.abc import Sequence

from modelsync.context import Context
from modelsync.fetch import headers
from modelsync.fetch.wanted import Need
from modelsync.gguf.merge import merge
from modelsync.memory.estimate import EstimatedModel, model_of
from modelsync.spec.lock.model import Role

ROLES: tuple[Role, ...] = ("model", "mmproj", "lora")


def read_model(
    context: Context,
    title: str,
    parts: Sequence[Need],
    projectors: Sequence[Need] = (),
    adapters: Sequence[Need] = (),
) -> EstimatedModel:
    """A model from the headers of its files, all read side by side."""
    read = headers.read_all(context, [*parts, *projectors, *adapters])
    ends = len(parts), len(parts) + len(projectors)
    return model_of(merge(read[: ends[0]], title), read[ends[0] : ends[1]], read[ends[1] :])
