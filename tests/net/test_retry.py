"""When to try again: the laws of Backoff, and what may be tried again at all."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import (
    CancelledError,
    HttpStatusError,
    ModelsyncError,
    NetworkError,
    RefusedError,
)
from modelsync.net.retry import (
    FIRST_WAIT,
    LONGEST_ASKED_WAIT,
    LONGEST_WAIT,
    Backoff,
    FinalNetworkError,
    retryable,
)

SEEDS = st.integers(0, 2**32).map(random.Random)


@given(SEEDS, st.integers(1, 20))
def test_the_tries_are_counted(rng: random.Random, tries: int) -> None:
    """Work that never gets on is tried as often as it was said, and then given up for good."""
    backoff = Backoff(tries, rng=rng)
    waits = [backoff.failed() for _ in range(tries + 3)]
    assert all(wait is not None for wait in waits[: tries - 1])
    assert waits[tries - 1 :] == [None] * 4


@given(SEEDS, st.integers(2, 20))
def test_waits_grow_within_bounds_and_jitter(rng: random.Random, tries: int) -> None:
    """Each wait lies between half and the whole of a ceiling that doubles up to a cap."""
    backoff = Backoff(tries, rng=rng)
    ceiling = FIRST_WAIT
    for _ in range(tries - 1):
        wait = backoff.failed()
        assert wait is not None
        assert ceiling / 2 <= wait <= ceiling
        ceiling = min(LONGEST_WAIT, ceiling * 2)


@given(SEEDS, st.integers(1, 8), st.integers(1, 8))
def test_progress_starts_everything_anew(rng: random.Random, before: int, after: int) -> None:
    """Once bytes came, the count and the wait are as at the start."""
    backoff = Backoff(10, rng=rng)
    for _ in range(before):
        backoff.failed()
    backoff.progressed()
    wait = backoff.failed()
    assert wait is not None
    assert wait <= FIRST_WAIT
    assert all(backoff.failed() is not None for _ in range(after))


@given(SEEDS, st.floats(0, LONGEST_ASKED_WAIT))
def test_a_server_that_asks_to_wait_is_obeyed(rng: random.Random, seconds: float) -> None:
    """The wait is never shorter than the server asks for."""
    wait = Backoff(rng=rng).failed(seconds)
    assert wait is not None
    assert wait >= seconds


def test_nobody_waits_for_hours() -> None:
    """A server that asks to wait longer than any quota's window is given up at once."""
    assert Backoff().failed(LONGEST_ASKED_WAIT + 1) is None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_statuses_that_pass_are_tried_again(status: int) -> None:
    """408, 429 and 5xx may be another answer the next time."""
    assert retryable(HttpStatusError("x", status=status))


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 410, 416, 451])
def test_statuses_that_stay_are_not_tried_again(status: int) -> None:
    """What is missing, forbidden or wrong stays so."""
    assert not retryable(HttpStatusError("x", status=status))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NetworkError("reset"), True),
        (FinalNetworkError("certificate"), False),
        (RefusedError("loopback"), False),
        (CancelledError("interrupted"), False),
        (ModelsyncError("other"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_broken_connections_are_tried_again_and_decisions_are_not(
    error: BaseException, expected: bool
) -> None:
    """Of what is no status, only what the network did by chance is worth another try."""
    assert retryable(error) is expected
