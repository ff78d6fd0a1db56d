"""Connections that are kept, and those that are not."""

import pytest

from modelsync.net.client import Client
from tests.hub import Hub, Stall

DATA = bytes(2**20)


def test_one_that_is_left_in_the_middle_is_not_used_again(hub: Hub) -> None:
    """Even where nothing more has come on it since: the rest of that answer may come at any time."""
    url = hub.file("/x", DATA)
    hub.misbehave(Stall(1000), where="plain", times=1)
    with Client() as client:
        with client.open(url) as body:
            assert next(body.chunks())
        with client.open(url, end=10) as body:
            assert b"".join(body.chunks()) == DATA[:10]
    assert len({seen.connection for seen in hub.requests}) == 2


@pytest.mark.parametrize(("seconds", "connections"), [(0.0, 2), (60.0, 1)])
def test_one_that_was_unused_for_long_is_not_used_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, seconds: float, connections: int
) -> None:
    """Something on the way may have forgotten it."""
    monkeypatch.setattr("modelsync.net.pool._IDLE_SECONDS", seconds)
    url = hub.file("/x", b"{}")
    with Client() as client:
        client.get_json(url)
        client.get_json(url)
    assert len({seen.connection for seen in hub.requests}) == connections


def test_no_more_are_kept_than_are_worth_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was unused longest goes."""
    monkeypatch.setattr("modelsync.net.pool._HOSTS", 1)
    first, second = hub.file("/x", b"{}"), f"{hub.endpoint}/api/models/user/m"
    hub.repo("user/m").commit({"a.gguf": b"GGUF"})
    with Client(max_connections=1) as client:
        for url in (first, first, second, first):
            client.get_json(url)
    plain = [seen.connection for seen in hub.seen("plain")]
    assert plain[0] == plain[1] != plain[2]
