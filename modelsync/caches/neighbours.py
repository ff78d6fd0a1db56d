"""All caches of other tools on this machine, searched together. Reads names and sizes; only hashing tells the rest.

A neighbour's file is never changed. What is found is a guess: it may be rotten, half-written or gone in a moment.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from modelsync.caches import (
    docker_model_runner,
    folders,
    huggingface,
    kronk,
    llama_cpp,
    lm_studio,
    node_llama_cpp,
    ollama,
    ramalama,
)
from modelsync.caches.home import Home
from modelsync.caches.listing import is_unfinished
from modelsync.caches.model import Cache, Candidate, Sought
from modelsync.spec.names import printable

GUESSES = 4  # files found by name and size alone that are tried for one sought file


def all_caches(home: Home, extra: Iterable[Path] = ()) -> tuple[Cache, ...]:
    """The caches that are here, those that know digests first.

    Args:
        home: Whose.
        extra: Further folders of models.
    """
    hubs = dict.fromkeys([huggingface.hub_folder(home), llama_cpp.hub_folder(home)])
    flat, docker = llama_cpp.flat_folder(home), docker_model_runner.folder(home)
    studio, node, kronks = lm_studio.folder(home), node_llama_cpp.folder(home), kronk.folder(home)
    named: list[Cache | None] = [
        *(
            huggingface.HubCache(root) if not index else llama_cpp.hub_cache(root)
            for index, root in enumerate(hubs)
            if root is not None
        ),
        *(ollama.OllamaStore(root) for root in ollama.folders(home)),
        docker_model_runner.DockerStore(docker) if docker is not None else None,
        *(ramalama.RamaLamaStore(root) for root in ramalama.folders(home)),
        kronk.KronkModels(kronks) if kronks is not None else None,
        lm_studio.LmStudioModels(studio) if studio is not None else None,
        node_llama_cpp.NodeLlamaCppModels(node) if node is not None else None,
        llama_cpp.FlatCache(flat) if flat is not None else None,
        *(cache for root in dict.fromkeys(extra) for cache in folders.caches_in(root)),
    ]
    found: dict[tuple[type, Path], Cache] = {}
    for cache in named:
        if cache is not None and _is_folder(cache.root):
            found.setdefault((type(cache), cache.root), cache)
    return tuple(found.values())


class Neighbours:
    """The caches of one call; what they have is listed once. Its methods may be called from any thread.

    Args:
        caches: The caches, in the order in which they are asked.
        tell: Is told why a file that a cache has is not taken.
    """

    def __init__(self, caches: Sequence[Cache], tell: Callable[[str], None] = lambda _: None) -> None:
        self.caches = tuple(caches)
        self._tell = tell
        self._turn = threading.Lock()
        self._known: dict[Sought, tuple[Candidate, ...]] = {}

    def find(self, sought: Sought) -> tuple[Candidate, ...]:
        """The files that may have the sought bytes, the likeliest first."""
        with self._turn:
            if sought not in self._known:
                self._known[sought] = tuple(self._find(sought)) if sought.size > 0 and self.caches else ()
            return self._known[sought]

    def _find(self, sought: Sought) -> Iterator[Candidate]:
        seen: set[Path] = set()
        certain = chain.from_iterable(self._asked(cache, cache.by_digest, sought) for cache in self.caches)
        guessed = chain.from_iterable(self._asked(cache, cache.by_name, sought) for cache in self.caches)
        guesses = 0
        for paths, is_guess in ((certain, False), (guessed, True)):
            for cache, path in paths:
                found = self._candidate(cache, path, sought)
                if found is None or found.path in seen:
                    continue
                seen.add(found.path)
                guesses += is_guess
                if guesses > GUESSES:
                    return
                yield found

    def _asked(
        self, cache: Cache, way: Callable[[Sought], Iterable[Path]], sought: Sought
    ) -> Iterator[tuple[Cache, Path]]:
        try:
            for path in way(sought):
                yield cache, path
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._tell(f"{cache.title} cannot be read: {error.strerror or error}")

    def _candidate(self, cache: Cache, path: Path, sought: Sought) -> Candidate | None:
        """The regular file that is meant, if it may be taken; else tells why not."""
        shown = printable(str(path), 1000)
        try:
            real = Path(os.path.realpath(path, strict=True))
            seen = real.stat()
        except FileNotFoundError:
            self._tell(f"{shown} is not taken: it leads nowhere")
            return None
        except OSError as error:
            why = "its links lead in a circle" if error.errno == errno.ELOOP else error.strerror or str(error)
            self._tell(f"{shown} is not taken: {why}")
            return None
        if not real.is_relative_to(os.path.realpath(cache.root)):
            self._tell(f"{shown} is not taken: it leads out of {cache.title}")
        elif not stat.S_ISREG(seen.st_mode):
            self._tell(f"{shown} is not taken: it is no regular file")
        elif is_unfinished(real.name):
            self._tell(f"{shown} is not taken: it is not finished")
        elif seen.st_size != sought.size:
            self._tell(f"{shown} is not taken: it has {seen.st_size} bytes, not {sought.size}")
        else:
            least = cache.links_from
            return Candidate(real, cache.title, least is not None and sought.size >= least and _is_ours(seen))
        return None


def _is_ours(seen: os.stat_result) -> bool:
    """Whether one more name of a file is safe: nobody else may write to it, and its read-only mark may stay.

    Windows removes no read-only file, under any of its names, without changing it first.
    """
    if hasattr(os, "geteuid"):
        return seen.st_uid == os.geteuid()
    return bool(seen.st_mode & stat.S_IWRITE)


def _is_folder(path: Path) -> bool:
    with suppress(OSError):
        return path.is_dir()
    return False
