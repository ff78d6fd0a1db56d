"""One repository of an OCI registry: blobs and manifests, over the one client.

The protocol is that of opencontainers/distribution-spec (spec.md).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from modelsync.errors import HashMismatchError, HttpStatusError, NetworkError, UriError
from modelsync.net.body import content_length
from modelsync.net.client import Client
from modelsync.net.failures import UntrustedError
from modelsync.net.logins import DOCKER_HUB_NAMES
from modelsync.net.origin import is_loopback, of
from modelsync.net.retry import FinalNetworkError
from modelsync.spec.names import printable

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
# Without the stored type here, some registries say that there is no such manifest.
ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
MANIFEST_LIMIT = 4 << 20  # bytes that a registry should take
_READ_LIMIT = 8 << 20
_DOCKER_HUB = "registry-1.docker.io"


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
        self.registry = _DOCKER_HUB if registry in DOCKER_HUB_NAMES else registry
        self.name = name
        self._base: str | None = None

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"

    @property
    def url(self) -> str:
        """The address that those of blobs and manifests begin with.

        Raises:
            NetworkError: the registry of this machine, or of an insecure host, does not answer.
        """
        if self._base is None:
            self._base = base_of(self.client, self.registry)
        return f"{self._base}/v2/{self.name}"

    def blob_url(self, digest: str) -> str:
        """The address of a blob, which ranges may be asked of; the client answers the registry's challenge."""
        return f"{self.url}/blobs/{digest}"

    def has_blob(self, digest: str, size: int) -> bool:
        """Whether the registry says that this repository has a blob of that size.

        Raises:
            NetworkError: there is no answer, or a refusal.
        """
        try:
            head = self.client.head(self.blob_url(digest))
        except HttpStatusError as error:
            if error.status == 404:
                return False
            raise
        if head.redirect_to is not None:  # to where the bytes are; a signed address may refuse a HEAD
            return True
        length = content_length(head.headers)
        return length is None or length == size

    def manifest(self, reference: str) -> StoredManifest | None:
        """A manifest by its tag or digest; None where there is none.

        Raises:
            HashMismatchError: it was asked for by its digest, and is another.
            NetworkError: there is no answer, or a refusal.
        """
        try:
            document = self.client.get(
                self._manifest_url(reference), limit=_READ_LIMIT, headers={"Accept": ACCEPT}
            )
        except HttpStatusError as error:
            if error.status == 404:
                return None
            raise
        digest = digest_of(document.data)  # some registries do not say it, or say that of another
        if reference.startswith("sha256:") and digest != reference:
            raise HashMismatchError(f"{self}: the manifest {reference} has come as {digest}")
        return StoredManifest(document.data, digest, _media_type(document.data, document.headers))

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


def base_of(client: Client, registry: str) -> str:
    """Scheme, host and port of a registry: https; where http is allowed too, whichever of the two it speaks.

    On this machine http is tried first: what speaks it may wait for long for the rest of a line when TLS begins, and
    what speaks TLS says at once that this is none. Elsewhere https is.

    Raises:
        NetworkError: neither is answered.
    """
    https, http = f"https://{registry}", f"http://{registry}"
    try:
        origin = of(https)
    except UriError:
        raise UriError(f"`{printable(registry, 100)}` names no registry") from None
    loopback = is_loopback(origin.host)
    hosts = {origin.bare_host, f"{origin.bare_host}:{origin.port}"}
    if not loopback and not (client.insecure_hosts & hosts):
        return https
    fault: NetworkError | None = None
    for base in (http, https) if loopback else (https, http):
        try:
            if _answers(client, base):
                return base
        except UntrustedError:  # it speaks https
            raise
        except NetworkError as error:
            fault = fault or error
    if fault is not None:
        raise fault
    return https


def _answers(client: Client, base: str) -> bool:
    """Whether a registry answers there; 401 and 404 are usual, and to http a server of https says 400."""
    try:
        leads = client.leads(f"{base}/v2/")
    except HttpStatusError as error:
        return error.status != 400
    return leads is None or not leads.startswith("https://")


def _media_type(data: bytes, headers: Mapping[str, str]) -> str:
    try:
        said = json.loads(data).get("mediaType")
    except (ValueError, AttributeError, RecursionError):
        said = None
    return said if isinstance(said, str) else headers.get("content-type", "").partition(";")[0].strip()
