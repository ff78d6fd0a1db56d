"""The record of what was put into another tool's cache: what of it may be taken back. One file a cache.

    {"root": "/home/me/.cache/huggingface/hub",
     "files": {"models--user--model/blobs/<etag>": ["<sha256>", 1024, 17…, "hardlink"]},
     "links": {"models--user--model/snapshots/<commit>/tiny.gguf": "models--user--model/blobs/<etag>"},
     "refs": {"models--user--model/refs/main": "<commit>"},
     "checked": {"models--user--model/blobs/<etag>": ["<sha256>", 1024, 17…, 4711]}}

It is written before a name appears, so that what a killed process left is known too. A name is ours only while what it
leads to has the size and time that are recorded here: what another program has put there since is that program's.
`checked` are files of other programs that were hashed: they are hashed once.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.store import atomic, digest_lock, small_files
from modelsync.store.layout import GIVEN, Store

if TYPE_CHECKING:
    import threading


class GivenFile(NamedTuple):
    """Bytes that were put somewhere.

    Attributes:
        sha256: Their digest, in hex.
        size: Bytes.
        mtime_ns: Modification time in ns: that of the blob in the store.
        mode: How they were put there; empty until they were.
    """

    sha256: str
    size: int
    mtime_ns: int
    mode: str = ""

    def describes(self, seen: os.stat_result) -> bool:
        """Whether a file that looks so, by its lstat, still is the one that was put there."""
        same = (seen.st_size, seen.st_mtime_ns) == (self.size, self.mtime_ns)
        return same and stat.S_ISREG(seen.st_mode)


class TheirFile(NamedTuple):
    """What another program's file was when it was hashed.

    Attributes:
        sha256: Its digest, in hex.
        size: Bytes.
        mtime_ns: Modification time in ns.
        inode: The number of its inode.
    """

    sha256: str
    size: int
    mtime_ns: int
    inode: int

    def describes(self, seen: os.stat_result) -> bool:
        """Whether a file that looks so, by its stat, still is that one."""
        return (seen.st_size, seen.st_mtime_ns, seen.st_ino) == self[1:]


class Given(NamedTuple):
    """What was put into one cache. All paths are relative to its root, with `/`.

    Attributes:
        root: The cache.
        files: Real files.
        links: Links, each with the file that it leads to.
        refs: Files that name a commit, each with it.
        checked: Files of other programs that were hashed.
    """

    root: Path
    files: Mapping[str, GivenFile] = {}
    links: Mapping[str, str] = {}
    refs: Mapping[str, str] = {}
    checked: Mapping[str, TheirFile] = {}


def read(store: Store, root: Path) -> Given:
    """What is recorded of a cache."""
    found = small_files.parsed(_place(store, root), _parse)
    return found if found is not None and found.root == root else Given(root)


def read_all(store: Store) -> tuple[Given, ...]:
    """What is recorded of each cache."""
    try:
        names = sorted(os.listdir(store.root / GIVEN))  # noqa: PTH208
    except OSError:
        return ()
    every = (small_files.parsed(store.root / GIVEN / name, _parse) for name in names)
    return tuple(given for given in every if given is not None)


def write(store: Store, given: Given) -> None:
    """Writes the record of a cache; without anything to record there is no file.

    Raises:
        OSError: the store cannot be written.
        StoreError: a folder of the store leads out of it.
    """
    place = _place(store, given.root)
    if not any(given[1:]):
        atomic.unlink(place)
        return
    value = {
        "root": str(given.root),
        "files": {path: list(given.files[path]) for path in sorted(given.files)},
        "links": dict(sorted(given.links.items())),
        "refs": dict(sorted(given.refs.items())),
        "checked": {path: list(given.checked[path]) for path in sorted(given.checked)},
    }
    atomic.write(store, place, json.dumps(value).encode())


@contextmanager
def edited(store: Store, root: Path, cancel: "threading.Event | None" = None) -> Iterator[None]:
    """Keeps other processes from changing the record of a cache for a `with` block.

    Raises:
        StoreError: the store cannot be written.
        CancelledError: the wait was cancelled.
    """
    key = hashlib.sha256(b"given\0" + os.fsencode(root)).hexdigest()
    with digest_lock.hold(store, key, cancel=cancel):
        yield


def _place(store: Store, root: Path) -> Path:
    return store.root / GIVEN / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.json"


def _parse(value: Any) -> Given | None:
    root = Path(value["root"])
    files = {path: GivenFile(*file) for path, file in value["files"].items()}
    links, refs = dict(value["links"]), dict(value["refs"])
    checked = {path: TheirFile(*file) for path, file in value.get("checked", {}).items()}
    paths = (*files, *links, *links.values(), *refs, *checked)
    typed = all(
        (type(file.sha256), type(file.size), type(file.mtime_ns), type(file.mode)) == (str, int, int, str)
        for file in files.values()
    ) and all(tuple(map(type, file)) == (str, int, int, int) for file in checked.values())
    right = typed and all(isinstance(commit, str) for commit in refs.values())
    if not right or not root.is_absolute() or not all(map(_is_inside, paths)):
        return None
    return Given(root, files, links, refs, checked)


def _is_inside(path: str) -> bool:
    """Whether a path stays in the folder that it is relative to. A branch's name may be one that Windows refuses."""
    pure = PurePath(path)
    return bool(pure.parts) and not pure.anchor and ".." not in pure.parts
