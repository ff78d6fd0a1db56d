"""Where registries answer: https, or on this machine and at insecure hosts whichever of http and https they speak."""

import threading
from collections.abc import Callable

from modelsync.errors import HttpStatusError, NetworkError, UriError
from modelsync.net.failures import UntrustedError
from modelsync.net.origin import is_loopback, of
from modelsync.spec import oci_url
from modelsync.spec.names import printable
from modelsync.spec.uri_forms import registry_host


class Registries:
    """The registries that one client asks; thread-safe.

    Args:
        leads: Asks an address and returns where it redirects to, as `Client.leads` does.
        insecure_hosts: Hosts, or `host:port`, that may be asked over plain http besides loopback.
    """

    def __init__(self, leads: Callable[[str], str | None], insecure_hosts: frozenset[str]) -> None:
        self._leads = leads
        self._insecure_hosts = insecure_hosts
        self._bases: dict[str, str] = {}
        self._guard = threading.Lock()

    def repository_url(self, registry: str, name: str) -> str:
        """The address that those of a repository's blobs and manifests begin with.

        Raises:
            NetworkError: the registry of this machine, or of an insecure host, does not answer.
            UriError: it cannot be a registry.
        """
        return f"{self._base(registry_host(registry))}/v2/{name}"

    def http_url(self, url: str) -> str:
        """The address of a blob that has the URL of a lock; any other URL as it is. Errors as of `repository_url`."""
        if not oci_url.is_oci(url):
            return url
        blob = oci_url.read(url)
        if blob is None or blob.member is not None:
            raise UriError(f"`{printable(url)}` is no blob of a registry")
        return f"{self.repository_url(blob.registry, blob.repository)}/blobs/{blob.digest}"

    def _base(self, registry: str) -> str:
        """Scheme, host and port.

        On this machine http is tried first: what speaks it may wait for long for the rest of a line when TLS begins,
        and what speaks TLS says at once that this is none. Elsewhere https is.
        """
        https, http = f"https://{registry}", f"http://{registry}"
        try:
            origin = of(https)
        except UriError:
            raise UriError(f"`{printable(registry, 100)}` names no registry") from None
        loopback = is_loopback(origin.host)
        hosts = {origin.bare_host, f"{origin.bare_host}:{origin.port}"}
        if not loopback and not (self._insecure_hosts & hosts):
            return https
        with self._guard:
            if registry not in self._bases:
                self._bases[registry] = self._first((http, https) if loopback else (https, http))
            return self._bases[registry]

    def _first(self, bases: tuple[str, ...]) -> str:
        """The first of them that answers."""
        fault: NetworkError | None = None
        for base in bases:
            try:
                if self._answers(base):
                    return base
            except UntrustedError:  # it speaks https
                raise
            except NetworkError as error:
                fault = fault or error
        if fault is not None:
            raise fault
        return next(base for base in bases if base.startswith("https:"))

    def _answers(self, base: str) -> bool:
        """Whether a registry answers there; 401 and 404 are usual, and to http a server of https says 400."""
        try:
            leads = self._leads(f"{base}/v2/")
        except HttpStatusError as error:
            return error.status != 400
        return leads is None or not leads.startswith("https://")
