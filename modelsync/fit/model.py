"""Reads a model from the headers of its files, and estimates one before it is fetched."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from modelsync.context import Context
from modelsync.fetch import headers
from modelsync.fetch.wanted import WantedFile
from modelsync.fit.machine import Machine
from modelsync.gguf.header import Header
from modelsync.gguf.merge import merge
from modelsync.memory import shape
from modelsync.memory.companions import CompanionHeader
from modelsync.memory.estimate import Estimate, EstimatedModel, model_of
from modelsync.memory.load_settings import LoadSettings, from_load
from modelsync.spec.roles import BY_ROLE


class PendingModel(NamedTuple):
    """A model that may be fetched: what it is called, its files, its load settings."""

    title: str
    files: Sequence[WantedFile]
    load: Mapping[str, Any] = {}


def read_model(context: Context, title: str, files: Sequence[WantedFile]) -> EstimatedModel:
    """A model from the headers of its files, all read side by side.

    Args:
        context: What to work with.
        title: What errors call the model.
        files: Of every role; those of one role in order.

    Raises:
        NotAModelError: it is no model that llama.cpp loads, or nothing tells the memory that it needs.
        ModelsyncError: whatever `headers.read_all` raises.
    """
    read = list(zip(files, headers.read_all(context, files), strict=True))
    return with_companions(
        model_header([header for wanted, header in read if wanted.file.role == "model"], title), read
    )


def model_header(parts: Sequence[Header], title: str) -> Header:
    """The header of a model from those of its parts.

    Raises:
        NotAModelError: it is no model that llama.cpp loads, or nothing tells the memory that it needs.
    """
    header = merge(parts, title)
    shape.check(header, title)
    return header


def with_companions(model: Header, read: Iterable[tuple[WantedFile, Header]]) -> EstimatedModel:
    """A model from its own header and those of its companions; its own files in `read` do not matter."""
    return model_of(
        model,
        (CompanionHeader(wanted.file.role, header) for wanted, header in read if wanted.file.role in BY_ROLE),
    )


def estimate_pending(context: Context, here: Machine, model: PendingModel) -> Estimate:
    """What a model needs on a machine, by the formulas.

    Raises:
        ModelsyncError: a header cannot be read, or llama.cpp would refuse the load settings.
    """
    return here.formula(read_model(context, model.title, model.files))(_settings(model.load))


def _settings(load: Mapping[str, Any]) -> LoadSettings:
    """The load settings; unless they say otherwise, as many layers on the GPUs as fit."""
    settings = from_load(load)
    return settings if "n_gpu_layers" in load else settings._replace(gpu_layers="auto")
