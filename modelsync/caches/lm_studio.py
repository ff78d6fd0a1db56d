"""The models of LM Studio: `<models>/<publisher>/<repo>/<file>`, no digests. `downloading_….part` is unfinished."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from modelsync.caches.home import Home
from modelsync.caches.model import Sought
from modelsync.caches.named_files import NamedFiles

_SMALL = 1 << 20  # bytes of a pointer or a settings file


def folder(home: Home) -> Path | None:
    """Where LM Studio keeps models, by its own pointer and settings; None for a user without a home."""
    from modelsync.store import small_files

    if home.folder is None:
        return None
    place: Path | None = None
    with suppress(OSError, ValueError):
        text = small_files.read(home.folder / ".lmstudio-home-pointer", _SMALL).decode().strip()
        place = Path(text) if text and Path(text).is_absolute() else None
    if place is None:
        old = home.folder / ".cache" / "lm-studio"
        place = old if old.is_dir() else home.folder / ".lmstudio"

    def downloads(value: Any) -> Path | None:
        named = Path(value["downloadsFolder"])
        return named if named.is_absolute() else None

    return small_files.parsed(place / "settings.json", downloads, _SMALL) or place / "models"


class LmStudioModels(NamedFiles):
    """The models.

    Args:
        root: Their folder.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, "LM Studio's models")

    def by_name(self, sought: Sought) -> list[Path]:
        """Files of that name and size, those of the same repo first."""
        own = f"{sought.repo}/{sought.path}"
        return sorted(super().by_name(sought), key=lambda path: path.relative_to(self.root).as_posix() != own)
