"""Names of a model's files in views and in a project's folder."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelsync.spec.names import file_name, folded
from modelsync.spec.parts import part_of

if TYPE_CHECKING:
    from modelsync.spec.lock.model import LockedFile


def shown_names(files: "Sequence[LockedFile]") -> tuple[str, ...]:
    """The name of each file of a model in a view or a project folder, in the order of `files`.

    A file of a folder model has its own path. Of the others it is the base name. Where two are the same to a file
    system that ignores case, the later one, with its sibling parts, gets a folder named by role:
    `lora-2/adapter.gguf`. Only roles and paths decide.
    """
    if files and files[0].role == "file":
        return tuple(file.path for file in files)
    together: dict[tuple[str, str], list[int]] = {}  # a file, or the parts of a split model: their indexes
    for index, file in enumerate(files):
        part = part_of(file.path)
        key = f"{part.prefix} of {part.total}" if part else f"{file.path} {index}"
        together.setdefault((file.role, key), []).append(index)
    shown = [file_name(file.path) for file in files]
    names = {folded(name) for name in shown}
    taken: set[str] = set()
    ordinals: dict[str, int] = {}
    for (role, _), indexes in together.items():
        ordinals[role] = ordinals.get(role, 0) + 1
        own = {folded(shown[index]) for index in indexes}
        if taken.isdisjoint(own):
            taken |= own
            continue
        folder = f"{role}-{ordinals[role]}"
        while folder in names:  # a file has that name
            folder += "-"
        for index in indexes:
            shown[index] = f"{folder}/{shown[index]}"
    return tuple(shown)
