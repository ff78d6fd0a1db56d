"""Looks at files on this machine before they are published: are they what they should be, and may they be taken?"""

import os
from collections.abc import Container
from pathlib import Path

from modelsync.content.findings import Content
from modelsync.content.heads import packing
from modelsync.content.look import look
from modelsync.content.packed import PackedLook
from modelsync.content.policy import Claim, Permission, check_head, combined, leads_out, named_data, objection
from modelsync.content.view import View
from modelsync.context import Context
from modelsync.errors import CodeRefusedError, StoreError
from modelsync.fetch.wanted import WantedFile, label
from modelsync.spec.globs import any_takes
from modelsync.spec.lock.model import LockedModel
from modelsync.spec.names import printable
from modelsync.store import blobs


def claim_of(wanted: WantedFile) -> Claim:
    """What is known of a wanted file before its bytes."""
    file = wanted.file
    return Claim(wanted.label, file.path, file.role, wanted.names_data, leads_out(file.url))


def permission_of(context: Context, allow_code: tuple[str, ...]) -> Permission:
    """What the user and an entry of the manifest permit."""
    return Permission(lambda path: any_takes(allow_code, path), context.denies_code)


def check_file(context: Context, claim: Claim, data: Path | bytes, allow_code: tuple[str, ...]) -> None:
    """Refuses a file that is not what it should be, or can run code and is not permitted to.

    Args:
        context: What to work with.
        claim: What the file is to be.
        data: Where it is, or its bytes.
        allow_code: Globs of files that may run code when they are loaded.

    Raises:
        NotAModelError: it is not what it should be.
        CodeRefusedError: it can run code, or cannot be looked into.
        StoreError: it cannot be read.
    """
    found = objection(claim, content_of(data, claim.path), permission_of(context, allow_code))
    if found is not None:
        raise found


def check_blobs(
    context: Context, model: LockedModel, allow_code: tuple[str, ...], checked: Container[str] = ()
) -> None:
    """Holds the files of a model that are in the store already to the same: another project may have put them there.

    Args:
        context: What to work with.
        model: The model that is to be shown.
        allow_code: Globs of files that may run code when they are loaded.
        checked: Digests that were looked at just now.

    Raises:
        CodeRefusedError: files can run code, or cannot be looked into; all of them are told.
        NotAModelError: one is not what it should be.
    """
    data = named_data([file.path for file in model.files])
    refused = []
    for file in model.files:
        blob = blobs.find(context.store, file.sha256, file.size) if file.sha256 not in checked else None
        if blob is None:
            continue
        claim = Claim(label(model.name, file), file.path, file.role, file.path in data, leads_out(file.url))
        try:
            check_file(context, claim, blob, allow_code)
        except CodeRefusedError as error:
            refused.append(error)
    if refused:
        raise combined(refused)


def content_of(path: Path | bytes, name: str) -> Content:
    """What a file of this machine is, or some bytes are; `name` is its path in its repo.

    Raises:
        StoreError: it cannot be read.
    """
    if isinstance(path, bytes):
        data = path
        return look(View(lambda start, end: data[start:end], len(data)), name)
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

    def __init__(self, context: Context, wanted: WantedFile) -> None:
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
