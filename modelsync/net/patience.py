"""How long the first byte of an answer is waited for: of each origin longer after each silence."""

import threading
from collections import defaultdict

import httpx2

from modelsync.errors import NetworkError
from modelsync.net.deadline import TooSlowError
from modelsync.net.dial import Timeouts
from modelsync.net.failures import explain
from modelsync.net.http1 import CountedBody, FramedBody
from modelsync.net.origin import Origin
from modelsync.net.proxies import Proxy

MOST = 6.0  # times the timeout
SHARED = 3.0  # the same, at first, for a server that many machines may ask at once


class Patience:
    """The waits of all origins, shared by all threads.

    A server that first fetches what it is asked for, as a pull-through proxy does, may need longer than the timeout.
    Once an answer has begun, the timeout alone counts: its connection may hang.
    """

    def __init__(self) -> None:
        self._factors: defaultdict[Origin, float] = defaultdict(lambda: 1.0)
        self._lock = threading.Lock()

    def factor(self, origin: Origin) -> float:
        """By what to multiply the timeout for the first byte from this origin."""
        with self._lock:
            return self._factors[origin]

    def shared(self, origin: Origin) -> None:
        """Many machines may ask this origin at once."""
        with self._lock:
            self._factors[origin] = max(self._factors[origin], SHARED)

    def silent(self, origin: Origin, factor: float) -> None:
        """The origin said nothing for the timeout times `factor`. Several streams may report one silence."""
        with self._lock:
            self._factors[origin] = max(self._factors[origin], min(2 * factor, MOST))


class Wait:
    """The wait for one answer: for its first byte as long as its origin needs, then for the timeout.

    Attributes:
        timeouts: Seconds by `connect`, `read` and `write`.
    """

    def __init__(self, origin: Origin, proxy: Proxy | None, timeouts: Timeouts, patience: Patience) -> None:
        self._origin = origin
        self._proxy = proxy
        self._usual = timeouts.get("read")
        self._patience = patience
        self._factor = patience.factor(origin)
        self._begun = False
        self.timeouts = {**timeouts, "read": self._usual and self._usual * self._factor}

    def begin(self, reader: object) -> None:
        """The first byte of the body is here."""
        if not self._begun:
            self._begun = True
            self.timeouts = {**self.timeouts, "read": self._usual}
            if isinstance(reader, CountedBody | FramedBody):
                reader.timeout = self._usual

    def fault(self, error: Exception) -> NetworkError:
        """The error for people that stands for a transport's error."""
        silence = isinstance(error, httpx2.ReadTimeout) and not isinstance(error, TooSlowError)
        if silence and not self._begun:
            self._patience.silent(self._origin, self._factor)
        return explain(error, self._origin, self._proxy, self.timeouts)
