"""A project's folder that files are put into: made, claimed, swept, and never left. Light."""

from collections.abc import Iterator
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
    """Checks that the folder, links followed, does not leave `inside`, and is not git's or a Python environment's.

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
    elif any((each / "pyvenv.cfg").exists() for each in (real, *real.parents) if root in each.parents):
        fault = "is in a Python environment, which would run what is put there"
    if fault:
        raise RefusedError(f"{folder} {fault}", hint="name the folder with --dir if that is what you want")


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
