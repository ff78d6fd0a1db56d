"""The models of Kronk: `<models>/<org>/<repo>/<file>`, and `sha/<file>` beside it with the text of its LFS pointer."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from modelsync.caches.home import Home
from modelsync.caches.model import Sought
from modelsync.caches.named_files import NamedFiles

_POINTER_BYTES = 1024


def folder(home: Home) -> Path | None:
    """Where the models are, or would be."""
    return home.named("KRONK_MODELS") or home.below(".kronk", "models")


class KronkModels(NamedFiles):
    """The models.

    Args:
        root: Their folder.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, "Kronk's models")

    def by_digest(self, sought: Sought) -> Iterator[Path]:
        """Files of that size whose pointer has the digest."""
        for path in self.of_size(sought) if sought.sha256 is not None else ():
            if any(_oid(place / "sha" / path.name) == sought.sha256 for place in (path.parent, self.root)):
                yield path


def _oid(pointer: Path) -> str | None:
    """The digest that an LFS pointer names."""
    from modelsync.store import small_files

    with suppress(OSError):
        found = re.search(rb"(?m)^oid sha256:([0-9a-f]{64})$", small_files.read(pointer, _POINTER_BYTES))
        return found[1].decode() if found is not None else None
    return None
