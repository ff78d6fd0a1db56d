"""One repository of an OCI registry: blobs and manifests, over the one client.

The protocol is that of opencontainers/distribution-spec (spec.md).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urljoin

from modelsync.errors import HashMismatchError, HttpStatusError, RefusedError
from modelsync.net.body import content_length
from modelsync.net.client import Client
from modelsync.net.documents import TooLongError
from modelsync.net.retry import FinalNetworkError
from modelsync.spec.uri_forms import registry_host

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
# Without the stored type here, some registries say that there is no such manifest.
ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
MANIFEST_LIMIT = 4 << 20  # bytes that a registry should take
MAX_TAGS = 10_000
_MAX_PAGES = 200
_NO_HEAD = frozenset({405, 501})
_DIGEST = r"(?a)sha256:[0-9a-f]{64}"
_TAG = r"(?a)[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"


class StoredManifest(NamedTuple):
    """A manifest as a registry gave it.

    Attributes:
        data: Its bytes.
        digest: `sha256:<hex>` of these bytes.
        media_type: What the manifest itself says that it is, else what the registry says.
    """

    data: bytes
    digest: str
    media_type: str


def digest_of(data: bytes) -> str:
    """`sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Repository:
    """One repository of a registry. Nothing is asked before the first call; thread-safe.

    Args:
        client: What to ask with. Logins and tokens are its business.
        registry: Host, and port where it has one.
        name: The repository's name.
    """

    def __init__(self, client: Client, registry: str, name: str) -> None:
        self.client = client
        self.registry = registry_host(registry)
        self.name = name

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"

    @property
    def url(self) -> str:
        """The address that those of blobs and manifests begin with.

        Raises:
            NetworkError: the registry of this machine, or of an insecure host, does not answer.
        """
        return self.client.repository_url(self.registry, self.name)

    def blob_url(self, digest: str) -> str:
        """The address of a blob, which ranges may be asked of; the client answers the registry's challenge."""
        return f"{self.url}/blobs/{digest}"

    def has_blob(self, digest: str, size: int | None) -> bool:
        """Whether the registry says that this repository has a blob of that size; None: of any.

        One that knows no HEAD says of none that it is there.

        Raises:
            NetworkError: there is no answer, or a refusal.
        """
        try:
            head = self.client.head(self.blob_url(digest))
        except HttpStatusError as error:
            if error.status == 404 or error.status in _NO_HEAD:
                return False
            raise
        if head.redirect_to is not None:  # to where the bytes are; a signed address may refuse a HEAD
            return True
        length = content_length(head.headers)
        return length is None or size is None or length == size

    def manifest(self, reference: str) -> StoredManifest | None:
        """A manifest by its tag or digest; None where there is none.

        Raises:
            HashMismatchError: it was asked for by its digest, and is another.
            RefusedError: it is too large.
            NetworkError: there is no answer, or a refusal.
        """
        try:
            document = self.client.get(
                self._manifest_url(reference), limit=MANIFEST_LIMIT, headers={"Accept": ACCEPT}
            )
        except TooLongError:
            raise RefusedError(
                f"{self}: the manifest {reference} is larger than {MANIFEST_LIMIT >> 20} MiB, "
                "which no registry has to take"
            ) from None
        except HttpStatusError as error:
            if error.status == 404:
                return None
            raise
        digest = digest_of(document.data)  # some registries do not say it, or say that of another
        if reference.startswith("sha256:") and digest != reference:
            raise HashMismatchError(f"{self}: the manifest {reference} has come as {digest}")
        return StoredManifest(document.data, digest, _media_type(document.data, document.headers))

    def digest(self, tag: str) -> str | None:
        """The digest of the manifest that a tag names now; None where there is no such tag.

        It is asked for by HEAD, which Docker Hub does not count as a pull; where the answer does not say it, the
        manifest is read.

        Raises:
            NetworkError: there is no answer, or a refusal.
        """
        try:
            head = self.client.head(self._manifest_url(tag), headers={"Accept": ACCEPT})
        except HttpStatusError as error:
            if error.status == 404:
                return None
            if error.status not in _NO_HEAD:
                raise
        else:
            said = head.headers.get("docker-content-digest", "")
            if re.fullmatch(_DIGEST, said):
                return said
        found = self.manifest(tag)
        return found and found.digest

    def small_blob(self, digest: str, size: int) -> bytes:
        """The bytes of a blob that is a short text.

        Raises:
            RefusedError: it is too large for one.
            HashMismatchError: other bytes have come.
            NetworkError: there is no answer, or a refusal.
        """
        if size > MANIFEST_LIMIT:
            raise RefusedError(f"{self}: {digest} should be a short text, and has {size} bytes")
        try:
            data = self.client.get(self.blob_url(digest), limit=size).data
        except TooLongError:
            raise HashMismatchError(f"{self}: {digest} has come with more than its {size} bytes") from None
        if len(data) != size or digest_of(data) != digest:
            raise HashMismatchError(
                f"{self}: {digest} has come as other bytes ({len(data)} of {size})",
                hint="run the command again; if it stays so, the registry's copy is damaged",
            )
        return data

    def tags(self) -> tuple[str, ...]:
        """The tags of the repository, in the order in which the registry lists them; at most `MAX_TAGS`.

        Raises:
            NetworkError: there is no answer, or a refusal.
        """
        found: dict[str, None] = {}
        url, seen = f"{self.url}/tags/list", set[str]()
        while url not in seen and len(seen) < _MAX_PAGES and len(found) < MAX_TAGS:
            seen.add(url)
            reply = self.client.get_json(url)
            listed = reply.value.get("tags") if isinstance(reply.value, dict) else None
            said = listed if isinstance(listed, list) else []
            found.update((tag, None) for tag in said if isinstance(tag, str) and re.fullmatch(_TAG, tag))
            after = re.search(r'<([^<>]+)>\s*;\s*rel="?next"?', reply.headers.get("link", ""))
            following = urljoin(url, after[1]) if after else url
            if not following.startswith(f"{self.url}/"):  # elsewhere nothing is asked
                break
            url = following
        return tuple(found)[:MAX_TAGS]

    def put_manifest(self, reference: str, data: bytes, media_type: str) -> None:
        """Stores a manifest under a tag or its digest.

        Raises:
            HttpStatusError: the registry refuses it, with its words.
            NetworkError: there is no answer, or it stored another one.
        """
        head = self.client.put(self._manifest_url(reference), data, headers={"Content-Type": media_type})
        said, own = head.headers.get("docker-content-digest"), digest_of(data)
        if said is not None and said.startswith("sha256:") and said != own:
            raise FinalNetworkError(
                f"{self} stored another manifest than it was sent: {said[:80]}, not {own}"
            )

    def _manifest_url(self, reference: str) -> str:
        return f"{self.url}/manifests/{reference}"


def _media_type(data: bytes, headers: Mapping[str, str]) -> str:
    try:
        said = json.loads(data).get("mediaType")
    except (ValueError, AttributeError, RecursionError):
        said = None
    return said if isinstance(said, str) else headers.get("content-type", "").partition(";")[0].strip()
