"""The store of Ollama: `blobs/sha256-<hex>`; of its first versions `blobs/sha256:<hex>`.

A blob appears by a rename and is not rewritten, but older versions rename before they verify. `-partial` files have the
whole size from the start.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from modelsync.caches.home import Home
from modelsync.caches.model import Sought

_SERVICE = Path("/usr/share/ollama/.ollama/models")  # of the service that the Linux installer makes


def folders(home: Home) -> list[Path]:
    """Where Ollama keeps models: for this user, and for the service of the system."""
    mine = home.named("OLLAMA_MODELS") or home.below(".ollama", "models")
    return [folder for folder in (mine, _SERVICE if sys.platform == "linux" else None) if folder is not None]


def is_store(root: Path) -> bool:
    """Whether a folder is laid out as Ollama's `models`."""
    return (root / "manifests").is_dir() and (root / "blobs").is_dir()


class OllamaStore:
    """One such folder.

    Args:
        root: The folder `models`.
    """

    title = "Ollama's store"
    links_from = 0

    def __init__(self, root: Path) -> None:
        self.root = root

    def by_digest(self, sought: Sought) -> Iterator[Path]:
        """The blob of that digest."""
        for mark in "-:" if sought.sha256 is not None else "":
            path = self.root / "blobs" / f"sha256{mark}{sought.sha256}"
            if path.is_symlink() or path.exists():
                yield path

    def by_name(self, sought: Sought) -> Iterator[Path]:  # noqa: ARG002
        """None: all names are digests."""
        yield from ()
