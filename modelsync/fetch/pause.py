"""The wait before a part of a file is asked for again."""

from modelsync.context import Context
from modelsync.errors import CancelledError, HttpStatusError, NetworkError
from modelsync.net.retry import Backoff, retryable


def pause(context: Context, error: NetworkError, backoff: Backoff) -> None:
    """Waits before the next try.

    Raises:
        NetworkError: the error itself, where another try would not help.
        CancelledError: the call was cancelled.
    """
    asked, stale = None, False
    if isinstance(error, HttpStatusError):
        asked, stale = error.retry_after, error.stale
    wait = backoff.failed(asked) if stale or retryable(error) else None
    if wait is None:
        raise error
    if context.cancel.wait(wait):
        raise CancelledError("interrupted")
