"""What hubs were seen to publish: files of a commit, with ETag and size, and the branches that were that commit.

    {"hub": "https://huggingface.co", "repo": "user/model", "commit": "…",
     "files": {"tiny.gguf": ["<etag>", 1024]}, "branches": ["main"]}

The texts of its license files are in a file of their own: `"texts": {"LICENSE": "…"}` in the place of the last line.

Only a hub's own answer is written here, never what a lock, a manifest or a mirror says. One file a commit, which goes
30 days after it was last of use; it can be asked for again.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.errors import StoreError
from modelsync.store import atomic, small_files
from modelsync.store.layout import PUBLISHED, Store


class PublishedFile(NamedTuple):
    """What a hub says of a file.

    Attributes:
        etag: The sha256 of a file in LFS, the git blob id of another.
        size: Bytes.
    """

    etag: str
    size: int


class PublishedCommit(NamedTuple):
    """What a hub was seen to publish in one commit; most likely not all of it.

    Attributes:
        files: By their paths.
        branches: Names of branches and tags that were this commit when the hub was asked.
    """

    files: Mapping[str, PublishedFile] = {}
    branches: frozenset[str] = frozenset()


def read(store: Store, hub: str, repo: str, commit: str) -> PublishedCommit:
    """What is known of a commit.

    Args:
        store: The store.
        hub: The hub that was asked, without a slash at the end.
        repo: `user/model`.
        commit: 40 hex digits.
    """
    path = _place(store, hub, repo, commit)
    found = small_files.parsed(path, lambda value: _parse(value, (hub, repo, commit)))
    if found is None:
        return PublishedCommit()
    with suppress(OSError):
        small_files.touch(path, path.stat().st_mtime)
    return found


def note(
    store: Store,
    hub: str,
    repo: str,
    commit: str,
    files: Mapping[str, PublishedFile],
    branches: Iterable[str] = (),
) -> None:
    """Notes what a hub has just said of a commit, beside what was known; where that cannot be written it is lost."""
    known = read(store, hub, repo, commit)
    new = PublishedCommit({**known.files, **files}, known.branches | frozenset(branches))
    if new == known:
        return
    value = {
        "hub": hub,
        "repo": repo,
        "commit": commit,
        "files": {path: list(new.files[path]) for path in sorted(new.files)},
        "branches": sorted(new.branches),
    }
    with suppress(OSError, StoreError):
        atomic.put(store, _place(store, hub, repo, commit), json.dumps(value).encode())


def read_texts(store: Store, hub: str, repo: str, commit: str) -> dict[str, str] | None:
    """The license files of a commit, by path; None where they are not known. Arguments as of `read`."""
    path = _place(store, hub, repo, commit, "texts")

    def parse(value: Any) -> dict[str, str] | None:
        asked = (value["hub"], value["repo"], value["commit"]) == (hub, repo, commit)
        right = asked and all(map(small_files.is_text, value["texts"].values()))
        return dict(value["texts"]) if right else None

    found = small_files.parsed(path, parse)
    if found is not None:
        with suppress(OSError):
            small_files.touch(path, path.stat().st_mtime)
    return found


def note_texts(store: Store, hub: str, repo: str, commit: str, texts: Mapping[str, str]) -> None:
    """Notes the license files of a commit, all of them; where that cannot be written it is lost."""
    value = {"hub": hub, "repo": repo, "commit": commit, "texts": dict(texts)}
    with suppress(OSError, StoreError):
        atomic.put(store, _place(store, hub, repo, commit, "texts"), json.dumps(value).encode())


def _place(store: Store, hub: str, repo: str, commit: str, *more: str) -> Path:
    key = hashlib.sha256(os.fsencode("\n".join((hub, repo, commit, *more)))).hexdigest()[:16]
    return store.root / PUBLISHED / f"{key}.json"


def _parse(value: Any, asked: tuple[str, str, str]) -> PublishedCommit | None:
    if (value["hub"], value["repo"], value["commit"]) != asked:
        return None
    files = {path: PublishedFile(etag, size) for path, (etag, size) in value["files"].items()}
    right = all(isinstance(file.etag, str) and type(file.size) is int for file in files.values())
    branches = frozenset(value["branches"])
    return PublishedCommit(files, branches) if right else None
