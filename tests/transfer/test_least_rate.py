"""Which responses are given up for bringing next to nothing."""

import pytest

from modelsync.errors import NetworkError
from modelsync.transfer.least_rate import LEAST, LeastRate


def test_a_drip_is_given_up() -> None:
    """After a window of waiting in which fewer bytes came than the least."""
    least = LeastRate(10.0)
    least.count(100, 9.9, "the server")
    with pytest.raises(NetworkError, match="too slow"):
        least.count(100, 10.1, "the server")


def test_each_window_is_judged_by_itself() -> None:
    """Many bytes in one window do not excuse the next one."""
    least = LeastRate(10.0)
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
