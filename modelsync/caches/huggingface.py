"""The cache of the Hugging Face tools, which llama.cpp shares.

    <hub>/models--org--name/blobs/<etag>                the bytes; the etag is a sha256 (LFS), or a git blob id
    <hub>/models--org--name/snapshots/<commit>/<path>   a relative link to a blob; without symlinks the file itself
    <hub>/models--org--name/refs/<branch>               a commit, without a newline
    <hub>/models--org--name/trees/<commit>.json         sizes and digests of the whole commit
    <hub>/blobs/<2 hex>/<xet hash>                      a store shared by all repos; a repo's blob is then a link to it
    <hub>/.locks/models--org--name/<etag>.lock

A blob appears by a rename and is never written in place.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from modelsync.caches.home import Home
from modelsync.caches.listing import Listing
from modelsync.caches.model import Sought
from modelsync.spec.names import path_fault

REPO_KINDS = ("models--", "datasets--", "spaces--", "kernels--")
_TREE_BYTES = 16 << 20  # of one tree
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)


def hub_folder(home: Home) -> Path | None:
    """Where the hub's cache is, or would be; None for a user without a home."""
    named = home.named("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
    if named is not None:
        return named
    above = home.named("HF_HOME")
    if above is None:
        cache = home.cache()
        above = cache / "huggingface" if cache is not None else None
    return above / "hub" if above is not None else None


def is_cache(root: Path) -> bool:
    """Whether a folder is laid out as the hub's cache."""
    with suppress(OSError):
        return any(name.startswith(REPO_KINDS) for name in os.listdir(root))  # noqa: PTH208
    return False


def repo_folder(repo: str, kind: str = "models--") -> str:
    """The name of a repo's folder: `models--org--name`."""
    return kind + repo.replace("/", "--")


class RepoCache(NamedTuple):
    """The folder of one repo.

    Attributes:
        root: `<hub>/models--org--name`.
    """

    root: Path

    def blob(self, etag: str) -> Path:
        """Where the bytes of that etag are, or would be."""
        return self.root / "blobs" / etag

    def snapshot(self, commit: str) -> Path:
        """The folder of a commit."""
        return self.root / "snapshots" / commit

    def ref(self, branch: str) -> Path:
        """The file that says which commit a branch or tag is."""
        return self.root / "refs" / branch

    def tree(self, commit: str) -> Path:
        """The list of all files of a commit; tools take it as complete."""
        return self.root / "trees" / f"{commit}.json"

    def absent(self, commit: str, path: str) -> Path:
        """The mark that a commit has no such file."""
        return self.root / ".no_exist" / commit / path

    def lock(self, etag: str) -> Path:
        """The file that is locked while a blob is made."""
        return self.root.parent / ".locks" / self.root.name / f"{etag}.lock"


def leads_to(root: Path, entry: Path) -> Path:
    """Where an entry of a cache has its bytes: a link's are one step further. Links above it are not followed.

    Args:
        root: `<hub>`, which may have `..` in it.
        entry: A path below it.

    Returns:
        A path below `root` without `..`, where it is one; the entry itself, where it is no link.
    """
    try:
        to = entry.readlink()
    except OSError:
        return entry
    above = entry.relative_to(root).parent
    return to if to.is_absolute() else root / os.path.normpath(above / to)


class HubCache:
    """A cache of this layout.

    Args:
        root: `<hub>`.
        title: What people call it.
    """

    links_from = 0

    def __init__(self, root: Path, title: str = "the Hugging Face cache") -> None:
        self.root = root
        self.title = title
        self._blobs: dict[str, list[Path]] | None = None
        self._trees: dict[str, list[Path]] | None = None
        self._real: dict[int, list[Path]] | None = None

    def repos(self) -> list[RepoCache]:
        """The repos that are here.

        Raises:
            OSError: the cache cannot be read.
        """
        return [RepoCache(path) for path in sorted(self.root.iterdir()) if path.name.startswith(REPO_KINDS)]

    def by_digest(self, sought: Sought) -> Iterator[Path]:
        """The blob of that etag, in whichever repo; without symlinks, what a commit's tree says has it."""
        if self._blobs is None:
            self._blobs = _by_key(_blobs_of(repo) for repo in self.repos())
        for etag in sought.etags:
            yield from self._own_first(sought, self._blobs.get(etag, ()))
        if self._trees is None:
            self._trees = _by_key(_in_trees(repo) for repo in self.repos())
        for path in self._own_first(sought, self._trees.get(sought.sha256 or "", ())):
            if path.is_file() and not path.is_symlink():
                yield path

    def by_name(self, sought: Sought) -> Iterator[Path]:
        """Real files in snapshots, as there are without symlinks: of the same repo and path, else of the same name."""
        if self._real is None:
            self._real = _by_key(Listing(repo.root / "snapshots").all() for repo in self.repos())
        for path in self._own_first(sought, self._real.get(sought.size, ())):
            repo, _, _, *inside = path.relative_to(self.root).parts
            if "/".join(inside) == sought.path if self._is_own(sought, repo) else path.name == sought.name:
                yield path

    def _own_first(self, sought: Sought, paths: Sequence[Path]) -> list[Path]:
        """Paths in the cache, those in the sought file's own repo before all others."""
        at = len(self.root.parts)
        return sorted(paths, key=lambda path: not self._is_own(sought, path.parts[at]))

    def _is_own(self, sought: Sought, name: str) -> bool:
        return sought.repo is not None and name == repo_folder(sought.repo)


K = TypeVar("K")


def _by_key(found: Iterable[Iterable[tuple[K, Path]]]) -> dict[K, list[Path]]:
    by_key: dict[K, list[Path]] = {}
    for key, path in chain.from_iterable(found):
        by_key.setdefault(key, []).append(path)
    return by_key


def _blobs_of(repo: RepoCache) -> Iterator[tuple[str, Path]]:
    """The blobs of a repo by their names: one listing costs less than a look for each file of a large model."""
    with suppress(OSError):
        yield from ((name, repo.blob(name)) for name in os.listdir(repo.root / "blobs"))  # noqa: PTH208


def _in_trees(repo: RepoCache) -> Iterator[tuple[str, Path]]:
    """Where the large files of a repo's commits are, or would be, by the sha256 that their tree tells."""
    with suppress(OSError):
        for tree in sorted((repo.root / "trees").iterdir()):
            commit = tree.name.removesuffix(".json")
            if _COMMIT.fullmatch(commit):
                yield from ((sha256, repo.snapshot(commit) / path) for sha256, path in _digests(tree))


def _digests(tree: Path) -> Iterator[tuple[str, str]]:
    """The sha256 and the path of each large file of a commit."""
    from modelsync.store import small_files

    def parse(value: Any) -> list[tuple[str, str]]:
        return [
            (entry["lfs_sha256"], path)
            for path, entry in value["files"].items()
            if isinstance(entry.get("lfs_sha256"), str) and path_fault(path) is None
        ]

    yield from small_files.parsed(tree, parse, _TREE_BYTES) or ()


def local_folder_digests(folder: Path) -> Iterator[tuple[str, Path]]:
    """The etag and the path of each file that `hf download --local-dir` put into a folder, as it was then.

    Each has `<folder>/.cache/huggingface/download/<path>.metadata`: commit, etag and time, a line each.
    """
    from modelsync.store import small_files

    notes = folder / ".cache" / "huggingface" / "download"
    for note in sorted(notes.rglob("*.metadata")):
        with suppress(OSError, ValueError, IndexError):
            etag = small_files.read(note, 4096).decode().splitlines()[1].strip()
            yield etag, folder / note.relative_to(notes).as_posix().removesuffix(".metadata")
