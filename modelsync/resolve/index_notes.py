"""Tells of files that an index of a folder model names and its globs leave out, from what is in the store."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modelsync.context import Context
from modelsync.fetch.wanted import blob_of
from modelsync.spec.globs import Globs
from modelsync.spec.indexes import needed, note

if TYPE_CHECKING:
    from modelsync.spec.lock.model import LockedFile

_LARGEST = 32 << 20  # bytes of an index


def index_notes(
    context: Context, name: str, globs: Globs, files: "Sequence[LockedFile]", left_out: Sequence[str]
) -> tuple[str, ...]:
    """A note for each file that needs others. An index that was not read is passed over.

    Args:
        context: What to work with.
        name: The model's name.
        globs: Of its request.
        files: Its files.
        left_out: The other paths of its repo.
    """
    by_path = {file.path: file for file in files}

    def document(path: str) -> Any:
        file = by_path[path]
        blob = blob_of(context, file) if file.size <= _LARGEST else None
        if blob is None:
            return None
        try:
            return json.loads(blob.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None

    return tuple(f"{name}: {note(each, globs)}" for each in needed(tuple(by_path), left_out, document))
