"""Refuses what is no GGUF model where llama.cpp's own are needed: estimates, loading, exports to its servers."""

from modelsync.errors import NotAModelError, StoreError
from modelsync.gguf.magic import check_magic
from modelsync.project.model_files import ModelFiles
from modelsync.spec.names import printable

_HEAD = 512  # bytes that tell what another file looks like


def require_gguf(title: str, files: ModelFiles) -> None:
    """Checks by its first bytes that a model which is here is GGUF.

    Args:
        title: What errors call it.
        files: Its files.

    Raises:
        NotAModelError: it is a folder model, or a file of another type.
        StoreError: it cannot be read.
    """
    if files.folder is not None:
        raise folder_refused(title, len(files.files))
    try:
        with open(files.model, "rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise StoreError(f"cannot read {printable(str(files.model))}: {error.strerror}") from None
    check_magic(head, printable(title))


def folder_refused(title: str, count: int | None = None) -> NotAModelError:
    """The error about a folder model.

    Args:
        title: What it calls the model.
        count: How many files it has; None: not known.
    """
    of = "" if count is None else " of 1 file" if count == 1 else f" of {count} files"
    return NotAModelError(
        f"{printable(title)} is not a GGUF model: it is a folder{of}",
        hint="`modelsync path` gives the folder for the program that loads it; `inspect` says what is in it",
    )
