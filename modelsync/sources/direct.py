"""Models by URL. Servers give a size and an ETag, and publish no sha256."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from modelsync.errors import GatedError, HttpStatusError, ModelsyncError, NetworkError, NotFoundError
from modelsync.sources.base import Found, FoundPiece, Resolution, joined
from modelsync.spec import digest
from modelsync.spec.lock.model import MAX_FILE_SIZE
from modelsync.spec.names import listed, printable, safe_path
from modelsync.spec.parts import joined_name, siblings
from modelsync.spec.uri import WebUri
from modelsync.transfer.jobs import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from modelsync.net.answers import Head
    from modelsync.net.body import Body
    from modelsync.net.client import Client
    from modelsync.sources.base import Question
    from modelsync.spec.lock.model import LockedFile, Piece
    from modelsync.spec.uri import Reference, Uri

_TAG = re.compile(r"[!#-~]{1,256}", re.ASCII)  # an entity tag between its quotes, RFC 9110, 8.8.3; bounded
_NO_HEAD = frozenset({403, 405, 501})  # 403: a URL signed for GET alone


class Direct:
    """The source of `https:` URLs, and of `http:` ones that the client allows."""

    def __init__(self, client_factory: Callable[[], Client]) -> None:
        self._client = client_factory

    def accepts(self, uri: Uri) -> bool:
        """Whether `uri` is a plain URL."""
        return isinstance(uri, WebUri)

    def resolve(self, question: Question) -> Resolution:
        """Asks the server for the size and ETag of the file and of all its parts."""
        uri = question.reference.uri
        if not isinstance(uri, WebUri):
            raise TypeError(f"{uri} is not a URL")
        base, mark, query = uri.url.partition("?")
        known = {file.url: file for file in _flat(question) if file.url and _TAG.fullmatch(file.etag or "")}
        found, missing = [], []
        for part in siblings(base):
            url = f"{part}{mark}{query}"
            try:
                found.append(self._ask(url, known.get(url)))
            except ModelsyncError as error:
                told = self.explain(error, url)
                if told is error:
                    raise
                if not isinstance(told, NotFoundError) or part == base:
                    raise told from error
                missing.append(WebUri(part).name)
        if missing:
            raise NotFoundError(
                f"{_public(base)} is one of several parts, and the server lacks {listed(missing)}",
                hint="all parts must lie side by side, under the names that belong together",
            )
        name = joined_name(found[0].path)
        if name is not None:
            return Resolution((joined(question.role, name, tuple(found), question.previous),))
        return Resolution(
            tuple(
                Found(question.role, file.path, file.url, file.size, file.sha256, file.etag) for file in found
            )
        )

    def locate(self, file: LockedFile | Found, endpoint: str, folder: Path) -> tuple[Segment, ...]:  # noqa: ARG002
        """The lock's URLs, as they are."""
        return tuple(
            Segment(piece.url or "", piece.size, sha256=piece.sha256) for piece in file.pieces or (file,)
        )

    def relocate(self, file: LockedFile | Found, reference: Reference, endpoint: str) -> None:  # noqa: ARG002
        """None: a URL has no commits."""
        return

    def publishes(self, file: LockedFile | Found, endpoint: str) -> bool:  # noqa: ARG002
        """No: a URL has no listing."""
        return False

    def explain(self, error: ModelsyncError, subject: str) -> ModelsyncError:
        """Explains a server's refusal to give `subject`."""
        if not isinstance(error, HttpStatusError) or error.redirected:
            return error
        host = printable(urlsplit(subject).hostname or "")
        if error.status in (401, 403):
            return GatedError(
                f"{host} does not let everyone read {_public(subject)} (HTTP {error.status})",
                hint=f"give the credentials for {host} in .netrc, by --header, or in config.toml",
            )
        if error.status in (404, 410):
            return NotFoundError(
                f"there is no file at {_public(subject)} (HTTP {error.status})", hint="check the URL"
            )
        return error

    def _ask(self, url: str, known: LockedFile | Piece | None) -> FoundPiece:
        """Asks the server about one file; its sha256 is that of `known` if it has not changed."""
        path = safe_path(WebUri(url).name)
        condition = {"If-None-Match": f'"{known.etag}"'} if known else {}
        told = self._head(url, condition)
        if known and (told is None or (told.etag == known.etag and told.size in (None, known.size))):
            return FoundPiece(path, url, known.size, known.sha256, known.etag)
        if told is None:
            raise NetworkError(f"{_public(url)}: the server answers what it was not asked (HTTP 304)")
        return FoundPiece(path, url, told.size, None, told.etag)

    def _head(self, url: str, condition: Mapping[str, str]) -> _FileHead | None:
        """The size and ETag of `url`; None if, by the condition, it has not changed."""
        client = self._client()
        try:
            head = client.head(url, headers=condition, redirects="all")
        except HttpStatusError as error:
            if error.status not in _NO_HEAD:
                raise
        else:
            if head.status == 304 and (head.headers.get("etag") or "").startswith("W/"):
                return self._head(url, {})  # weak: perhaps not the same bytes
            length = head.headers.get("content-length", "")
            encoded = head.headers.get("content-encoding", "identity").lower() != "identity"
            size = int(length) if length.isdecimal() and len(length) < 20 and not encoded else None
            return None if head.status == 304 else _FileHead.of(size, self._tag(client, head))
        try:
            with client.open(url, start=0, end=1, headers=condition) as body:
                return _FileHead.of(body.total, self._tag(client, body))
        except HttpStatusError as error:
            if error.status == 304:
                return None
            raise

    def _tag(self, client: Client, answer: Head | Body) -> str | None:
        """The ETag that a server gave; none that repeats a secret, since a lock is there for everyone to read."""
        tag = answer.headers.get("etag")
        return None if tag is None or client.repeats_secret(tag.strip('"'), answer) else tag


class _FileHead(NamedTuple):
    """What a server says of a file."""

    size: int | None
    etag: str | None

    @classmethod
    def of(cls, size: int | None, tag: str | None) -> _FileHead:
        # A weak ETag does not promise the same bytes.
        strong = digest.etag(tag) if tag is not None and not tag.startswith("W/") else None
        return cls(
            size if size is not None and 0 <= size <= MAX_FILE_SIZE else None,
            strong if strong is not None and _TAG.fullmatch(strong) else None,
        )


def _flat(question: Question) -> list[LockedFile | Piece]:
    files: list[LockedFile | Piece] = []
    for file in question.previous:
        if file.role == question.role:
            files.extend(file.pieces or (file,))
    return files


def _public(url: str) -> str:
    return printable(url.partition("?")[0])
