"""The record of what modelsync put into a folder of a project: `.modelsync.json` there. Light.

    {"files": {"llama3/llama.gguf": {"sha256": "…", "size": 4920739232, "mtime_ns": 17…, "mode": "hardlink",
                                       "owner": "../models.toml"}},
     "pending": {},
     "checked": {"llama3/mine.gguf": {"sha256": "…", "size": 4920739232, "mtime_ns": 17…}},
     "variants": {"../models.toml": {"llama3": "server"}}}

What is about to appear is written under `pending` first: a file that stands there after all, because the program was
killed at that moment, is known by it. `checked` tells what files were found to be that had to be hashed, because
nothing else told. `variants` tells what was synced last of each model that has variants, by owner; null is the entry
itself.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from modelsync.spec.names import path_fault
from modelsync.store import atomic, project_files, small_files
from modelsync.store.receipts import same_time

RECORD = ".modelsync.json"
_TEMPORARY = re.compile(r"\.modelsync-[0-9a-f]{16}\.tmp")  # what the names of `temporary` match

LinkMode = Literal["auto", "reflink", "hardlink", "symlink", "copy"]
UsedMode = Literal["reflink", "hardlink", "symlink", "copy", "found"]

_HINT = "see that the disk works and the file is yours to read, and run it again"

_MODES = frozenset({"reflink", "hardlink", "symlink", "copy", "found"})


class Record(NamedTuple):
    """What was put at a path: digest in hex, size in bytes, modification time in ns, and how.

    `found`: the right bytes were there before us; they are used, and never replaced or removed. `owner` tells for
    whom: the path of a manifest, relative to the folder, or nothing for a pull.
    """

    sha256: str
    size: int
    mtime_ns: int
    mode: UsedMode
    owner: str = ""

    @property
    def rotten(self) -> bool:
        """Whether it was found damaged, though it looks as it did: it is ours to be put there anew."""
        return not self.sha256

    def describes(self, path: str, seen: os.stat_result) -> bool:
        """Whether what is at `path`, of which `seen` is the lstat, is still what was put there."""
        if self.mode == "symlink":
            return stat.S_ISLNK(seen.st_mode) and Path(path).readlink().name == self.sha256
        return (
            stat.S_ISREG(seen.st_mode)
            and seen.st_size == self.size
            and same_time(self.mtime_ns, seen.st_mtime_ns)
        )


class CheckedFile(NamedTuple):
    """What a file was found to be: digest in hex ("" if only that it is damaged), size in bytes, time in ns."""

    sha256: str
    size: int
    mtime_ns: int

    def fits(self, seen: os.stat_result) -> bool:
        """Whether a file still has the size and time that it was hashed with."""
        return seen.st_size == self.size and same_time(self.mtime_ns, seen.st_mtime_ns)

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self | None:
        """One as it was read; None where it makes no sense."""
        found = cls(value["sha256"], value["size"], value["mtime_ns"])
        known = (type(found.sha256), type(found.size), type(found.mtime_ns)) == (str, int, int)
        return found if known and _is_digest(found.sha256) else None


def owned(folder: Path) -> Mapping[str, Record]:
    """What was put into `folder`, by path: relative, with `/`. Empty where nothing was recorded.

    Raises:
        StoreError: the record is there and cannot be read now.
        RefusedError: it is a link that leads out of the folder, or no regular file.
    """
    with atomic.told(f"cannot read what was put into {folder}", hint=_HINT):
        try:
            data = project_files.read(folder / RECORD, small_files.MAX_BYTES, inside=folder)
        except (FileNotFoundError, NotADirectoryError):
            return {}
    try:
        value = json.loads(data)
        files, pending = _parse(value["files"]), _parse(value.get("pending", {}))
    except small_files.SENSELESS:
        return {}
    return files | {path: record for path, record in pending.items() if intact(folder, path, record)}


def checked(folder: Path) -> Mapping[str, CheckedFile]:
    """What files of `folder` were found to be, by path. Empty where that is not known."""
    return small_files.parsed(folder / RECORD, _checked) or {}


def variants(folder: Path, owner: str) -> Mapping[str, str | None] | None:
    """What was synced last for `owner` of each model that has variants; None where that is not recorded."""
    return _all_variants(folder).get(owner)


def intact(folder: Path, path: str, record: Record) -> bool:
    """Whether what is at `path` is still what was put there. One lstat."""
    place = f"{folder}{os.sep}{path}"
    try:
        return record.describes(place, os.lstat(place))
    except OSError:
        return False


def leads_out(folder: Path, path: str, stores: Iterable[Path]) -> bool:
    """Whether a symbolic link at `path`, or on the way to it, leads to what is neither in the folder nor in a store.

    The folder may have come with a repository: what its record says of such a file is not believed.

    Args:
        folder: The folder.
        path: In it, with `/`.
        stores: The roots of the stores.
    """
    parts = path.split("/")
    names = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    if not any(os.path.islink(f"{folder}{os.sep}{name}") for name in names):  # noqa: PTH114 - thousands of files
        return False
    real = os.path.realpath(f"{folder}{os.sep}{path}")
    return not any(real.startswith(os.path.realpath(place) + os.sep) for place in (folder, *stores))


def write(
    folder: Path,
    files: Mapping[str, Record],
    pending: Mapping[str, Record],
    new: Mapping[str, CheckedFile] = {},
    synced: Mapping[str, Mapping[str, str | None]] = {},
) -> None:
    """Writes the record of `folder`; no file when there is nothing to record.

    Args:
        folder: The folder.
        files: What was put there.
        pending: What is about to be.
        new: What files were found to be. What was known of others stays known while they look the same, and are not
            about to be replaced.
        synced: What was synced of models with variants, by owner. What was known of other owners stays.
    """
    target = folder / RECORD
    known = {
        path: found
        for path, found in checked(folder).items()
        if path not in pending and _looks(folder, path, found)
    }
    known |= new
    of = {**_all_variants(folder), **synced}
    if not files and not pending and not known:
        atomic.unlink(target)
        return
    value = {"files": _value(files), "pending": _value(pending)}
    if known:
        value["checked"] = {path: known[path]._asdict() for path in sorted(known)}
    if of:
        value["variants"] = {each: {name: of[each][name] for name in sorted(of[each])} for each in sorted(of)}
    atomic.write_by(temporary(folder), target, json.dumps(value, indent=1).encode())


def temporary(folder: Path) -> Path:
    """A fresh name in a project's folder for what is on its way."""
    return folder / f".modelsync-{atomic.unique()}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a name in a project's folder is one that `temporary` gives."""
    return _TEMPORARY.fullmatch(name) is not None


def _value(records: Mapping[str, Record]) -> dict[str, Any]:
    return {path: records[path]._asdict() for path in sorted(records)}


def _parse(value: Mapping[str, Any]) -> dict[str, Record]:
    """The records that make sense. The folder may have come with a repository: its paths are data like any other."""
    out = {}
    for path, item in value.items():
        record = Record(item["sha256"], item["size"], item["mtime_ns"], item["mode"], item.get("owner", ""))
        types = (type(record.sha256), type(record.size), type(record.mtime_ns), type(record.owner))
        if types != (str, int, int, str) or record.mode not in _MODES or path_fault(path) is not None:
            continue
        if _is_digest(record.sha256):
            out[path] = record
    return out


def _all_variants(folder: Path) -> Mapping[str, Mapping[str, str | None]]:
    return small_files.parsed(folder / RECORD, _variants) or {}


def _variants(value: Mapping[str, Any]) -> dict[str, Mapping[str, str | None]]:
    found = {owner: small_files.text_or_null(mine) for owner, mine in value.get("variants", {}).items()}
    return {owner: mine for owner, mine in found.items() if mine is not None}


def _checked(value: Mapping[str, Any]) -> dict[str, CheckedFile]:
    found = {path: CheckedFile.parse(item) for path, item in value.get("checked", {}).items()}
    return {path: one for path, one in found.items() if one is not None and path_fault(path) is None}


def _looks(folder: Path, path: str, found: CheckedFile) -> bool:
    try:
        return found.fits((folder / path).stat())
    except OSError:
        return False


def _is_digest(text: str) -> bool:
    return not text or (len(text) == 64 and not text.strip("0123456789abcdef"))
