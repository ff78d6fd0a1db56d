"""When to try again, and how long to wait before."""

import random

from modelsync.errors import HttpStatusError, NetworkError

TRIES = 5
FIRST_WAIT = 0.5  # seconds
LONGEST_WAIT = 30.0
UNSAID_WAIT = 1.0  # after a 429 that does not say how long
LONGEST_ASKED_WAIT = 330.0  # a hub's own window is 300 s; a longer wait is reported instead

_TRANSIENT = frozenset({408, 429})


class FinalNetworkError(NetworkError):
    """A network error that trying again does not mend: a certificate, a proxy's refusal, an unknown name."""


class StalledError(NetworkError):
    """A server sends nothing, or next to nothing: it may be gone, or busy with other requests."""


def retryable(error: BaseException) -> bool:
    """Whether the same request may well succeed later: broken connections, 408, 429 and 5xx."""
    if isinstance(error, HttpStatusError):
        return error.status in _TRANSIENT or error.status >= 500
    return isinstance(error, NetworkError) and not isinstance(error, FinalNetworkError)


class Backoff:
    """Counts the tries of one piece of work and says how long to wait between them.

    Args:
        tries: How often the work is tried without any progress, the first time included.
        rng: Where the jitter comes from.
    """

    def __init__(self, tries: int = TRIES, *, rng: random.Random | None = None) -> None:
        self._tries = tries
        self._random = rng or random.Random()  # noqa: S311 - spreads waits out, guards nothing
        self._failures = 0

    def progressed(self) -> None:
        """Bytes came: the count and the wait start again."""
        self._failures = 0

    def failed(self, retry_after: float | None = None) -> float | None:
        """Counts a failure.

        Args:
            retry_after: The seconds that the server asks to wait, if it does.

        Returns:
            Seconds to wait before the next try; None when it is time to give up.
        """
        self._failures += 1
        if self._failures >= self._tries or (retry_after or 0.0) > LONGEST_ASKED_WAIT:
            return None
        ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (self._failures - 1))
        wait: float = ceiling * self._random.uniform(0.5, 1.0)
        return wait if retry_after is None else max(wait, retry_after)
