"""Whether a file in the project's folder is what is locked, told by stats and small files. Hashes nothing."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from modelsync.spec.lock.model import LockedFile
from modelsync.store import link_record, receipts
from modelsync.store.layout import Store, blob_in
from modelsync.store.link_record import Record

# `good`: a record or a receipt tells of its size and time; `bad`: it is missing, of another version, or was found
# damaged; `unknown`: nothing tells, so it has to be hashed; `suspect`: it is a name of a blob, which has to be hashed.
Verdict = Literal["good", "bad", "unknown", "suspect"]


def verdict(
    store: Store, folder: Path, path: str, file: LockedFile, records: Mapping[str, Record]
) -> tuple[Verdict, os.stat_result | None]:
    """What is known of a file in the project's folder, and how it looks (None where there is none).

    Args:
        store: The store.
        folder: The project's.
        path: The file in it, with `/`.
        file: What it should be.
        records: The folder's record.
    """
    place = f"{folder}{os.sep}{path}"
    try:
        seen = shown = os.lstat(place)
        if stat.S_ISLNK(shown.st_mode):
            seen = os.stat(place)  # noqa: PTH116 - a thousand files: a third of a Path's time
    except OSError:
        return "bad", None
    if not stat.S_ISREG(seen.st_mode) or seen.st_size != file.size:
        return "bad", seen
    put = records.get(path)
    if (
        put is not None
        and put.describes(place, shown)
        and not link_record.leads_out(folder, path, store.places)
    ):
        if put.sha256 != file.sha256:
            return "bad", seen
        if _condemned(store, folder, path, seen):
            return "bad", seen
        if put.mode not in ("hardlink", "symlink"):
            return "good", seen
        if put.mode == "symlink" and (known := _by_blob(store, file, seen)) is not None:
            return known, seen
        told = receipts.opinion(store, file.sha256, seen)
        if told == "good" and put.mode == "hardlink":
            return "good", seen
        if told == "damaged":
            return "bad", seen
        if told == "none" and receipts.same_time(put.mtime_ns, seen.st_mtime_ns):
            # the store is gone; what was found damaged while it was here still is
            return "bad" if _by_hash(store, folder, path, file, seen) == "bad" else "good", seen
    return _by_blob(store, file, seen) or _by_hash(store, folder, path, file, seen), seen


def _by_blob(store: Store, file: LockedFile, seen: os.stat_result) -> Verdict | None:
    """What the receipts tell of one more name of the blob; None where it is none."""
    for place in store.places:
        try:
            blob = os.stat(blob_in(place, file.sha256))  # noqa: PTH116 - as above
        except OSError:
            continue
        if os.path.samestat(blob, seen):
            told = receipts.opinion(store, file.sha256, seen)
            return "good" if told == "good" else "bad" if told == "damaged" else "suspect"
    return None


def _condemned(store: Store, folder: Path, path: str, seen: os.stat_result) -> bool:
    """Whether the file was found damaged, in a folder whose record cannot be told."""
    if os.access(folder, os.W_OK):
        return False
    from modelsync.store import checked

    return checked.condemned(store, folder, path, seen)


def _by_hash(store: Store, folder: Path, path: str, file: LockedFile, seen: os.stat_result) -> Verdict:
    from modelsync.store import checked

    known = checked.recall(store, folder, path, seen)
    return "unknown" if known is None else "good" if known == file.sha256 else "bad"
