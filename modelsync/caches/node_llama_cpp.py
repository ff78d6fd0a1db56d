"""The models of node-llama-cpp: `hf_<user>_[<repo>_][<branch>_][<folder>__]<file>`, without digests."""

from pathlib import Path

from modelsync.caches.home import Home
from modelsync.caches.model import Sought
from modelsync.caches.named_files import NamedFiles


def folder(home: Home) -> Path | None:
    """Where the models are, or would be; a project may have a folder of its own."""
    return home.below(".node-llama-cpp", "models")


class NodeLlamaCppModels(NamedFiles):
    """The models.

    Args:
        root: Their folder.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, "node-llama-cpp's models")

    def may_be(self, path: Path, sought: Sought) -> bool:
        """Whether its name ends with the sought one, or it comes from the same user of the hub.

        A file that was asked for by its quant is called after its repo and quant, whatever its own name.
        """
        user = f"hf_{sought.repo.partition('/')[0]}_" if sought.repo is not None else None
        named = f"_{path.name}".endswith(f"_{sought.name}")
        return named or (user is not None and path.name.startswith(user))
