"""The caches of llama.cpp: `-hf` uses the layout of the Hugging Face cache, `-mu` and older versions a flat folder."""

import sys
from pathlib import Path

from modelsync.caches.home import Home
from modelsync.caches.huggingface import HubCache
from modelsync.caches.model import Sought
from modelsync.caches.named_files import NamedFiles

TITLE = "llama.cpp's cache"


def hub_folder(home: Home) -> Path | None:
    """The folder that takes the place of the Hugging Face cache for llama.cpp, if one is named."""
    return home.named("LLAMA_CACHE")


def flat_folder(home: Home) -> Path | None:
    """Where files are by their names alone; None for a user without a home."""
    if sys.platform == "darwin":
        above = home.below("Library", "Caches")
    elif sys.platform == "win32":
        above = home.named("LOCALAPPDATA")
    else:
        above = home.cache()
    return home.named("LLAMA_CACHE") or (above / "llama.cpp" if above is not None else None)


def hub_cache(root: Path) -> HubCache:
    """What `LLAMA_CACHE` names, as `-hf` lays it out."""
    return HubCache(root, TITLE)


class FlatCache(NamedFiles):
    """Files as `<name>`, or `<user>_<repo>_<name>`.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, TITLE)

    def may_be(self, path: Path, sought: Sought) -> bool:
        """Whether its name ends with the sought one; folders below are those of `-hf`."""
        return path.parent == self.root and f"_{path.name}".endswith(f"_{sought.name}")
