"""Asking sources as a run of the program does: over a real client, of a real hub."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from modelsync.net.client import Client
from modelsync.sources import sources
from modelsync.sources.base import Found, Resolution, Source
from modelsync.sources.request import resolve
from modelsync.spec.lock.model import LockedFile, Piece
from modelsync.spec.request import Request
from modelsync.spec.uri import parse
from tests.hub import Fault
from tests.hub.api import send_json
from tests.hub.wire import Reply
from tests.hub.wire import Request as Asked


class Asker:
    """Resolves requests as a run of the program does.

    Attributes:
        folder: What `file:` paths are relative to.
        sources: Of this run: they remember.
    """

    def __init__(self, endpoint: str, folder: Path, client: Client) -> None:
        self.endpoint, self.folder, self.client = endpoint, folder, client
        self.sources: tuple[Source, ...] = sources(lambda: client)

    def __call__(
        self,
        uri: str,
        *,
        mmproj: str | Literal[True] | None = None,
        loras: Sequence[str] = (),
        sha256: str | dict[str, str] | None = None,
        manifest_endpoint: str | None = None,
        previous: Sequence[LockedFile] = (),
    ) -> Resolution:
        reference = parse(uri)
        request = Request(
            reference.uri,
            reference.revision,
            parse(mmproj) if isinstance(mmproj, str) else mmproj,
            tuple(parse(lora) for lora in loras),
            tuple(sorted(sha256.items())) if isinstance(sha256, dict) else sha256,
            manifest_endpoint,
        )
        return resolve(
            request, self.sources, folder=self.folder, endpoint=self.endpoint, previous=tuple(previous)
        )


StartRun = Callable[..., Asker]


class Says(Fault):
    """A JSON document instead of the server's answer."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def instead(self, request: Asked) -> Reply | None:
        return send_json(self.value)


def model(text: str = "") -> bytes:
    """A file that begins as a GGUF file does; the sources look no further."""
    return b"GGUF" + text.encode()


def names(answer: Resolution) -> list[str]:
    """The paths of an answer's files."""
    return [file.path for file in answer.files]


def as_locked(file: Found, sha256: str = "0" * 64) -> LockedFile:
    """What a lock would say of a file once it is read; `sha256` is what the reading found."""
    return LockedFile(
        role=file.role,
        path=file.path,
        size=file.size or 0,
        sha256=file.sha256 or sha256,
        url=file.url,
        etag=file.etag,
        repo=file.repo,
        revision=file.revision,
        pieces=tuple(
            Piece(piece.path, piece.url, piece.size or 0, piece.sha256 or sha256, piece.etag)
            for piece in file.pieces
        ),
    )
