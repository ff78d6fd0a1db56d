"""Connection pools: one for each way to a host, made when it is first gone."""

import logging
import os
import re
import ssl
import threading
from typing import NamedTuple

import httpcore2

from modelsync.errors import ConfigError
from modelsync.net.connect import Backend
from modelsync.net.connection import Pool
from modelsync.net.origin import Origin
from modelsync.net.proxies import Proxies, Proxy
from modelsync.spec.names import printable

_IDLE_SECONDS = 30.0  # that an unused connection is kept
_HOSTS = 4  # that are asked side by side: a hub, its CDN, and others; their idle connections share one pool


class Route(NamedTuple):
    """How an origin is asked: over which pool, through which proxy."""

    pool: httpcore2.ConnectionPool
    proxy: Proxy | None


class Routes:
    """The pools of a client; thread-safe."""

    def __init__(self, cancel: threading.Event, *, max_idle: int) -> None:
        self._cancel = cancel
        self._max_idle = max_idle
        self._proxies = Proxies()
        self._pools: dict[tuple[Proxy | None, bool, bool], httpcore2.ConnectionPool] = {}
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()

    def route(self, origin: Origin, *, public_only: bool) -> Route:
        """The way to an origin.

        Args:
            origin: Whom to ask.
            public_only: Whether only addresses of the open Internet may be connected to. A proxy resolves names itself
                and may be anywhere, so there it has no meaning.

        Raises:
            ConfigError: the proxy's address, or the certificates that the environment names, cannot be used.
        """
        proxy = self._proxies.proxy_for(origin)
        tls = origin.scheme == "https" or (proxy is not None and proxy.scheme == "https")
        key = (proxy, public_only and proxy is None, tls)
        with self._lock:
            if key not in self._pools:
                context = self._context() if tls else None
                self._pools[key] = (
                    self._proxied(proxy, context) if proxy else self._direct(context, public_only)
                )
            return Route(self._pools[key], proxy)

    def close(self) -> None:
        """Closes every connection."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _direct(self, context: ssl.SSLContext | None, public_only: bool) -> httpcore2.ConnectionPool:
        backend = Backend(self._cancel, public_only=public_only)
        return Pool(backend, context, max_idle=_HOSTS * self._max_idle, idle_seconds=_IDLE_SECONDS)

    def _proxied(self, proxy: Proxy, context: ssl.SSLContext | None) -> httpcore2.ConnectionPool:
        url = httpcore2.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/")
        if proxy.scheme in {"socks5", "socks5h"}:
            try:
                return httpcore2.SOCKSProxy(
                    url,
                    _encoded(proxy.auth),
                    ssl_context=context,
                    max_connections=None,
                    max_keepalive_connections=self._max_idle,
                    keepalive_expiry=_IDLE_SECONDS,
                    network_backend=Backend(self._cancel),
                )
            except (ImportError, RuntimeError):
                raise ConfigError(
                    f"the proxy {proxy} speaks SOCKS, for which a package is missing",
                    hint="pip install socksio",
                ) from None
        return httpcore2.HTTPProxy(
            url,
            _encoded(proxy.auth),
            ssl_context=context,
            proxy_ssl_context=context if proxy.scheme == "https" else None,
            max_connections=None,
            max_keepalive_connections=self._max_idle,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=Backend(self._cancel),
        )

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            try:
                self._tls = trusted()
            except OSError as error:
                named = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
                said = ", ".join(f"{name}={printable(value)}" for name, value in named.items() if value)
                raise ConfigError(
                    f"no certificates can be read from {said or 'the system'}: {printable(str(error))}",
                    hint="set SSL_CERT_FILE to a PEM file with the certificates to trust, or unset it",
                ) from None
        return self._tls


def trusted() -> ssl.SSLContext:
    """A TLS context with the system's certificates, or those of SSL_CERT_FILE and SSL_CERT_DIR.

    Raises:
        OSError: They cannot be read.
    """
    context = httpcore2.default_ssl_context()
    if os.environ.get("SSL_CERT_FILE") and (folder := os.environ.get("SSL_CERT_DIR")):
        context.load_verify_locations(capath=folder)  # httpcore2 takes one of them, OpenSSL both
    return context


def _encoded(auth: tuple[str, str] | None) -> tuple[bytes, bytes] | None:
    return (auth[0].encode(), auth[1].encode()) if auth else None


class _WithoutQueries(logging.Filter):
    """Cuts the queries out of logged addresses: at DEBUG level httpcore2 logs `Location` headers, signature and all."""

    _query = re.compile(r"\?[^\s'\"]*")

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._query.sub("?…", record.getMessage()), ()
        return True


logging.getLogger("httpcore2.http11").addFilter(_WithoutQueries())
