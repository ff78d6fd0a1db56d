"""Takes back what was put into the Hugging Face cache and the store no longer needs: our own names, nobody else's."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from modelsync.caches.hub_lock import BusyLockError, locked
from modelsync.caches.huggingface import REPO_KINDS, RepoCache, leads_to
from modelsync.store import given, small_files
from modelsync.store.given import Given
from modelsync.store.layout import Store

_INNER = ("blobs", "refs", "snapshots")
_PATIENCE = 1.0  # seconds for another program's lock: what it holds is taken back another time


def reclaim(store: Store, needed: Callable[[str], bool]) -> int:
    """Takes back the names of all files whose digests are not needed; what it cannot remove stays recorded.

    Args:
        store: The store, with its records of what was given.
        needed: Whether a digest is.

    Returns:
        How many files went.

    Raises:
        StoreError: the store cannot be written.
    """
    count = 0
    for root in [known.root for known in given.read_all(store)]:
        if not root.is_dir():  # a disk that is not there now
            continue
        record = given.read(store, root)
        digests = {file.sha256 for files in (record.files, record.checked) for file in files.values()}
        if all(map(needed, digests)):
            continue
        with given.edited(store, root):
            cache = _Reclaimer(given.read(store, root))
            for path, file in sorted(cache.record.files.items()):
                if not needed(file.sha256) and path.startswith(REPO_KINDS):
                    count += cache.take(path)
            checked = {path: file for path, file in cache.record.checked.items() if needed(file.sha256)}
            with suppress(OSError):
                given.write(store, cache.record._replace(checked=checked))
    return count


class _Reclaimer:
    """Works on one cache; what is settled leaves the record."""

    def __init__(self, record: Given) -> None:
        self.record = record

    def take(self, path: str) -> bool:
        """Removes a file and the links to it, if they are ours; returns whether the file went."""
        target = self.record.root / path
        repo = RepoCache(self.record.root / path.partition("/")[0])
        links = [link for link, to in self.record.links.items() if to == path]
        etag = target.name if target.parent.name == "blobs" else self.record.files[path].sha256
        try:
            with locked(repo.lock(etag), _PATIENCE):
                gone = not os.path.lexists(target)
                went = self._is_ours(path) and not self._has_other_links(repo, path, links)
                for link in links if went or gone else ():
                    if self._leads_to(self.record.root / link, path):
                        (self.record.root / link).unlink()
                if went:
                    target.unlink()
        except (BusyLockError, OSError):
            return False
        self._forget(path, links)
        for place in (*links, path):
            self._tidy(repo, place)
        return went

    def _is_ours(self, path: str) -> bool:
        try:
            return self.record.files[path].describes((self.record.root / path).lstat())
        except OSError:
            return False

    def _has_other_links(self, repo: RepoCache, path: str, links: list[str]) -> bool:
        ours = {self.record.root / name for name in (path, *links)}
        return any(
            place not in ours and self._leads_to(place, path) for place in _files(repo.root / "snapshots")
        )

    def _leads_to(self, place: Path, path: str) -> bool:
        return leads_to(self.record.root, place) == self.record.root / path

    def _forget(self, path: str, links: list[str]) -> None:
        self.record = self.record._replace(
            files={key: file for key, file in self.record.files.items() if key != path},
            links={key: to for key, to in self.record.links.items() if key not in links},
        )

    def _tidy(self, repo: RepoCache, place: str) -> None:
        """Removes folders that are empty now, and the branches of ours that were a commit without files."""
        parts = place.split("/")
        if len(parts) > 3 and parts[1] == "snapshots":
            snapshot = repo.snapshot(parts[2])
            for depth in range(len(parts) - 1, 3, -1):
                with suppress(OSError):
                    self.record.root.joinpath(*parts[:depth]).rmdir()
            with suppress(OSError):
                if not any(snapshot.iterdir()):
                    self._drop_refs(repo, parts[2])
                    if not any(_text(ref) == parts[2] for ref in _files(repo.root / "refs")):
                        snapshot.rmdir()
        with suppress(OSError):
            _remove_emptied(repo.root)

    def _drop_refs(self, repo: RepoCache, commit: str) -> None:
        """Removes the branches of a commit that are as they were written."""
        mine = repo.root.name + "/refs/"
        for path in [key for key, to in self.record.refs.items() if to == commit and key.startswith(mine)]:
            ref = self.record.root / path
            if _text(ref) == commit:
                ref.unlink()
                for above in ref.parents:
                    if above == repo.root / "refs":
                        break
                    with suppress(OSError):
                        above.rmdir()
            self.record = self.record._replace(
                refs={key: to for key, to in self.record.refs.items() if key != path}
            )


def _files(folder: Path) -> Iterator[Path]:
    for above, _, names in os.walk(folder):
        yield from (Path(above) / name for name in names)


def _remove_emptied(root: Path) -> None:
    """Removes the folder of a repo in which there is nothing.

    With anything else in it, its folders stay too: the tools call a repo without `snapshots` corrupted.
    """
    inner = [folder for folder in sorted(root.iterdir()) if folder.name in _INNER]
    empty = not root.is_symlink() and not any(any(folder.iterdir()) for folder in inner)
    if empty and len(inner) == len(list(root.iterdir())):
        for folder in (*inner, root):
            folder.rmdir()


def _text(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return small_files.read(path, 1024).decode()
    return None
