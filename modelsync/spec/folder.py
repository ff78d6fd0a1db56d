"""Chooses the files of a folder model among those of a repo. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modelsync.errors import ModelsyncError, NotFoundError, RefusedError
from modelsync.spec.choose import MAX_COMPARED
from modelsync.spec.globs import Globs, any_takes, literal, takes
from modelsync.spec.lock.model import MAX_FILES
from modelsync.spec.names import clash, did_you_mean, listed, path_fault, printable


class FolderChoice(NamedTuple):
    """The files of a folder model.

    Attributes:
        files: Their paths, sorted.
        left_out: The repo's other paths.
        notes: Messages for people.
    """

    files: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()


def choose_folder(globs: Globs, paths: Iterable[str], repo: str) -> FolderChoice:
    """Chooses the files that the globs take.

    Args:
        globs: Of the request.
        paths: All the repo's paths, as the hub gives them.
        repo: `user/model`, for messages.

    Raises:
        NotFoundError: a glob of `include` takes none, or `exclude` takes away all of them.
        RefusedError: a name is not safe on every system, two differ in case alone, or there are too many.
    """
    there = sorted(paths)
    known = frozenset(there)
    for glob in globs.include:
        if glob not in known and not any(any_takes((glob,), path) for path in there):
            raise _without_match(glob, there, repo)
    taken = [path for path in there if any_takes(globs.include, path)]
    files = tuple(path for path in taken if not any_takes(globs.exclude, path))
    if not files:
        raise NotFoundError(
            f"`exclude` takes away all {len(taken)} files of {repo} that `include` takes",
            hint=f"`include` takes {listed(taken)}",
        )
    if len(files) > MAX_FILES:
        raise _too_many(files, repo)
    for path in files:
        fault = path_fault(path)
        if fault:
            raise RefusedError(
                f"the file name `{printable(path)}` of {repo} is refused: {fault}", hint=_without(path)
            )
    twins = clash(files)
    if twins is not None:
        one, other = map(printable, twins)
        raise RefusedError(
            f"{one} and {other} of {repo} cannot both be in one folder on Windows or macOS",
            hint=_without(twins[1]),
        )
    idle = tuple(glob for glob in globs.exclude if not any(any_takes((glob,), path) for path in there))
    notes = tuple(f"`exclude` has `{printable(glob)}`, which takes no file of {repo}" for glob in idle)
    chosen = frozenset(files)
    return FolderChoice(files, tuple(path for path in there if path not in chosen), notes)


def _without(path: str) -> str:
    return f'leave it out: exclude = ["{printable(literal(path))}"]'


def _too_many(files: Sequence[str], repo: str) -> ModelsyncError:
    counts = Counter(_top(path) for path in files)
    most = [f"{printable(top)} ({count})" for top, count in counts.most_common(4) if top.endswith("/")]
    return RefusedError(
        f"the globs take {len(files)} files of {repo}, and a model has at most {MAX_FILES}",
        hint="narrow `include`, or leave folders out with `exclude`"
        + (f": {', '.join(most)}" if most else ""),
    )


def _without_match(glob: str, there: Sequence[str], repo: str) -> NotFoundError:
    """The error about a glob that takes nothing: the nearest that does, and what is there."""
    near, why = _nearest(glob, there)
    meant = None if near is None else f"; did you mean `{printable(near)}`?"
    words = meant or did_you_mean(glob, there[:MAX_COMPARED])
    tops = dict.fromkeys(sorted(map(_top, there), key=lambda top: (top.endswith("/"), top)))
    has = f"it has {listed(tuple(tops))}" if tops else "it has no files"
    return NotFoundError(
        f"{repo} has no file that the glob `{printable(glob)}` takes{words}",
        hint=f"{why}; {has}" if why else has,
    )


def _nearest(glob: str, there: Sequence[str]) -> tuple[str | None, str | None]:
    """The glob that was meant, and what the rule is; None and None if it cannot be told."""

    def any_of(other: str) -> bool:
        return any(takes(other, path) for path in there)

    lower = glob.lower()
    same = next((path for path in there if takes(lower, path.lower())), None)
    if same is not None:
        return lower if any_of(lower) else same, "case counts"
    plain = re.sub(r"\A(?:\.?/)+", "", glob)
    if plain != glob and any_of(plain):
        return plain, "a glob begins at the repo's root, without `/` or `./`"
    if glob.startswith("**/") and any_of(glob[3:]):
        return glob[3:], "`*` takes `/` too, and `**/` needs a folder"
    if any_of(f"{glob}/"):
        return f"{glob}/", "the files of a folder are named by its name and `/`"
    if "{" in glob:
        return None, "braces have no meaning here: write a glob for each"
    if glob.startswith("!"):
        return None, "`!` has no meaning here: what is to be left out goes into `exclude`"
    return None, None


def _top(path: str) -> str:
    """The first part of a path: a file's name, or a folder's with its slash."""
    first, slash, _ = path.partition("/")
    return first + slash
