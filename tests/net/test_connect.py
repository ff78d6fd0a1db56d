"""From a name to a socket: which addresses are connected to, and in which order."""

import contextlib
import socket
import threading

import httpx2
import pytest

from modelsync.errors import NetworkError, RefusedError
from modelsync.net.client import Client
from modelsync.net.connect import Address, Connector, connect, resolve
from modelsync.net.deadline import TICK, Clock
from tests.support.servers import full_listener, silent

NEVER = threading.Event()


def clock(seconds: float = 30.0) -> Clock:
    return Clock(seconds, NEVER)


def at(port: int) -> Address:
    return Address(socket.AF_INET, ("127.0.0.1", port))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "::ffff:127.0.0.1"])
def test_where_only_the_open_internet_is_allowed_this_machine_is_not_connected_to(host: str) -> None:
    """A name is resolved and its addresses are checked before the first packet, however it is spelled."""
    with silent() as server:
        with pytest.raises(RefusedError, match="not a public one"):
            Connector(NEVER, public_only=True).connect_tcp(host, server.port, timeout=30)
        assert server.connections == []


def test_elsewhere_it_is() -> None:
    """A loopback server is a server like any other as long as nobody outside led there."""
    with silent() as server:
        channel = Connector(NEVER).connect_tcp("localhost", server.port, timeout=30)
        assert channel.peer == "127.0.0.1"
        channel.close()


def test_a_loopback_name_means_loopback() -> None:
    """A name under localhost that a name server leads elsewhere is not believed: it may be told secrets."""
    here, elsewhere = at(80), Address(socket.AF_INET, ("8.8.8.8", 80))
    assert Connector(NEVER).allowed("hub.localhost", [elsewhere, here]) == [here]
    with pytest.raises(RefusedError, match="this machine"):
        Connector(NEVER).allowed("hub.localhost", [elsewhere])


def test_a_name_that_is_not_there_is_said_to_be_so(client: Client) -> None:
    """The error says that the name does not resolve, and what to look at."""
    with (
        pytest.raises(NetworkError, match="does not resolve") as error,
        client.open("https://no-such-host.invalid/x"),
    ):
        pass
    assert "no-such-host.invalid" in str(error.value)
    assert "HTTPS_PROXY" in str(error.value.hint)


def test_a_label_that_is_too_long_is_a_name_that_is_not_there() -> None:
    """What the resolver cannot even ask for is no crash."""
    with pytest.raises(socket.gaierror):
        resolve("a" * 64 + ".example", 80, clock())


def test_an_address_that_refuses_costs_nothing() -> None:
    """The next address is tried at once."""
    with silent() as gone:
        pass
    with silent() as server, connect([at(gone.port), at(server.port)], clock()) as sock:
        assert sock.getpeername()[1] == server.port
        assert sock.getblocking() is False


def test_an_address_that_is_dead_costs_no_timeout() -> None:
    """The next address is tried while the first one is still silent."""
    with (
        full_listener() as dead,
        silent() as server,
        connect([at(dead), at(server.port)], clock(600)) as sock,
    ):
        assert sock.getpeername()[1] == server.port


def test_when_all_are_dead_the_timeout_ends_it(client: Client) -> None:
    """A server that does not answer at all is given up after the timeout, with words."""
    with full_listener() as dead, pytest.raises(httpx2.ConnectTimeout):
        Connector(NEVER).connect_tcp("127.0.0.1", dead, timeout=0.3)
    with (
        full_listener() as dead,
        Client(timeout=0.3) as hasty,
        pytest.raises(NetworkError, match=r"no answer in 0\.3 s") as error,
        hasty.open(f"http://127.0.0.1:{dead}/x"),
    ):
        pass
    assert "MODELSYNC_HTTP_TIMEOUT" in str(error.value.hint)


def test_when_all_refuse_the_last_one_is_told(client: Client) -> None:
    """A port that nobody listens at is said to refuse."""
    with silent() as gone:
        pass
    with (
        pytest.raises(NetworkError, match="connection refused"),
        client.open(f"http://localhost:{gone.port}/x"),
    ):
        pass


def test_a_process_that_was_stopped_did_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long time without a look at the socket only a little counts; looks that find nothing end the wait."""
    now = [0.0]
    monkeypatch.setattr("modelsync.net.deadline.time.monotonic", lambda: now[0])
    one = clock(10.0)
    for _ in range(3):
        now[0] += 60.0
        one.tick()
    looks = 0
    with contextlib.suppress(TimeoutError):
        while looks < 100:
            now[0] += TICK
            one.tick()
            looks += 1
    assert 30 <= looks < 40
