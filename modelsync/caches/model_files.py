"""Finds the files of a folder that may be models. Each that is called like one and cannot be taken is told."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from modelsync.caches.listing import DEEPEST, MOST, is_unfinished
from modelsync.errors import StoreError
from modelsync.spec.names import path_fault, printable
from modelsync.spec.uri_forms import has_model_suffix


def model_files(source: Path, tell: Callable[[str], None]) -> Iterator[tuple[str, int]]:
    """Files that may be models, by their path in the folder, with their sizes.

    Args:
        source: The folder.
        tell: Is told of each file that is called like a model and cannot be taken.

    Raises:
        StoreError: the folder cannot be read.
    """
    count = 0
    try:
        next(source.iterdir(), None)
    except OSError as error:
        raise StoreError(f"{source} cannot be read: {error.strerror}") from None

    def unreadable(error: OSError) -> None:
        tell(f"{printable(str(error.filename), 1000)} cannot be read: {error.strerror}")

    for above, folders, names in os.walk(source, onerror=unreadable):
        inner = sorted(name for name in folders if not name.startswith("."))
        deep = len(Path(above).relative_to(source).parts) >= DEEPEST
        if deep and inner:
            tell(f"{printable(above, 1000)} is not looked through further: it is {DEEPEST} folders deep")
        folders[:] = [] if deep else inner
        for name in sorted(names):
            count += 1
            if count > MOST:
                tell(f"{source} has over {MOST} files: the others are not looked at")
                return
            path = Path(above, name)
            if _may_be_model(name):
                inside = path.relative_to(source).as_posix()
                size, fault = _size_of(path, inside)
                if fault is None:
                    yield inside, size
                else:
                    tell(f"{printable(inside)} is left out: {fault}")


def _may_be_model(name: str) -> bool:
    """Whether a file is called like a model, also like one that is not finished."""
    finished = name.rpartition(".")[0], name.removesuffix("-partial")
    names = (name, *finished) if is_unfinished(name) else (name,)
    return not name.startswith(".") and any(map(has_model_suffix, names))


def _size_of(path: Path, inside: str) -> tuple[int, str | None]:
    """The size of a file in bytes, and why it cannot be taken; None if it can."""
    fault = "it is not finished" if is_unfinished(path.name) else path_fault(inside)
    if fault is not None:
        return 0, fault
    try:
        seen = path.stat()
    except FileNotFoundError:
        return 0, "it leads nowhere"
    except OSError as error:
        return 0, f"it cannot be read: {error.strerror}"
    if not stat.S_ISREG(seen.st_mode):
        return 0, "it is no regular file"
    if not seen.st_size:
        return 0, "it is empty"
    return seen.st_size, None if os.access(path, os.R_OK) else "it cannot be read"
