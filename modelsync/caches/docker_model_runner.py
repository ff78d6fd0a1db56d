"""The store of Docker Model Runner: `blobs/sha256/<hex>`, verified and then renamed."""

from collections.abc import Iterator
from pathlib import Path

from modelsync.caches.home import Home
from modelsync.caches.model import Sought


def folder(home: Home) -> Path | None:
    """Where the store is, or would be."""
    return home.named("MODELS_PATH") or home.below(".docker", "models")


class DockerStore:
    """The store.

    Args:
        root: Its folder.
    """

    title = "Docker Model Runner's store"
    links_from = 0

    def __init__(self, root: Path) -> None:
        self.root = root

    def by_digest(self, sought: Sought) -> Iterator[Path]:
        """The blob of that digest: a layer of a GGUF is the file itself."""
        if sought.sha256 is not None:
            path = self.root / "blobs" / "sha256" / sought.sha256
            if path.is_symlink() or path.exists():
                yield path

    def by_name(self, sought: Sought) -> Iterator[Path]:  # noqa: ARG002
        """None: all names are digests."""
        yield from ()
