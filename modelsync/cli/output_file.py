"""Where `-o` writes: a file, replaced whole, or a device or pipe."""

import stat
from pathlib import Path

from modelsync.errors import StoreError
from modelsync.store import atomic


def write_to(output: Path, data: bytes) -> None:
    """Makes a file hold these bytes; a device or a pipe is sent them.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        if _is_stream(output):
            output.write_bytes(data)
        else:
            atomic.write_by(output.with_name(f".{atomic.unique()}.new"), output, data)
    except OSError as error:
        raise StoreError(
            f"cannot write {output}: {error.strerror}", hint="--output names a file in a folder that is there"
        ) from None


def _is_stream(target: Path) -> bool:
    """Whether bytes are sent to this place, as to `/dev/stdout`: a rename over it would destroy it."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
        return True
    # `/dev/stdout` and `/dev/fd/1` are links to a regular file where the output is redirected into one
    return target.is_symlink() and target.parent.resolve().parts[1:2] in (("dev",), ("proc",))
