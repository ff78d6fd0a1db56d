"""Sends blobs to a repository: each in one PUT, for many registries take no other.

GHCR, Google's, ECR and Artifactory break on blobs that come in chunks; a session that was cut off cannot be gone on
with at most registries either. So a broken upload begins anew, and what is complete is not sent again.
"""

import contextlib
import re
from collections.abc import Callable
from typing import BinaryIO, NamedTuple
from urllib.parse import quote, urlencode

from modelsync.errors import HashMismatchError, HttpStatusError, NetworkError
from modelsync.net.answers import Head
from modelsync.net.origin import of
from modelsync.net.redirects import location
from modelsync.net.retry import Backoff, FinalNetworkError, retryable
from modelsync.net.upload import UploadBody
from modelsync.registry.repository import Repository

# A session that is gone, or that got other bytes than it counted: a new one may do better.
_SESSION_CODES = frozenset({"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "RANGE_INVALID", "SIZE_INVALID"})
_NO_MOUNT = frozenset({400, 401, 403, 404, 405})


class Blob(NamedTuple):
    """A blob that is to be in a repository.

    Attributes:
        digest: `sha256:<hex>`.
        size: Bytes.
        open: Opens its bytes for reading; called for every try.
    """

    digest: str
    size: int
    open: Callable[[], BinaryIO]


def mount(repository: Repository, blob: Blob, source: str) -> bool:
    """Has the registry take a blob over from another of its repositories; returns whether it did.

    Raises:
        NetworkError: there is no answer.
    """
    url = _uploads(repository)
    query = urlencode({"mount": blob.digest, "from": source})
    try:
        head = repository.client.send("POST", f"{url}?{query}")
    except HttpStatusError as error:
        if error.status in _NO_MOUNT:  # no right to read there, or no such way
            return False
        raise
    if head.status == 201:
        return True
    _cancel(repository, head, url)
    return False


def upload(
    repository: Repository,
    blob: Blob,
    *,
    on_bytes: Callable[[int], None] | None = None,
    piece: int = 256 * 1024,
) -> None:
    """Sends a blob. What a broken try left complete is not sent again.

    Args:
        repository: Where to.
        blob: What.
        on_bytes: Told the bytes of each piece before it is sent, and the negative number of them before another try.
        piece: The most bytes of a piece.

    Raises:
        HashMismatchError: the registry got other bytes than the digest says.
        HttpStatusError: it refuses them, with its words.
        NetworkError: it cannot be reached, after all retries.
        CancelledError: the cancel event was set.
    """
    backoff = Backoff()
    sent = 0

    def told(count: int) -> None:
        nonlocal sent
        sent += count
        if on_bytes is not None:
            on_bytes(count)

    while True:
        try:
            _once(repository, blob, told, piece)
        except NetworkError as error:
            if not (retryable(error) or _session_lost(error)):
                raise _explained(error, repository, blob) from None
            wait = backoff.failed(getattr(error, "retry_after", None))
            if wait is None:
                raise _explained(error, repository, blob) from None
            repository.client.wait(wait)
            if sent >= blob.size and repository.has_blob(blob.digest, blob.size):  # only its answer was lost
                return
            if sent:
                told(-sent)
        else:
            return


def _once(repository: Repository, blob: Blob, on_bytes: Callable[[int], None], piece: int) -> None:
    url = _uploads(repository)
    begun = repository.client.send("POST", url)
    if begun.status == 201:  # it knows the blob without having been asked for it
        return
    there = _next(repository, begun, url)
    joint = "&" if "?" in there else "?"
    with blob.open() as file:
        body = UploadBody(file, on_bytes, piece)
        if body.length != blob.size:
            raise HashMismatchError(
                f"{blob.digest} is {body.length} bytes long here, not {blob.size}",
                hint="`modelsync verify --repair` fetches what is damaged",
            )
        done = repository.client.send(
            "PUT",
            f"{there}{joint}digest={quote(blob.digest, safe='')}",
            body,
            headers={"Content-Type": "application/octet-stream"},
            after=begun,
        )
    if done.status not in {200, 201, 204}:
        raise FinalNetworkError(f"{repository} answered an upload with {done.status}, and has not stored it")


def _uploads(repository: Repository) -> str:
    return f"{repository.url}/blobs/uploads/"


def _next(repository: Repository, head: Head, asked: str) -> str:
    """The address that an upload goes on at.

    Raises:
        FinalNetworkError: the answer names none, or one that cannot be asked.
    """
    said = head.headers.get("location")
    if not said:
        raise FinalNetworkError(f"{repository} began an upload and does not say where it goes on")
    there = location(head.url or asked, said)
    here_at, there_at = of(head.url), of(there)
    if (here_at.scheme, there_at.scheme) == ("https", "http") and there_at.host == here_at.host:
        # a registry behind a proxy that ends TLS and does not say so
        port = f":{here_at.port}" if there_at.port not in (80, here_at.port) else ""
        if not port:
            there = re.sub(r"^http://[^/?]*", str(here_at), there)
    return there


def _cancel(repository: Repository, head: Head, asked: str) -> None:
    """Ends an upload that is not needed; what is left of one is the registry's to remove."""
    with contextlib.suppress(NetworkError):
        repository.client.send("DELETE", _next(repository, head, asked), after=head)


def _session_lost(error: NetworkError) -> bool:
    return isinstance(error, HttpStatusError) and (
        error.status == 416 or (error.status in {400, 404} and error.error_code in _SESSION_CODES)
    )


def _explained(error: NetworkError, repository: Repository, blob: Blob) -> Exception:
    """The error as it is told: what it means that a registry refuses a blob."""
    if not isinstance(error, HttpStatusError):
        return error
    if error.error_code == "DIGEST_INVALID":
        return HashMismatchError(
            f"{repository} got other bytes than {blob.digest}",
            hint="`modelsync verify` finds out whether the file here is damaged",
        )
    if error.error_code == "NAME_UNKNOWN":
        error.advise(
            f"make the repository {repository.name} there first: not every registry makes one for a push"
        )
    if error.status == 405:
        error.advise("a cache that pulls through takes no pushes: name the registry behind it")
    if error.status == 413:
        error.advise(
            "the registry, or a proxy before it, takes no blob of this size; its administrator can raise the limit"
        )
    return error
