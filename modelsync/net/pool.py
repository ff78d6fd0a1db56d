"""The connections of a client: made when they are needed, kept for a while when they are not."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from modelsync.net.connection import Connection
from modelsync.net.dial import Route, Timeouts, dial
from modelsync.net.origin import Origin
from modelsync.net.proxies import Proxies
from modelsync.net.tls import client_context

_IDLE_SECONDS = 30.0  # that an unused connection is kept
_HOSTS = 4  # that are asked side by side: a hub, its CDN, and others


class ConnectionPool:
    """Connections by route; thread-safe.

    How many are used at one time is not its business: see `host_limits`.

    Args:
        cancel: Once set, every wait ends with CancelledError.
        per_host: Connections to one host that are worth keeping.
    """

    def __init__(self, cancel: threading.Event, *, per_host: int) -> None:
        self._cancel = cancel
        self._most_idle = _HOSTS * per_host
        self._proxies = Proxies()
        self._context: ssl.SSLContext | None = None
        self._idle: list[Connection] = []  # the one unused longest first
        self._busy: set[Connection] = set()
        self._lock = threading.Lock()

    def route(self, origin: Origin, *, public_only: bool) -> Route:
        """The way to an origin; the arguments are as of `Route`.

        Raises:
            ConfigError: the proxy that the environment names is not one.
        """
        proxy = self._proxies.proxy_for(origin)
        return Route(origin, proxy, public_only and proxy is None)

    @contextmanager
    def connection(self, route: Route, timeouts: Timeouts) -> Iterator[Connection]:
        """A connection for one request; afterwards it is kept if it is reusable, else closed.

        Raises:
            OSError, httpx2.TransportError, RefusedError, ConfigError, CancelledError: as of `dial`.
        """
        connection = self._take(route)
        if connection is None:
            connection = Connection(route, dial(route, self._cancel, self._tls, timeouts))
            with self._lock:
                self._busy.add(connection)
        try:
            yield connection
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Closes every connection, used ones too."""
        with self._lock:
            closing = [*self._idle, *self._busy]
            self._idle.clear()
        for connection in closing:
            connection.close()

    def _take(self, route: Route) -> Connection | None:
        """The last used idle connection of a route that the server has not left."""
        closing = []
        taken = None
        with self._lock:
            while self._idle and time.monotonic() - self._idle[0].idle_since > _IDLE_SECONDS:
                closing.append(self._idle.pop(0))
            for connection in [one for one in reversed(self._idle) if one.route == route]:
                self._idle.remove(connection)
                if not connection.channel.readable:
                    taken = connection
                    self._busy.add(connection)
                    break
                closing.append(connection)
        for connection in closing:
            connection.close()
        return taken

    def _give_back(self, connection: Connection) -> None:
        closing = connection
        with self._lock:
            self._busy.discard(connection)
            if connection.reusable:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
                if len(self._idle) <= self._most_idle:
                    return
                closing = self._idle.pop(0)
        closing.close()

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = client_context()
            return self._context
