"""The folder that files are linked into."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from modelsync.project.project import Project
from modelsync.spec.manifest.model import Manifest
from modelsync.store.links import LinkMode


class Target(NamedTuple):
    """The folder in which files are linked too.

    Attributes:
        folder: Where it is.
        mode: How files are linked.
        inside: What the folder must not leave; None: anything.
        owner: For whom, as the folder's record calls it.
        repairs: Whether each file is linked as it was before, and one that was changed since is moved to another name.
    """

    folder: Path
    mode: LinkMode
    inside: Path | None
    owner: str = ""
    repairs: bool = False


class Standing(NamedTuple):
    """Files that stand where wanted ones are to appear, and may be those.

    Attributes:
        folder: What people call the folder: `models/`.
        files: The files, by the digests that they may have.
    """

    folder: str = ""
    files: Mapping[str, Path] = {}


def target_of(project: Project, manifest: Manifest, directory: Path | None, mode: LinkMode) -> Target | None:
    """Where the files are to be linked: a flag's folder, the manifest's, or nowhere."""
    folder = directory.absolute() if directory is not None else project.folder(manifest)
    if folder is None:
        return None
    return Target(folder, mode, project.root if directory is None else None, project.called_in(folder))
