"""How long a first byte is waited for."""

import httpx2

from modelsync.net.deadline import TooSlowError
from modelsync.net.origin import Origin, of
from modelsync.net.patience import Patience, Wait

HUB, CDN = of("https://hub.example"), of("https://cdn.example")


def wait(patience: Patience, origin: Origin = HUB) -> Wait:
    return Wait(origin, None, {"connect": 10.0, "read": 10.0}, patience)


def test_each_silence_makes_the_next_wait_longer() -> None:
    """Of that origin, up to six times the timeout; the words tell how long it was."""
    patience, waited = Patience(), []
    for _ in range(5):
        one = wait(patience)
        waited.append(one.timeouts["read"])
        assert f"silent for {waited[-1]:g} s" in one.fault(httpx2.ReadTimeout("")).message
    assert waited == [10, 20, 40, 60, 60]
    assert wait(patience).timeouts["connect"] == 10
    assert wait(patience, CDN).timeouts["read"] == 10


def test_several_streams_meet_one_silence() -> None:
    """They begin together, and the wait grows once."""
    patience = Patience()
    for one in [wait(patience) for _ in range(9)]:
        one.fault(httpx2.ReadTimeout(""))
    assert wait(patience).timeouts["read"] == 20


def test_a_connection_that_hangs_is_given_up_as_soon_as_ever() -> None:
    """Once bytes have come the timeout counts, and what goes wrong then, or otherwise, makes no wait longer."""
    patience = Patience()
    wait(patience).fault(httpx2.ReadTimeout(""))
    begun = wait(patience)
    begun.begin(None)
    assert begun.timeouts["read"] == 10
    assert "silent for 10 s" in begun.fault(httpx2.ReadTimeout("")).message
    for other in (httpx2.ConnectTimeout(""), TooSlowError("")):
        wait(patience).fault(other)
    assert wait(patience).timeouts["read"] == 20


def test_a_server_of_many_machines_is_waited_for_longer_at_once() -> None:
    """Three times the timeout for the first byte, and what each silence adds; then the timeout alone."""
    patience = Patience()
    patience.shared(HUB)
    one = wait(patience)
    assert one.timeouts["read"] == 30
    one.fault(httpx2.ReadTimeout(""))
    patience.shared(HUB)
    two = wait(patience)
    assert two.timeouts["read"] == 60
    two.begin(None)
    assert two.timeouts["read"] == 10
    assert wait(patience, CDN).timeouts["read"] == 10
