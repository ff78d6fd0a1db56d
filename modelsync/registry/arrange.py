"""Tells the files of a stored model by their names and puts them in the lock's order. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from modelsync.errors import NotFoundError, RefusedError
from modelsync.registry.contents import StoredFile
from modelsync.spec.file_kinds import by_kind
from modelsync.spec.labels import words_of
from modelsync.spec.lock.model import MAX_FILES
from modelsync.spec.names import clash, listed, printable, safe_path
from modelsync.spec.parts import part_of, siblings
from modelsync.spec.roles import COMPANIONS, OWN_ROLES, Role
from modelsync.spec.uri_forms import is_model_file

_ADAPTER_WORDS = frozenset({"lora", "qlora", "adapter"})
_ORDER: Mapping[Role, int] = {
    role: number for number, role in enumerate(("model", *(each.role for each in COMPANIONS), "file"))
}


class Chosen(NamedTuple):
    """The files of a model for who named none of them.

    Attributes:
        files: The model's parts and its companions; of a folder model all files, each as a `file`.
        note: What was left out beside the model, or None.
    """

    files: tuple[StoredFile, ...]
    note: str | None = None


def place(name: str) -> str:
    """The path in the model that a layer or a member names.

    Raises:
        RefusedError: it is absolute, leaves its folder, has a control character, …
    """
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return safe_path(name)


def roles(sizes: Mapping[str, int]) -> dict[str, Role]:
    """The role of each file, by its name and what lies beside it: as in a repo of a hub.

    Args:
        sizes: The bytes of each path.
    """
    kinds = by_kind(sizes, sizes)
    reps: dict[str, Role] = dict.fromkeys(kinds.heads, "draft")
    reps |= dict.fromkeys(kinds.projectors, "mmproj")
    adapters = {path for path in kinds.models if _is_adapter(path)}
    if len(adapters) < len(kinds.models):  # beside a model; alone it may be one that has its adapter merged
        reps |= dict.fromkeys(adapters, "lora")
    reps |= {path: "model" for path in kinds.models if path not in reps}
    families = {_family(path): role for path, role in reps.items()}
    return {path: families.get(_family(path)) or _small_role(path) for path in sizes}


def arranged(files: Iterable[StoredFile]) -> tuple[StoredFile, ...]:
    """Gives each GGUF file without a role its own, and sorts: the model, its companions, other files by path.

    Args:
        files: With the role `file` where only the name tells. Files out of tars are as if they had layers of their own.

    Raises:
        RefusedError: two cannot be in one folder, or there are too many.
    """
    found = list(files)
    if len(found) > MAX_FILES:
        raise RefusedError(f"it has {len(found)} files: no model has over {MAX_FILES}")
    twins = clash([file.path for file in found if not file.packed])
    if twins is not None:
        one, two = map(printable, twins)
        both = f"it has `{one}` twice" if one == two else f"`{one}` and `{two}` cannot both be in one folder"
        raise RefusedError(both)
    plain = {file.path: file.size for file in found if not file.packed and file.role in ("file", "model")}
    by_name = roles(plain)
    if any(file.role == "model" for file in found):  # what is the model is said, so another is none
        by_name = {path: "file" if role == "model" else role for path, role in by_name.items()}
    told = [
        file._replace(role=by_name[file.path]) if file.role == "file" and file.path in by_name else file
        for file in found
    ]
    return tuple(sorted(told, key=_place_in_order))


def chosen(files: Sequence[StoredFile]) -> Chosen:
    """What is meant where a URI names no file: the model with its companions, else all files as a folder.

    Args:
        files: As `arranged` sorts them; none is packed any more.

    Raises:
        NotFoundError: there is none, there are several models, or a part of a split one is missing.
    """
    if not files:
        raise NotFoundError("it holds no file of a model")
    models = [file.path for file in files if file.role == "model"]
    if not models:
        folder = sorted((file._replace(role="file") for file in files), key=lambda file: file.path)
        return Chosen(tuple(folder))
    families = dict.fromkeys(map(_family, models))
    if len(families) > 1:
        raise NotFoundError(
            f"it holds {len(families)} models: {listed(models)}",
            hint="push each under a tag of its own",
        )
    wanted = siblings(models[0])
    part = part_of(models[0])
    if tuple(models) != wanted or (part is not None and part.joined):
        missing = [path for path in wanted if path not in models]
        what = (
            f"{listed(missing)} is missing" if missing else f"`{printable(models[0])}` is a piece of a file"
        )
        raise NotFoundError(f"the model in it is not whole: {what}")
    left = [file.path for file in files if file.role == "file"]
    note = f"left out beside the model: {listed(left)}" if left else None
    return Chosen(tuple(file for file in files if file.role != "file"), note)


def _family(path: str) -> str:
    """One text for all parts of a split model."""
    part = part_of(path)
    return part.sibling(1) if part else path


def _small_role(path: str) -> Role:
    """An adapter beside a model by its words, else a file."""
    return "lora" if is_model_file(path) and _is_adapter(path) else "file"


def _is_adapter(path: str) -> bool:
    """Whether a name says that it is an adapter."""
    return not _ADAPTER_WORDS.isdisjoint(words_of(path))


def _place_in_order(file: StoredFile) -> tuple[int, bool, str]:
    """Companions of one role keep the order in which they came."""
    return _ORDER[file.role], file.packed, file.path if file.role in OWN_ROLES else ""
