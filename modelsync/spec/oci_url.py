"""The URLs that a lock has for files out of registries: `oci://host/repo@sha256:…`, the blob. Pure.

Behind a `#` stands the name of a file in that blob, where it is a tar.
"""

import re
from typing import NamedTuple

from modelsync.spec.uri_forms import unquote

_SCHEME = "oci://"
_URL = r"(?a)oci://([^/@#?]+)/([^@#?]+)@sha256:([0-9a-f]{64})(?:#([^#?]{1,4096}))?"


class BlobUrl(NamedTuple):
    """A blob of a repository, or a file in it.

    Attributes:
        registry: Host, and port where it has one.
        repository: The repository's name.
        sha256: The blob's digest in hex.
        member: The name in the blob, which is a tar then; None: the blob is the file.
    """

    registry: str
    repository: str
    sha256: str
    member: str | None = None

    def __str__(self) -> str:
        blob = f"{_SCHEME}{self.registry}/{self.repository}@{self.digest}"
        if self.member is None:
            return blob
        from urllib.parse import quote

        return f"{blob}#{quote(self.member)}"

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the blob."""
        return f"sha256:{self.sha256}"


def is_oci(url: str) -> bool:
    """Whether a URL is that of a registry's blob."""
    return url.startswith(_SCHEME)


def is_packed(url: str) -> bool:
    """Whether a URL is that of a file in a tar."""
    return is_oci(url) and "#" in url


def read(url: str) -> BlobUrl | None:
    """The parts of such a URL; None if it is none, or not written as `BlobUrl` writes it."""
    match = re.fullmatch(_URL, url)
    if match is None:
        return None
    registry, repository, sha256, member = match.groups()
    found = BlobUrl(registry, repository, sha256, None if member is None else unquote(member))
    return found if str(found) == url else None
