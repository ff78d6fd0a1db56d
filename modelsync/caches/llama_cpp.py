"""The caches of llama.cpp: `-hf` uses the layout of the Hugging Face cache, `-mu` and older versions a flat folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

from modelsync.caches.home import Home
from modelsync.caches.huggingface import HubCache
from modelsync.caches.listing import Listing
from modelsync.caches.model import Sought


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
    return HubCache(root, "llama.cpp's cache")


class FlatCache:
    """Files as `<name>`, or `<user>_<repo>_<name>`.

    Args:
        root: The folder.
    """

    title = "llama.cpp's cache"
    links_from = None

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listing = Listing(root)

    def by_digest(self, sought: Sought) -> Iterator[Path]:  # noqa: ARG002
        """None: no name here is a digest."""
        yield from ()

    def by_name(self, sought: Sought) -> Iterator[Path]:
        """Files of that size whose name ends with the sought one."""
        for path in self._listing.of_size(sought.size):
            if path.parent == self.root and (
                path.name == sought.name or path.name.endswith(f"_{sought.name}")
            ):
                yield path
