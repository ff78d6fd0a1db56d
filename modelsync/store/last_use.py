"""When a root was last used, as its modification time. Light."""

import os
import time
from contextlib import suppress
from pathlib import Path

_DAY = 86_400.0  # seconds


def touch(path: "str | Path", touched: float) -> bool:
    """Notes that a root is in use, at most once a day.

    Args:
        path: The root's file.
        touched: Its modification time, in seconds since the epoch.

    Returns:
        Whether this was the first time today.
    """
    if abs(time.time() - touched) <= _DAY:
        return False
    with suppress(OSError):  # a store that is only read
        os.utime(path)
    return True
