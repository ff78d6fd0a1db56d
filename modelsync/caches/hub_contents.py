"""What is in a Hugging Face cache: the commits that are there, with their files, and which file has which digest."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from modelsync.caches.huggingface import HubCache, RepoCache

MODELS = "models--"
MOST_FILES = 10_000  # of one commit
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class HubSnapshot(NamedTuple):
    """A commit of a model's repo.

    Attributes:
        repo: `user/model`.
        commit: 40 hex digits.
        branches: The branches and tags that are this commit in the cache, `main` first.
        files: Paths in the repo, each with its size in bytes.
        digests: The sha256 of those whose name in the cache tells it.
    """

    repo: str
    commit: str
    branches: tuple[str, ...]
    files: dict[str, int]
    digests: dict[str, str]


def snapshots(cache: HubCache) -> Iterator[HubSnapshot]:
    """All commits of models' repos that have a file, by repo; those with a branch first."""
    try:
        repos = [repo for repo in cache.repos() if repo.root.name.startswith(MODELS)]
    except OSError:
        return
    for repo in repos:
        name = repo.root.name.removeprefix(MODELS).split("--", 1)
        if len(name) != 2:  # of the time when a repo needed no user
            continue
        branches = _branches(repo)
        with suppress(OSError):
            found = sorted(entry.name for entry in (repo.root / "snapshots").iterdir())
            for commit in sorted(found, key=lambda commit: "main" not in branches.get(commit, ())):
                files, digests = _files(repo.snapshot(commit))
                if files and _COMMIT.fullmatch(commit):
                    yield HubSnapshot("/".join(name), commit, branches.get(commit, ()), files, digests)


def _branches(repo: RepoCache) -> dict[str, tuple[str, ...]]:
    """The branches of each commit."""
    from modelsync.store import small_files

    refs = repo.root / "refs"
    found: dict[str, list[str]] = {}
    for above, _, names in os.walk(refs):
        for name in names:
            path = Path(above, name)
            with suppress(OSError, UnicodeDecodeError):
                commit = small_files.read(path, 1024).decode().strip()
                found.setdefault(commit, []).append(path.relative_to(refs).as_posix())
    return {
        commit: tuple(sorted(names, key=lambda name: (name != "main", name)))
        for commit, names in found.items()
    }


def _files(snapshot: Path) -> tuple[dict[str, int], dict[str, str]]:
    files: dict[str, int] = {}
    digests: dict[str, str] = {}
    for above, _, names in os.walk(snapshot):
        for name in sorted(names):
            path = Path(above, name)
            with suppress(OSError):
                if path.is_file() and len(files) < MOST_FILES:
                    inside = path.relative_to(snapshot).as_posix()
                    files[inside] = path.stat().st_size
                    if path.is_symlink() and _SHA256.fullmatch(path.readlink().name):
                        digests[inside] = path.readlink().name
    return files, digests
