"""What earlier syncs linked into a folder that the manifest named then, and names no more."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from modelsync.context import Context
from modelsync.install.plan import Step
from modelsync.install.target import Target
from modelsync.project.project import Project
from modelsync.store import links, roots


class Left(NamedTuple):
    """Files that were put into `folder` for this project: their paths in there."""

    folder: Path
    paths: tuple[str, ...]


def left_behind(context: Context, project: Project, target: Target | None) -> tuple[Left, ...]:
    """What was put for this project into other folders than the target, where its files are linked now.

    A folder that has become a link out of the project is another's.
    """
    found = []
    folder = target.folder if target is not None else None
    root = project.root.resolve()
    for place in sorted(roots.folders(context.store, project.lock_path)):
        if place != folder and place.resolve().is_relative_to(root):
            owner = project.called_in(place)
            ours = [path for path, record in links.owned(place).items() if record.owner == owner]
            if ours:
                found.append(Left(place, tuple(sorted(ours))))
    return tuple(found)


def steps(left: Sequence[Left], root: Path) -> tuple[Step, ...]:
    """The steps that remove them, for a person to read: paths are relative to `root` where they are in there."""
    paths = [folder / path for folder, paths in left for path in paths]
    shown = (path.relative_to(root) if path.is_relative_to(root) else path for path in paths)
    return tuple(Step("unlink", None, path.as_posix()) for path in shown)


def remove(left: Sequence[Left], root: Path) -> tuple[str, ...]:
    """Removes those that are still as they were put there; says what became of them, a note for each folder.

    Raises:
        StoreError: a folder cannot be written.
    """
    notes = []
    for folder, paths in left:
        gone = links.remove(folder, paths)
        name = (folder.relative_to(root) if folder.is_relative_to(root) else folder).as_posix()
        stay = f"; {len(paths) - len(gone)} stay, they were changed since" if len(gone) < len(paths) else ""
        notes.append(f"{name}/ is not the manifest's dir any more: {len(gone)} removed from it{stay}")
    return tuple(notes)
