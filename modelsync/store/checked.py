"""What a file was found to be when it was hashed: remembered, so that it is hashed once. Light to read.

For files of which neither a record nor a receipt tells: changed since they were put there, or put there by others. The
answer is kept in the folder's record (`.modelsync.json`), else in the store, else in the user's runtime or cache
folder, else in this process alone. The folder's record does not tell of a link that leads out of the folder.

    {"path": "/srv/app/models/llama3/llama.gguf", "size": 4920739232, "mtime_ns": 17…, "sha256": "…"}
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from modelsync.errors import StoreError
from modelsync.store import atomic, link_record, small_files, sync_memo
from modelsync.store.layout import Store, default_root
from modelsync.store.link_record import CheckedFile

_here: dict[str, CheckedFile] = {}  # what this process knows, by absolute path
_records: dict[
    Path, tuple[sync_memo.Stamp | None, Mapping[str, CheckedFile]]
] = {}  # what folders tell, as last read


def recall(store: Store, folder: Path | None, path: str, seen: os.stat_result) -> str | None:
    """The sha256 that a file of this size and time was found to have; "" for one found damaged; None if unknown.

    Args:
        store: The store.
        folder: The folder whose record may tell; None: there is none.
        path: The file: relative to the folder, with `/`; without a folder, an absolute path.
        seen: How it looks now.
    """
    absolute = path if folder is None else f"{folder}{os.sep}{path}"
    known = _here.get(absolute)
    if known is not None and known.fits(seen):
        return known.sha256
    if folder is not None and not link_record.leads_out(folder, path, store.places):
        known = _told(folder).get(path)
        if known is not None:
            return known.sha256 if known.fits(seen) else None
    for place in (store, *_users_own()):
        known = small_files.parsed(_place(place, absolute), lambda value: _parse(value, absolute))
        if known is not None and known.fits(seen):
            return known.sha256
    return None


def condemned(store: Store, folder: Path, path: str, seen: os.stat_result) -> bool:
    """Whether a file of the folder was found damaged, and its record could not be told. A call where it can be."""
    return not os.access(folder, os.W_OK) and recall(store, folder, path, seen) == ""


def remember(store: Store, folder: Path | None, path: str, seen: os.stat_result, sha256: str) -> bool:
    """Keeps what a file was found to be. Arguments as with `recall`; `sha256` is "" for a damaged one.

    Returns:
        Whether other processes will know it; else only this one does.
    """
    absolute = path if folder is None else f"{folder}{os.sep}{path}"
    found = CheckedFile(sha256, seen.st_size, seen.st_mtime_ns)
    _here[absolute] = found
    if folder is not None and not link_record.leads_out(folder, path, store.places):
        from modelsync.store import link_findings

        with suppress(OSError, StoreError):
            if link_findings.note_checked(folder, path, found):
                return True
    data = json.dumps({"path": absolute, **found._asdict()}).encode()
    for place in (store, *_users_own()):
        with suppress(OSError, StoreError):
            atomic.write(place, _place(place, absolute), data)
            return True
    return False


def _told(folder: Path) -> Mapping[str, CheckedFile]:
    """What the folder's record tells; read once while it stays the same, for the sake of a thousand files."""
    now = sync_memo.stamp(folder / link_record.RECORD)
    known = _records.get(folder)
    if known is None or known[0] != now:
        known = _records[folder] = now, link_record.checked(folder)
    return known[1]


def _users_own() -> tuple[Store, ...]:
    """Folders of this user that serve where the store cannot be written."""
    found = []
    runtime = os.environ.get("XDG_RUNTIME_DIR", "").strip()
    if runtime and Path(runtime).is_absolute():
        with suppress(OSError):
            if not hasattr(os, "geteuid") or Path(runtime).stat().st_uid == os.geteuid():
                found.append(Store(Path(runtime) / "modelsync"))
    with suppress(StoreError):
        found.append(Store(default_root()))
    return tuple(found)


def _place(store: Store, absolute: str) -> Path:
    return sync_memo.place(store, ("file", absolute))


def _parse(value: Any, absolute: str) -> CheckedFile | None:
    return CheckedFile.parse(value) if value["path"] == absolute else None
