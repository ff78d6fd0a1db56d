"""Reads what a hub answers about a repo: the files of a commit, the next page of a list, the license.

The answers are foreign: nothing of them is believed before it is checked.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from modelsync.errors import ModelsyncError
from modelsync.sources import hub_errors
from modelsync.spec import digest
from modelsync.spec.lock.keys import is_commit
from modelsync.spec.lock.model import MAX_FILE_SIZE
from modelsync.spec.names import printable

MAX_SIBLINGS = 999  # a page of a tree has 1000: a list that long may have been cut
_SHA256 = re.compile(r"[0-9a-f]{64}")
_QUERY = re.compile(r"[!-~]+")
_LINK = re.compile(  # possessive: a long header is read once
    r"<([^<>]*+)>((?:\s*+;\s*+[\w-]++\s*+=\s*+(?:\"[^\"]*+\"|[^\s,;\"]*+))*+)"
)


class RemoteFile(NamedTuple):
    """A file in a commit.

    Attributes:
        size: Bytes; None where the hub's list does not say.
        sha256: Of the content, for a file in LFS; else None.
        etag: The file's ETag at `/resolve`: the sha256 of an LFS file, the git blob ID of another.
    """

    size: int | None
    sha256: str | None
    etag: str | None


def remote_file(entry: Mapping[str, Any], endpoint: str, repo: str) -> RemoteFile:
    """Reads one entry of a tree; the `oid` of an LFS file is the sha256 of its content."""
    lfs = entry.get("lfs")
    name = printable(str(entry.get("path")))
    size = lfs.get("size") if isinstance(lfs, dict) else entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_FILE_SIZE:
        raise hub_errors.not_a_hub(endpoint, f"it gives no size for {name} of {repo}")
    if isinstance(lfs, dict):
        sha256 = lfs.get("oid")
        if isinstance(sha256, str):  # some hubs write it as Git LFS does
            sha256 = sha256.removeprefix("sha256:").lower()
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise hub_errors.not_a_hub(endpoint, f"it gives no sha256 for {name} of {repo}")
        return RemoteFile(size, sha256, sha256)
    oid = entry.get("oid")
    return RemoteFile(size, None, oid if isinstance(oid, str) and is_commit(oid) else None)


def file_of_headers(headers: Mapping[str, str], *, redirected: bool) -> RemoteFile:
    """Reads the headers of a HEAD to a file's `/resolve/` URL; a redirect's own length is not the file's."""
    linked = digest.etag(headers.get("x-linked-etag", "")) or ""
    size = headers.get("x-linked-size", "")
    if not size and not redirected:
        size = headers.get("content-length", "")
    sha256 = linked if _SHA256.fullmatch(linked) else None
    known = size.isdecimal() and len(size) < 20 and int(size) <= MAX_FILE_SIZE
    return RemoteFile(int(size) if known else None, sha256, sha256)


def names(info: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths of the files that a hub lists with a commit, whatever else it says of them."""
    entries = info.get("siblings")
    paths = [
        entry.get("rfilename")
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
    ]
    return tuple(path for path in paths if isinstance(path, str))


def siblings(info: Mapping[str, Any]) -> Mapping[str, RemoteFile] | None:
    """The files that a hub lists with a commit; None if the list may be incomplete.

    It spares the request for the tree. Mirrors may ignore `blobs=true` or list no files, and a hub may cut the list of
    a very large repo.
    """
    entries = info.get("siblings")
    if not isinstance(entries, list) or len(entries) > MAX_SIBLINGS:
        return None
    files: dict[str, RemoteFile] = {}
    for entry in entries:
        path = entry.get("rfilename") if isinstance(entry, dict) else None
        if not isinstance(path, str):
            return None
        lfs = entry.get("lfs")
        of_lfs = {**lfs, "oid": lfs.get("sha256")} if isinstance(lfs, dict) else None
        same = {"path": path, "size": entry.get("size"), "oid": entry.get("blobId"), "lfs": of_lfs}
        try:
            files[path] = remote_file(same, "", "")
        except ModelsyncError:
            return None
    return files or None


def next_page(link: str, first: str) -> str | None:
    """The URL of the next page by a `Link` header, or None.

    Only the query of the link is used, with the first URL: mirrors pass on the links of the hub that they mirror, and
    no link may lead a request elsewhere.
    """
    for target, parameters in _LINK.findall(link):
        if re.search(r";\s*rel\s*=\s*\"?next\"?\s*(;|$)", parameters, re.IGNORECASE):
            query = target.partition("#")[0].partition("?")[2]
            return f"{first.partition('?')[0]}?{query}" if _QUERY.fullmatch(query) else None
    return None


def is_gated(info: Mapping[str, Any]) -> bool | None:
    """Whether a repo's owner must accept who reads its files; None where the hub does not say."""
    said = info.get("gated")
    return said if isinstance(said, bool) else True if said in ("auto", "manual") else None


def license_of(info: Mapping[str, Any]) -> str | None:
    """The license of a repo by its card: one, several, or the name of an `other` one."""
    card = info.get("cardData")
    if not isinstance(card, dict):
        return None
    said = card.get("license")
    names = [name for name in (said if isinstance(said, list) else [said]) if isinstance(name, str) and name]
    own = card.get("license_name")
    if names == ["other"] and isinstance(own, str) and own:
        names = [own]
    return printable(", ".join(names), limit=200) if names else None
