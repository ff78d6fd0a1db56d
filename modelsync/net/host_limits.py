"""Rate limits per origin: a number of requests at a time, none while the server asks to wait.

An origin that turns a request away because there are too many (429, 503) gets half as many at one time, and then one
more for every round of answers that it gives.
"""

import contextlib
import email.utils
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from modelsync.errors import CancelledError
from modelsync.net.deadline import TICK
from modelsync.net.origin import Origin

_PARAMETER = re.compile(r";\s*([a-z]+)\s*=\s*(\d{1,9})(?!\d)", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a refusal asks to wait, or None when it does not say.

    The hub's `RateLimit: "api";r=0;t=55` comes first, else `Retry-After` in seconds or as a date. A date is
    compared with the server's own clock where it tells it, so that a wrong one here does no harm.

    Args:
        headers: The answer's headers, names in lower case.
    """
    quotas = [dict(_PARAMETER.findall(quota)) for quota in headers.get("ratelimit", "").split(",")]
    resets = [int(quota["t"]) for quota in quotas if quota.get("r") == "0" and "t" in quota]
    if resets:
        return 1.0 + max(resets)
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    then = _date(text)
    if then is None:
        return None
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


class _Gate:
    """State of one origin: requests under way, how many there may be, and when the next may begin."""

    def __init__(self, room: int) -> None:
        self.changed = threading.Condition()
        self.inside = 0
        self.room: float = room
        self.opens_at = 0.0  # time.monotonic()


class Pacing:
    """Limits of all origins, shared by all threads.

    Args:
        at_once: Requests at one time to one origin.
        cancel: Once set, every wait ends with CancelledError.
        on_wait: Told of the host and the seconds when an origin is held.
    """

    def __init__(
        self,
        at_once: int,
        cancel: threading.Event,
        on_wait: Callable[[str, float], None] | None = None,
    ) -> None:
        self._at_once = at_once
        self._cancel = cancel
        self._on_wait = on_wait
        self._gates: defaultdict[Origin, _Gate] = defaultdict(lambda: _Gate(at_once))
        self._lock = threading.Lock()

    def _gate(self, origin: Origin) -> _Gate:
        with self._lock:
            return self._gates[origin]

    def hold(self, origin: Origin, seconds: float) -> None:
        """Pauses new requests to this origin; those under way go on."""
        gate = self._gate(origin)
        with gate.changed:
            until = time.monotonic() + seconds
            longer = until > gate.opens_at + TICK  # several threads are told the same at once
            gate.opens_at = max(gate.opens_at, until)
        if longer and self._on_wait is not None:
            self._on_wait(origin.host, seconds)

    def crowded(self, origin: Origin) -> None:
        """The origin turned a request away because there are too many."""
        gate = self._gate(origin)
        with gate.changed:
            gate.room = max(1.0, min(gate.room, gate.inside) / 2)

    def served(self, origin: Origin) -> None:
        """The origin answered a request."""
        gate = self._gate(origin)
        with gate.changed:
            gate.room = min(self._at_once, gate.room + 1 / gate.room)

    @contextlib.contextmanager
    def slot(self, origin: Origin) -> Iterator[None]:
        """Waits until a request to this origin may begin; it counts until the end of the `with`.

        Raises:
            CancelledError: the cancel event was set.
        """
        gate = self._gate(origin)
        with gate.changed:
            while True:
                if self._cancel.is_set():
                    raise CancelledError("interrupted")
                held = gate.opens_at - time.monotonic()
                if held <= 0 and gate.inside < max(1, int(gate.room)):
                    break
                gate.changed.wait(min(TICK, held) if held > 0 else TICK)
            gate.inside += 1
        try:
            yield
        finally:
            with gate.changed:
                gate.inside -= 1
                gate.changed.notify()
