"""Caches whose file names are no digests: files are found by name and size, and only hashing tells the rest."""

from collections.abc import Iterable
from pathlib import Path

from modelsync.caches.listing import Listing
from modelsync.caches.model import Sought


class NamedFiles:
    """A folder of files under their own names. Its tool may write into one that is there, so none is linked.

    Args:
        root: The folder.
        title: What people call it.
    """

    links_from = None

    def __init__(self, root: Path, title: str) -> None:
        self.root = root
        self.title = title
        self._listing = Listing(root)

    def by_digest(self, sought: Sought) -> Iterable[Path]:  # noqa: ARG002
        """None: no name here is a digest."""
        return ()

    def by_name(self, sought: Sought) -> Iterable[Path]:
        """Files of that size that the tool may have called so, the likeliest first."""
        return [path for path in self.of_size(sought) if self.may_be(path, sought)]

    def may_be(self, path: Path, sought: Sought) -> bool:
        """Whether a file of that size may be the sought one, by its name."""
        return path.name == sought.name

    def of_size(self, sought: Sought) -> list[Path]:
        """The files that have the sought size."""
        return self._listing.of_size(sought.size)
