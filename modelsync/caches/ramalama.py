"""The store of RamaLama: `store/<type>/<org>/<name>/blobs/sha256-<hex>`; a small file has its git blob id there.

Blobs appear by a rename; chat templates, which are small, are written in place.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from modelsync.caches.home import Home
from modelsync.caches.model import Sought

_DEEPEST = 6  # folders below `store` in which a model may be
_SYSTEM = Path("/var/lib/ramalama")  # for root
_SMALL = 1 << 20  # bytes; what is smaller may be a chat template


def folders(home: Home) -> list[Path]:
    """Where RamaLama keeps models: for this user, and for root."""
    data = home.named("XDG_DATA_HOME") or home.below(".local", "share")
    mine = data / "ramalama" if data is not None else None
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [folder for folder in (mine, _SYSTEM if root else None) if folder is not None]


class RamaLamaStore:
    """One such folder.

    Args:
        root: The folder `ramalama`.
    """

    title = "RamaLama's store"
    links_from = _SMALL

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs: list[Path] | None = None

    def by_digest(self, sought: Sought) -> Iterator[Path]:
        """The blob of that digest or git id, of whichever model."""
        if self._blobs is None:
            self._blobs = sorted(_blob_folders(self.root / "store"))
        for folder in self._blobs:
            for etag in sought.etags:
                path = folder / f"sha256-{etag}"
                if path.is_symlink() or path.exists():
                    yield path

    def by_name(self, sought: Sought) -> Iterator[Path]:  # noqa: ARG002
        """None: all names are digests."""
        yield from ()


def _blob_folders(root: Path) -> Iterator[Path]:
    """The folders `blobs` of all models."""
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            inner = [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        names = {entry.name for entry in inner}
        if "blobs" in names:
            yield folder / "blobs"
        elif depth < _DEEPEST:
            folders += [(Path(entry.path), depth + 1) for entry in inner]
