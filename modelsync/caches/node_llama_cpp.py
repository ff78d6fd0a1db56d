"""The models of node-llama-cpp: `hf_<user>_[<repo>_][<branch>_][<folder>__]<file>`, without digests."""

from collections.abc import Iterator
from pathlib import Path

from modelsync.caches.home import Home
from modelsync.caches.listing import Listing
from modelsync.caches.model import Sought


def folder(home: Home) -> Path | None:
    """Where the models are, or would be; a project may have a folder of its own."""
    return home.below(".node-llama-cpp", "models")


class NodeLlamaCppModels:
    """The models.

    Args:
        root: Their folder.
    """

    title = "node-llama-cpp's models"
    links_from = None

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listing = Listing(root)

    def by_digest(self, sought: Sought) -> Iterator[Path]:  # noqa: ARG002
        """None: no name here is a digest."""
        yield from ()

    def by_name(self, sought: Sought) -> Iterator[Path]:
        """Files of that size that end with the sought name, or come from the same user of the hub.

        A file that was asked for by its quant is called after its repo and quant, whatever its own name.
        """
        user = f"hf_{sought.repo.partition('/')[0]}_" if sought.repo is not None else None
        for path in self._listing.of_size(sought.size):
            named = path.name == sought.name or path.name.endswith(f"_{sought.name}")
            if named or (user is not None and path.name.startswith(user)):
                yield path
