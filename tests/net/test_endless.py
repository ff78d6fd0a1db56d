"""Answers without an end, or with more in them than any good server sends, are given up."""

import json
import socket
import time

import pytest

from modelsync.errors import NetworkError
from modelsync.net import deadline
from modelsync.net.client import Client
from modelsync.net.documents import DEEPEST, MOST_VALUES, excess_of
from tests.support.servers import Listener, read_head, saying
from tests.torture.catalogue import ENDLESS


@pytest.mark.parametrize("name", [name for name, (_, slow, _) in ENDLESS.items() if not slow])
def test_an_answer_without_an_end_is_given_up(client: Client, name: str) -> None:
    """Interim answers, heads, lines, chunk sizes, trailers and lists that go on for ever: an error, and no wait."""
    with Listener(ENDLESS[name][2]) as server, pytest.raises(NetworkError):
        client.get_json(f"http://127.0.0.1:{server.port}/")


def test_a_document_of_many_small_values_is_refused(client: Client) -> None:
    """It is far below the limit of bytes, and would take thirty times its length in memory."""
    body = b"[" + b"[]," * (MOST_VALUES // 2) + b"0]"
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with saying(head + body) as server, pytest.raises(NetworkError, match="values"):
        client.get_json(f"http://127.0.0.1:{server.port}/")


def test_depth_is_bounded_and_strings_count_as_one() -> None:
    """Brackets and commas inside of a string are neither depth nor values."""
    assert excess_of(b"[" * DEEPEST + b"]" * DEEPEST) is None
    assert excess_of(b"[" * (DEEPEST + 1)) is not None
    assert excess_of(json.dumps(["[" * 200, "\\", '",' * MOST_VALUES]).encode()) is None


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"])
def test_an_answer_that_trickles_is_given_up(
    client: Client, monkeypatch: pytest.MonkeyPatch, begins: bytes
) -> None:
    """A head or a document of some bytes a second never stalls, and is given up after the window all the same."""
    monkeypatch.setattr(deadline, "RATE_WINDOW", 0.3)

    def trickle(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(begins)
        while True:
            connection.sendall(b"H" if not begins else b" ")
            time.sleep(0.01)

    with Listener(trickle) as server, pytest.raises(NetworkError, match="bytes a second"):
        client.get_json(f"http://127.0.0.1:{server.port}/")
