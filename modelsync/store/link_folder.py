"""A project's folder that files are put into: made, claimed, swept, and never left. Light."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.errors import RefusedError
from modelsync.spec.names import path_fault, printable
from modelsync.store import leftovers, link_record
from modelsync.store.clone import FOLDER_HINT

if TYPE_CHECKING:
    from modelsync.store.claim import HeldClaim

LOCK = ".modelsync.lock"
_PROGRAMS = frozenset({"node_modules", "site-packages", "dist-packages", "__pycache__", ".hg", ".svn", ".jj"})


def sweep(folder: Path) -> None:
    """Removes what a killed process left on its way into a folder, once it is a day old."""
    from modelsync.store import claim

    leftovers.sweep(folder, lambda name: link_record.is_temporary(name) or claim.is_removal(name, LOCK))


def open_folder(folder: Path, inside: Path | None) -> None:
    """Makes the folder, unless following links to it leaves `inside`."""
    check_inside(folder, inside)
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        with suppress(FileExistsError), (folder / ".gitignore").open("x") as file:  # never through a link
            file.write("*\n")


def check_inside(folder: Path, inside: Path | None) -> None:
    """Checks that the folder, links followed, does not leave `inside`, and is not what another program runs from.

    Raises:
        RefusedError: it is.
    """
    if inside is None:
        return
    real, root = folder.resolve(), inside.resolve()
    fault = None
    if not real.is_relative_to(root):
        fault = f"leads out of {inside}"
    elif ".git" in (part.lower() for part in real.relative_to(root).parts):
        fault = "is in git's own folder"
    else:
        fault = _protected(real, root)
    if fault:
        raise RefusedError(f"{folder} {fault}", hint="name the folder with --dir if that is what you want")


def check_places(folder: Path, paths: Iterable[str]) -> None:
    """Checks that no file is put into what another program keeps below the folder, and would run from there.

    Args:
        folder: The folder.
        paths: In it, with `/`.

    Raises:
        RefusedError: one would be.
    """
    for parent in sorted({(folder / path).parent for path in paths}):
        fault = _protected(parent, folder)
        if fault:
            raise RefusedError(
                f"{printable(str(parent))} {fault}",
                hint="give the model another name, or name another folder with --dir",
            )


def _protected(place: Path, root: Path) -> str | None:
    """Why nothing is put into a folder: it, or one above it and below `root`, is another program's. None if not."""
    for each in (place, *place.parents):
        if root not in each.parents:
            return None
        names = {entry.lower() for entry in _names(each)}
        if "pyvenv.cfg" in names or "conda-meta" in names:
            return "is in a Python environment, which would run what is put there"
        if each.name.lower() == ".git" or {"head", "objects", "refs"} <= names:
            return "is in git's own folder, which would run what is put there"
        if each.name.lower() in _PROGRAMS:
            return f"is in {each.name}, from where programs run what is put there"
    return None


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


@contextmanager
def claimed(folder: Path) -> "Iterator[HeldClaim]":
    """Keeps other processes out of a folder, and sweeps up what a killed one left."""
    from modelsync.store import claim

    with claim.claimed(folder / LOCK, hint=FOLDER_HINT) as mine:
        assert mine is not None  # it waits
        # if the last owner was killed, what it left is in use no more
        leftovers.sweep(folder, link_record.is_temporary, days=0 if mine.ended else 1)
        yield mine


def place_of(folder: Path, path: str) -> Path:
    """Where `path` is in the folder.

    Raises:
        RefusedError: it is not in the folder, by its name or through a symbolic link.
    """
    fault = path_fault(path)
    if fault is not None or path.startswith(".modelsync"):
        raise RefusedError(
            f"`{printable(path)}` is refused in {folder}: {fault or 'modelsync writes that itself'}"
        )
    target = folder / path
    for parent in target.parents:
        if parent == folder:
            break
        if parent.is_symlink():
            raise RefusedError(
                f"{printable(str(parent))} is a symbolic link: files are not put through it",
                hint=f"remove the link, or choose another folder than {folder} with --dir",
            )
    return target
