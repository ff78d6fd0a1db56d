"""Chooses the companion of a model among the files of a repo: its projector or its draft head."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from modelsync.errors import NotFoundError
from modelsync.spec.file_kinds import HEAD_ENDINGS, by_kind
from modelsync.spec.labels import bits, quant_of, words_of
from modelsync.spec.names import listed, printable

Beside: TypeAlias = Literal["mmproj", "draft"]

_NOUNS = {"mmproj": "projector", "draft": "draft head"}
_NAMED = {"mmproj": "a file with mmproj in its name", "draft": "a file like mtp-….gguf, or in a folder MTP"}
# Words of a name that tell what a file is, not which model it belongs to.
_MARKERS = HEAD_ENDINGS | {"mmproj", "vision", "mtp", "model", "ggml", "gguf"}
_SIZE = re.compile(r"[ae]?[0-9]+(?:\.[0-9]+)?[bm]", re.ASCII)


class Pick(NamedTuple):
    """A file that was chosen; `note` tells people of others that would do."""

    path: str
    note: str | None


def choose_companion(
    role: Beside, paths: Sequence[str], model: str, repo: str, *, quant: str | None = None
) -> Pick:
    """Chooses the projector or the draft head that belongs to a model.

    It is the one that shares most of the model's name (what marks it and the quant left out), then the deepest folder,
    then the nearest bit width. One for another size of the model (3B of a 7B) is taken only where there is no other.

    Args:
        role: Which companion.
        paths: All the repo's paths.
        model: The model's path, its first part's if it is split; empty where it is in another repo.
        repo: `user/model`, for messages.
        quant: The quant that the companion shall have, in any case.

    Raises:
        NotFoundError: the repo has none.
    """
    noun = _NOUNS[role]
    kinds = by_kind(paths)
    there = kinds.projectors if role == "mmproj" else kinds.heads
    there = tuple(path for path in there if path != model)
    found = [path for path in there if quant is None or (quant_of(path) or "").lower() == quant.lower()]
    if not found:
        if there:
            raise NotFoundError(
                f"{repo} has no {noun} of quant {printable(quant or '')}", hint=f"it has {listed(there)}"
            )
        raise NotFoundError(f"{repo} has no {noun} ({_NAMED[role]})", hint=f'give its URI: {role} = "hf:…"')
    ranked = sorted(found, key=lambda path: (*_apart(path, model), *_width(path, model), path))
    taken = ranked[0]
    also = [path for path in ranked[1:] if _apart(path, model) == _apart(taken, model)]
    return Pick(taken, _note(role, repo, taken, also, model))


def _note(role: Beside, repo: str, taken: str, also: Sequence[str], model: str) -> str | None:
    """What a person should know of the choice, and how to make another."""
    noun, name = _NOUNS[role], printable(taken)
    if model and _of_another_size(taken, model):
        return (
            f"the {noun} {name} of {repo} seems to be for another size of the model than {printable(model)};"
            f' name the right one: {role} = "hf:…"'
        )
    if not also:
        return None
    return (
        f"{len(also) + 1} {noun}s of {repo} would do; took {name}; another:"
        f' {role} = "hf:{repo}/{printable(also[0])}"'
    )


def _apart(path: str, model: str) -> tuple[bool, int, int, int]:
    """How far a companion is from the model, by its name and its folder."""
    own, theirs = _own_words(path), _own_words(model)
    shared = (own & theirs).total()
    return _of_another_size(path, model), -shared, own.total() - shared, -_folders_in_common(path, model)


def _width(path: str, model: str) -> tuple[int, bool, int]:
    own, theirs = (quant_of(path) or "").upper(), (quant_of(model) or "").upper()
    return abs(bits(own) - bits(theirs)), own != theirs, path.count("/")


def _own_words(path: str) -> Counter[str]:
    return Counter(word for word in words_of(path) if word not in _MARKERS)


def _of_another_size(path: str, model: str) -> bool:
    """Whether both paths name sizes of models, and none is the same."""
    own, theirs = _sizes(path), _sizes(model)
    return bool(own) and bool(theirs) and own.isdisjoint(theirs)


def _sizes(path: str) -> frozenset[str]:
    words = (word for segment in path.split("/") for word in words_of(segment))
    return frozenset(word for word in words if _SIZE.fullmatch(word))


def _folders_in_common(path: str, other: str) -> int:
    count = 0
    for one, two in zip(path.split("/")[:-1], other.split("/")[:-1], strict=False):
        if one != two:
            break
        count += 1
    return count
