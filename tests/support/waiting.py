"""Waiting for what a test means, with an end."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    """Returns as soon as the call gives something true.

    Raises:
        TimeoutError: It did not in so many seconds.
    """
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not true in {seconds} seconds")
        time.sleep(0.01)
