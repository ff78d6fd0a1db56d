"""Writing a user's file: by one rename, keeping its mode, through a symbolic link to where it really is."""

import re
from contextlib import suppress
from pathlib import Path

from modelsync.store import atomic, leftovers, sync_memo
from modelsync.store.sync_memo import Stamp


def replace_text(path: Path, text: str) -> Stamp:
    """Makes `path` hold `text`, or leaves it as it was; returns the stamp of what was written.

    Raises:
        StoreError: the folder cannot be written.
    """
    real = path.resolve()
    with atomic.told(f"cannot write {path}", hint="check the permissions of its folder"):
        mode = None
        with suppress(FileNotFoundError):
            mode = real.stat().st_mode & 0o7777
        sweep(real)
        seen = atomic.write_by(real.with_name(f".{real.name}.{atomic.unique()}"), real, text.encode())
        if mode is not None:
            real.chmod(mode)
    return sync_memo.stamp_of(seen)


def sweep(path: Path) -> None:
    """Removes what a process that was killed while it wrote `path` left beside it, once it is a day old."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}")
    leftovers.sweep(path.parent, lambda other: name.fullmatch(other) is not None)
