"""Removes what a killed process left in a folder on its way to its place. Light."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_DAY = 86_400.0  # seconds


def sweep(folder: Path, is_ours: Callable[[str], bool], *, days: float = 1) -> None:
    """Removes files with temporary names of this program that have not changed for some days.

    Args:
        folder: Where; what cannot be removed stays.
        is_ours: Whether a name is one of this program's temporary names.
        days: How old they have to be. A file may be a hard link with the blob's old time: its change time counts too.
    """
    with suppress(OSError):
        for entry in os.scandir(folder):
            if is_ours(entry.name):
                with suppress(OSError):  # a folder among them stays
                    seen = entry.stat(follow_symlinks=False)
                    if not days or max(seen.st_mtime, seen.st_ctime) < time.time() - days * _DAY:
                        os.unlink(entry.path)  # noqa: PTH108
