"""Tells of fetched files that are not what their model says, by their headers: an imatrix in the place of a model."""

from collections.abc import Iterable

from modelsync.context import Context
from modelsync.errors import NotAModelError, NotSyncedError, StoreError
from modelsync.fetch import headers
from modelsync.fetch.wanted import WantedFile
from modelsync.gguf.kind import NOUNS, Kind, kind_of, obstacle
from modelsync.spec.parts import part_of
from modelsync.spec.roles import BY_ROLE
from modelsync.store import blobs

# What a file of a role may be. What no header tells is taken for it too.
_RIGHT: dict[str, tuple[Kind, ...]] = {
    "model": ("model", "unknown"),
    "mmproj": ("projector", "unknown"),
    "lora": ("adapter", "unknown"),
    "draft": ("draft-head", "model", "unknown"),
}


def notes_on(context: Context, fetched: Iterable[tuple[WantedFile, str | None]]) -> tuple[str, ...]:
    """A note for each file that is here and is not what its role says, or that llama.cpp does not load.

    Files that are no GGUF are passed over: a model may be of any type.

    Args:
        context: What to work with.
        fetched: Files, each with its digest; those without one are passed over.
    """
    notes = (
        _note(context, wanted, sha256) for wanted, sha256 in fetched if sha256 and wanted.file.role in _RIGHT
    )
    return tuple(note for note in notes if note is not None)


def _note(context: Context, wanted: WantedFile, sha256: str) -> str | None:
    part = part_of(wanted.file.path)
    if part is not None and part.number > 1:
        return None
    blob = blobs.find(context.store, sha256, wanted.file.size)
    if blob is None:
        return None
    try:
        header = headers.of_blob(context, wanted.label, blob)
    except (
        NotAModelError,
        NotSyncedError,
        StoreError,
    ):  # it may have gone meanwhile: it will be fetched again
        return None
    role, kind = wanted.file.role, kind_of(header)
    if kind not in _RIGHT[role]:
        meant = "a model" if role == "model" else BY_ROLE[role].noun
        return f"{wanted.label} is {NOUNS[kind]}, not {meant}"
    why = obstacle(header)
    return None if why is None else f"llama.cpp does not load {wanted.label}: {why}"
