"""The folder that files are linked into."""

from pathlib import Path
from typing import NamedTuple

from modelsync.project.project import Project
from modelsync.spec.manifest.model import Manifest
from modelsync.store.links import LinkMode


class Target(NamedTuple):
    """The folder in which files are linked too: where it is, how, what it must not leave, and for whom."""

    folder: Path
    mode: LinkMode
    inside: Path | None
    owner: str = ""


def target_of(project: Project, manifest: Manifest, directory: Path | None, mode: LinkMode) -> Target | None:
    """Where the files are to be linked: a flag's folder, the manifest's, or nowhere."""
    folder = directory.absolute() if directory is not None else project.folder(manifest)
    if folder is None:
        return None
    return Target(folder, mode, project.root if directory is None else None, project.called_in(folder))
