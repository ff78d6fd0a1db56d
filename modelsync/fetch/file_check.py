"""Looks at files on this machine before they are published: are they what they should be, and may they be taken?"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.content.findings import Content
from modelsync.content.heads import packing
from modelsync.content.look import look
from modelsync.content.packed import PackedLook
from modelsync.content.policy import Claim, Permission, check_head, objection
from modelsync.content.view import View
from modelsync.context import Context
from modelsync.errors import StoreError
from modelsync.spec.globs import any_takes
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.fetch.wanted import WantedFile


def claim_of(wanted: "WantedFile") -> Claim:
    """What is known of a wanted file before its bytes."""
    return Claim(wanted.label, wanted.file.path, wanted.file.role, wanted.names_data)


def permission_of(context: Context, allow_code: tuple[str, ...]) -> Permission:
    """What the user and an entry of the manifest permit."""
    return Permission(lambda path: any_takes(allow_code, path), context.denies_code)


def check_file(context: Context, wanted: "WantedFile", path: Path, content: Content | None = None) -> None:
    """Refuses a file that is not what it should be, or can run code and is not permitted to.

    Args:
        context: What to work with.
        wanted: What the file is to be.
        path: Where it is.
        content: What it is, where that is known already.

    Raises:
        NotAModelError: it is not what it should be.
        CodeRefusedError: it can run code, or cannot be looked into.
        StoreError: it cannot be read.
    """
    found = objection(
        claim_of(wanted),
        content or content_of(path, wanted.file.path),
        permission_of(context, wanted.allow_code),
    )
    if found is not None:
        raise found


def content_of(path: Path, name: str) -> Content:
    """What a file of this machine is; `name` is its path in its repo.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:

            def read(start: int, end: int) -> bytes:
                file.seek(start)
                parts = []
                while start < end and (data := file.read(end - start)):
                    parts.append(data)
                    start += len(data)
                return b"".join(parts)

            return look(View(read, os.fstat(file.fileno()).st_size), name)
    except OSError as error:
        raise StoreError(f"cannot read {printable(str(path))}: {error.strerror}") from error


class Watch:
    """Looks at a file as its bytes arrive: at its first ones, and through a compressed file to its end.

    What is in a compressed file shows itself only then. Of other files the beginning and the end tell, and they are
    looked at once all is here.

    Args:
        context: What to work with.
        wanted: What the file is to be.
    """

    def __init__(self, context: Context, wanted: "WantedFile") -> None:
        self._context = context
        self._wanted = wanted
        self._look: PackedLook | None = None

    def begin(self, head: bytes) -> None:
        """Takes the first bytes.

        Raises:
            NotAModelError: llama.cpp is to load the file, and it is no GGUF.
        """
        check_head(head, claim_of(self._wanted))
        self._look = PackedLook(head) if packing(head) is not None else None

    def feed(self, data: memoryview, offset: int) -> None:
        """Takes the bytes at an offset. Where some are left out or come twice, the whole is looked at in the end.

        Raises:
            CodeRefusedError: the file can run code, and is not permitted to.
        """
        if self._look is None:
            return
        content = self._look.feed(data) if offset == self._look.position else Content("unknown")
        if content is None:
            return
        self._look = None
        wanted = self._wanted
        if content.kind != "unknown":
            found = objection(claim_of(wanted), content, permission_of(self._context, wanted.allow_code))
            if found is not None:
                raise found
