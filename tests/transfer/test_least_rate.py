"""Which responses are given up for bringing next to nothing."""

import pytest

from modelsync.errors import NetworkError
from modelsync.transfer.least_rate import BUSY, LEAST, LeastRate, Trial


def test_a_drip_is_given_up() -> None:
    """After a window of waiting in which fewer bytes came than the least."""
    least = LeastRate(10.0, 0.0)
    least.count(100, 9.9, "the server")
    with pytest.raises(NetworkError, match="too slow"):
        least.count(100, 10.1, "the server")


def test_each_window_is_judged_by_itself() -> None:
    """Many bytes in one window do not excuse the next one."""
    least = LeastRate(10.0, 0.0)
    least.count(LEAST * 1000, 10.0, "the server")
    least.count(100, 19.0, "the server")
    with pytest.raises(NetworkError):
        least.count(100, 20.5, "the server")


def test_what_the_connection_waited_before_is_no_matter() -> None:
    """A busy server that was long in answering, or an earlier answer, does not make the first piece a drip."""
    least = LeastRate(10.0, waited=30.0)
    least.count(100, 30.1, "the server")
    least.count(100, 39.9, "the server")
    with pytest.raises(NetworkError):
        least.count(100, 40.0, "the server")


def test_a_place_that_has_brought_enough_of_late_is_busy() -> None:
    """Whichever streams got the bytes; one that brings less than the least, or nothing any more, is not."""
    trial = Trial(10.0)
    assert not trial.brings(0.0)
    for now in range(10):
        trial.count(BUSY, float(now))
    assert trial.brings(18.9)
    assert not trial.brings(19.0)
    drip = Trial(10.0)
    for now in range(100):
        drip.count(BUSY - 1024, float(now))
        assert not drip.brings(float(now))


def test_a_limit_of_our_own_does_not_make_a_place_a_slow_one() -> None:
    """What a call lets in by itself is enough."""
    trial = Trial(10.0, most=100)
    for now in range(10):
        trial.count(100, float(now))
    assert trial.brings(13.0)
