"""Folders of models that the user's config names (`extra-caches`): a tool's cache that was moved, or any layout."""

from collections.abc import Iterator
from pathlib import Path

from modelsync.caches import docker_model_runner, huggingface, ollama
from modelsync.caches.huggingface import local_folder_digests
from modelsync.caches.model import Cache, Sought
from modelsync.caches.named_files import NamedFiles


def caches_in(root: Path) -> Iterator[Cache]:
    """What a folder is: the cache of a tool, by its layout, where it is one; and a folder of files in any case."""
    for place in (root, root / "hub"):
        if huggingface.is_cache(place):
            yield huggingface.HubCache(place)
    for place in (root, root / "models"):
        if (place / "blobs" / "sha256").is_dir():
            yield docker_model_runner.DockerStore(place)
        elif ollama.is_store(place):
            yield ollama.OllamaStore(place)
    yield ModelFolder(root)


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
