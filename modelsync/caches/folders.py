"""Folders of models that the user's config names (`extra-caches`), of any layout: by name and size."""

from collections.abc import Iterator
from pathlib import Path

from modelsync.caches.huggingface import local_folder_digests
from modelsync.caches.model import Sought
from modelsync.caches.named_files import NamedFiles


class ModelFolder(NamedFiles):
    """One such folder. What `hf download --local-dir` put there is found by its digest too.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, str(root))
        self._etags: dict[str, list[Path]] | None = None

    def by_digest(self, sought: Sought) -> Iterator[Path]:
        """Files of which the Hugging Face tools noted the etag."""
        if self._etags is None:
            self._etags = {}
            for etag, path in local_folder_digests(self.root):
                self._etags.setdefault(etag, []).append(path)
        for etag in sought.etags:
            yield from (path for path in self._etags.get(etag, ()) if path.exists())
