"""Puts files into the Hugging Face cache, in the steps of the tools whose cache it is.

The lock of the etag; the blob, by a rename; a relative link to it in the snapshot; the mark that says that there is no
such file goes; the branch comes last. What is there already stays as it is, also where it is wrong: it is theirs. It is
hashed once, and no link of ours leads to other bytes. The list of a whole commit (`trees/`) is never written, since the
tools take it as complete.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from modelsync.caches import hub_entry
from modelsync.caches.hub_entry import NewEntry
from modelsync.caches.hub_lock import BusyLockError, locked
from modelsync.caches.huggingface import RepoCache, repo_folder
from modelsync.errors import StoreError
from modelsync.spec.names import printable
from modelsync.store import atomic, clone, given, hashing
from modelsync.store.given import Given, GivenFile, TheirFile
from modelsync.store.layout import Store
from modelsync.store.link_record import LinkMode

if TYPE_CHECKING:
    import threading

PATIENCE = 10.0  # seconds for another program's lock
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# This file marks a cache of huggingface_hub.\n"

Outcome = Literal["put", "there", "other", "busy", "failed"]


class PutEntry(NamedTuple):
    """What became of an entry.

    Attributes:
        entry: The entry.
        outcome: `put`; `there` before; `other`: something else has its place; `busy`: another program is at work on
            it; `failed`: the system refused it.
        why: In words, where there is more to say.
        copied: Whether its bytes were copied, since no link could be made.
    """

    entry: NewEntry
    outcome: Outcome
    why: str = ""
    copied: bool = False


class HubWriter:
    """Writes into one cache.

    Args:
        root: `<hub>`.
        store: Where the bytes are, and the record of what was given.
        links: Whether links may be made; None: where the system can.
        cancel: Ends the wait for locks when set.
        digest: Hashes another program's file: its sha256 in hex.
    """

    def __init__(
        self,
        root: Path,
        store: Store,
        *,
        links: bool | None = None,
        cancel: "threading.Event | None" = None,
        digest: Callable[[NewEntry, Path], str] = lambda _, path: hashing.sha256_of(path),
    ) -> None:
        self.root = root
        self._store = store
        self._links = links
        self._cancel = cancel
        self._digest = digest
        self._patience = PATIENCE
        self._record = given.read(store, root)
        self._outdated: set[Path] = set()  # files of ours that are to be replaced

    def is_there(self, entry: NewEntry) -> bool:
        """Whether the entry is in its place: a file of the store, or another program's that was hashed and is right."""
        return hub_entry.verdict(self._record, self.place(entry), entry) == "right"

    def check(self, entries: Iterable[NewEntry]) -> None:
        """Hashes what other programs have in the places of entries, or under their etags; what was hashed is not again.

        What cannot be remembered is hashed another time.
        """
        before = self._record.checked
        for entry in entries:
            for path in (self.place(entry), *([self._repo(entry).blob(entry.etag)] if entry.etag else ())):
                self._is_right(path, entry)
        checked = self._record.checked
        if checked != before:
            with suppress(OSError, StoreError), given.edited(self._store, self.root, self._cancel):
                record = given.read(self._store, self.root)
                self._save(record._replace(checked={**record.checked, **checked}))

    def place(self, entry: NewEntry) -> Path:
        """Where tools find the entry by its commit."""
        return self._repo(entry).snapshot(entry.commit) / entry.path

    def branch_held(self, entry: NewEntry) -> str | None:
        """The commit that its branch is in the cache, and stays; None if it may become the entry's."""
        held = _commit_in(self._repo(entry).ref(entry.branch)) if entry.branch is not None else None
        if held is None or (held != entry.commit and self._may_move(entry, held)):
            return None
        return held

    def put(self, entries: Sequence[NewEntry]) -> list[PutEntry]:
        """Puts entries into the cache, each for itself, and then the branches of those that are there.

        Raises:
            StoreError: the store cannot be written; nothing was put.
            CancelledError: the wait for another process that does the same was cancelled.
        """
        self.check(entries)
        with given.edited(self._store, self.root, self._cancel):
            return self._put_all(entries)

    def _put_all(self, entries: Sequence[NewEntry]) -> list[PutEntry]:
        record = given.read(self._store, self.root)
        self._record = record._replace(checked={**record.checked, **self._record.checked})
        try:
            self._prepare()
            todo = [entry for entry in entries if not self.is_there(entry)]
            self._save(self._planned(todo))
        except OSError as error:
            return [PutEntry(entry, "failed", error.strerror or str(error)) for entry in entries]
        wanted = set(todo)
        done = [self._put(entry) if entry in wanted else PutEntry(entry, "there") for entry in entries]
        for one in done:
            if one.outcome in ("put", "there"):
                with suppress(OSError):
                    self._put_ref(one.entry)
        with suppress(OSError):
            self._save(self._record)
        return done

    def _prepare(self) -> None:
        if not self.root.is_dir():
            self.root.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError), (self.root / "CACHEDIR.TAG").open("x") as tag:
                tag.write(_TAG)

    def _repo(self, entry: NewEntry) -> RepoCache:
        return RepoCache(self.root / repo_folder(entry.repo))

    def _planned(self, entries: Sequence[NewEntry]) -> Given:
        """The record, with what is about to be put; what is there of others is not recorded."""
        files, links = dict(self._record.files), dict(self._record.links)
        for entry in entries:
            repo = self._repo(entry)
            place = repo.snapshot(entry.commit) / entry.path
            bytes_at = repo.blob(entry.etag) if self._can_link(repo, entry) else place
            key, link = self._key(bytes_at), self._key(place)
            if hub_entry.is_outdated(self._record, bytes_at, entry):
                self._outdated.add(bytes_at)
            if not os.path.lexists(bytes_at) or bytes_at in self._outdated:
                files[key] = GivenFile(entry.sha256, entry.size, entry.blob.stat().st_mtime_ns)
            if link != key and not os.path.lexists(place):
                links[link] = key
        return self._record._replace(files=files, links=links)

    def _save(self, record: Given) -> None:
        self._record = record
        given.write(self._store, record)

    def _key(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _is_right(self, path: Path, entry: NewEntry) -> bool:
        """Whether a path leads to the entry's bytes; another program's file is hashed if it was not."""
        verdict = hub_entry.verdict(self._record, path, entry)
        if verdict != "unknown":
            return verdict == "right"
        try:
            seen = path.stat()
            found = TheirFile(self._digest(entry, path), entry.size, seen.st_mtime_ns, seen.st_ino)
            if not found.describes(path.stat()):
                return False  # it was written to meanwhile
        except OSError:
            return False
        checked = {**self._record.checked, hub_entry.bytes_key(self.root, path): found}
        self._record = self._record._replace(checked=checked)
        return found.sha256 == entry.sha256

    def _can_link(self, repo: RepoCache, entry: NewEntry) -> bool:
        if self._links is None:
            self._links = True
            for name in ("snapshots", "blobs"):  # a repo without the first counts as broken
                (repo.root / name).mkdir(parents=True, exist_ok=True)
            trial = _temporary(repo, entry)
            try:
                trial.symlink_to(entry.etag)
                trial.unlink()
            except OSError:
                self._links = False
        return self._links

    def _put(self, entry: NewEntry) -> PutEntry:
        repo = self._repo(entry)
        try:
            with locked(repo.lock(entry.etag), self._patience, self._cancel):
                return self._put_locked(repo, entry)
        except BusyLockError:
            self._patience = 0  # one wait is enough for all
            return PutEntry(entry, "busy")
        except OSError as error:
            return PutEntry(entry, "failed", error.strerror or str(error))
        except StoreError as error:
            return PutEntry(entry, "failed", error.message)

    def _put_locked(self, repo: RepoCache, entry: NewEntry) -> PutEntry:
        place = repo.snapshot(entry.commit) / entry.path
        for folder in (place.parent, repo.root / "blobs", repo.root / "refs"):
            folder.mkdir(parents=True, exist_ok=True)
        copied = False
        if self._can_link(repo, entry):
            blob = repo.blob(entry.etag)
            copied = self._put_bytes(repo, entry, blob)
            if not self._is_right(blob, entry):
                return self._other(blob, entry)
            if not os.path.lexists(place):
                place.symlink_to(os.path.relpath(blob, place.parent))
        else:
            copied = self._put_bytes(repo, entry, place)
        if not self._is_right(place, entry):
            return self._other(place, entry)
        with suppress(OSError):
            repo.absent(entry.commit, entry.path).unlink()
        return PutEntry(entry, "put", copied=copied)

    def _other(self, path: Path, entry: NewEntry) -> PutEntry:
        if not hub_entry.has_size(path, entry.size):
            return PutEntry(entry, "other")
        shown = printable(str(path), 1000)
        if hub_entry.verdict(self._record, path, entry) == "unknown":
            return PutEntry(entry, "other", f"the file in its place could not be checked: {shown}")
        return PutEntry(
            entry, "other", f"the file in its place has other bytes; remove it to have it put: {shown}"
        )

    def _put_bytes(self, repo: RepoCache, entry: NewEntry, target: Path) -> bool:
        """Puts the bytes at the target, unless something is there; returns whether they were copied."""
        leads_nowhere = target.is_symlink() and not target.exists()
        if os.path.lexists(target) and not leads_nowhere and target not in self._outdated:
            return False
        self._outdated.discard(target)
        temporary = _temporary(repo, entry)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        # Windows removes no read-only file, and one more name of a blob would be one.
        mode: LinkMode = "copy" if sys.platform == "win32" else "auto"
        try:
            (used,) = clone.appear(temporary.parent, [(entry.blob, temporary)], mode)
            atomic.move(temporary, target)
        except BaseException:
            atomic.unlink(temporary)
            raise
        put = GivenFile(entry.sha256, entry.size, target.lstat().st_mtime_ns, used)
        self._record = self._record._replace(files={**self._record.files, self._key(target): put})
        return used == "copy"

    def _put_ref(self, entry: NewEntry) -> None:
        """Makes the branch be the commit, unless it is another one that is not ours to move."""
        if entry.branch is None:
            return
        repo = self._repo(entry)
        path = repo.ref(entry.branch)
        if self.branch_held(entry) is not None or (_commit_in(path) is None and os.path.lexists(path)):
            return
        refs = {**self._record.refs, self._key(path): entry.commit}
        self._save(self._record._replace(refs=refs))
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_by(_temporary(repo, entry), path, entry.commit.encode())  # without a newline

    def _may_move(self, entry: NewEntry, held: str) -> bool:
        """Whether a branch that is another commit is as we wrote it, and the files of that commit are all ours."""
        repo = self._repo(entry)
        if self._record.refs.get(self._key(repo.ref(entry.branch or ""))) != held:
            return False
        ours = {*self._record.links, *self._record.files}
        snapshot = repo.snapshot(held)
        return all(
            self._key(Path(folder) / name) in ours for folder, _, names in os.walk(snapshot) for name in names
        )


def _temporary(repo: RepoCache, entry: NewEntry) -> Path:
    """A name as the tools themselves give to what is not finished."""
    return repo.root / "blobs" / f"{entry.etag}.{atomic.unique()[:8]}.incomplete"


def _commit_in(ref: Path) -> str | None:
    """The commit that a branch is; None where that is not told."""
    from modelsync.store import small_files

    with suppress(OSError, UnicodeDecodeError):
        return small_files.read(ref, 1024).decode().strip() or None
    return None
