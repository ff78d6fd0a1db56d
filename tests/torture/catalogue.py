"""Ways in which a network and its data are hostile, as one list: faults of a hub, and servers that never stop."""

import functools
import itertools
import json
import socket
import time
from collections.abc import Callable

from tests.hub import Hub
from tests.hub import faults as f
from tests.support.content import noise
from tests.support.servers import read_head

MODEL = "*still-Q4_K_M.gguf"


def _every(
    fault: f.Fault, where: str = "cdn", match: str = MODEL, times: int | None = None
) -> Callable[[Hub], None]:
    def misbehave(hub: Hub) -> None:
        hub.misbehave(fault, where=where, match=match, times=times)  # type: ignore[arg-type]

    return misbehave


def _json(value: object) -> f.Fault:
    return f.Status(200, {"Content-Type": "application/json"}, json.dumps(value))


API = functools.partial(_every, where="hub", match="/api/*")
ONCE = functools.partial(_every, times=1)

# Each is for ever, unless it says `once`.
FAULTS: dict[str, Callable[[Hub], None]] = {
    "wrong byte": _every(f.Corrupt(700_000)),
    "wrong byte once": ONCE(f.Corrupt(700_000)),
    "wrong first byte": _every(f.Corrupt(0)),
    "all other bytes": _every(f.Replaced(noise(1_300_000, 99))),
    "other bytes with the old etag": _every(f.Replaced(noise(1_300_000, 99), etag=None)),
    "a login page": _every(f.Replaced(b"<html>log in</html>" * 100)),
    "empty": _every(f.Replaced(b"")),
    "longer": _every(f.Longer(1000)),
    "shorter": _every(f.Shorter(1000)),
    "cut": _every(f.Cut(100_000)),
    "cut once": ONCE(f.Cut(100_000)),
    "reset once": ONCE(f.Cut(100_000, reset=True)),
    "reset without an answer": _every(f.Drop()),
    "range ignored": _every(f.IgnoreRange()),
    "range ignored after a cut": lambda hub: (ONCE(f.Cut(500_000))(hub), _every(f.IgnoreRange())(hub))[1],
    "wrong range": _every(f.WrongRange(5)),
    "other range": _every(f.OtherRange(5)),
    "gzip": _every(f.Gzipped()),
    "chunked": _every(f.Chunked()),
    "lying length": _every(f.Headers({"Content-Length": "999999999999"})),
    "negative length": _every(f.Headers({"Content-Length": "-5"})),
    "redirect in a circle": _every(f.Redirect()),
    "redirect to the metadata service": _every(f.Redirect("http://169.254.169.254/latest/meta-data/")),
    "redirect to a file": _every(f.Redirect("file:///etc/passwd")),
    "401": _every(f.Status(401)),
    "403": _every(f.Status(403)),
    "404": _every(f.Status(404)),
    "416": _every(f.Status(416)),
    "429 once": ONCE(f.TooMany(1)),
    "500": _every(f.Status(500)),
    "503 once": ONCE(f.Status(503, {"Retry-After": "1"})),
    "control characters": _every(f.Status(404, {"X-Error-Message": "\x1b[2Jgone"}, "\x1b]0;mine\x07")),
    "api: no JSON": API(f.Status(200, {"Content-Type": "application/json"}, "{nothing")),
    "api: a list": API(_json([])),
    "api: a number": API(_json(1e308)),
    "api: deep": API(f.Status(200, {"Content-Type": "application/json"}, "[" * 100_000)),
    "api: wrong commit": API(_json({"sha": "../../etc", "siblings": []})),
    "api: names that climb": API(
        _json(
            {
                "sha": "a" * 40,
                "siblings": [
                    {"rfilename": name, "size": 5, "blobId": "b" * 40, "lfs": {"sha256": "c" * 64, "size": 5}}
                    for name in (
                        "../../evil-Q4_K_M.gguf",
                        "/tmp/evil-Q4_K_M.gguf",
                        "a\\..\\evil-Q4_K_M.gguf",
                        "CON.gguf",
                    )
                ],
            }
        )
    ),
    "api: sizes that are none": API(
        _json(
            {
                "sha": "a" * 40,
                "siblings": [{"rfilename": "m-Q4_K_M.gguf", "size": -1, "lfs": {"size": 2**70}}],
            }
        )
    ),
    "api: many files": API(
        _json({"sha": "a" * 40, "siblings": [{"rfilename": f"{n}-Q4_K_M.gguf"} for n in range(5000)]})
    ),
    "api: 500": API(f.Status(500)),
    "api: reset": API(f.Drop()),
}


# --- servers that never stop --------------------------------------------------------------------------


def _forever(*pieces: bytes, wait: float = 0.0) -> Callable[[socket.socket], None]:
    """First the first piece, then the others over and over."""

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(pieces[0])
        for piece in itertools.cycle(pieces[1:]):
            connection.sendall(piece)
            time.sleep(wait)

    return serve


OK = b"HTTP/1.1 200 OK\r\n"
JSON = OK + b"Content-Type: application/json\r\n"

# What asks: `hub`, the hub's API; `file`, a direct URL. Those that end only by a clock take a minute.
ENDLESS: dict[str, tuple[str, bool, Callable[[socket.socket], None]]] = {
    "100 Continue for ever": ("hub", False, _forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    "103 heads for ever": (
        "hub",
        False,
        _forever(b"", b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 60_000 + b"\r\n\r\n"),
    ),
    "a head for ever": ("hub", False, _forever(OK, b"X-More: " + b"y" * 1000 + b"\r\n")),
    "a header line for ever": ("hub", False, _forever(OK + b"X-More: ", b"y" * 1000)),
    "a status line for ever": ("hub", False, _forever(b"HTTP/1.1 200 ", b"y" * 1000)),
    "JSON lists for ever": ("hub", False, _forever(JSON + b"\r\n[", b"[]," * 20_000)),
    "a chunk size for ever": (
        "hub",
        False,
        _forever(JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 1000),
    ),
    "trailers for ever": (
        "hub",
        False,
        _forever(JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 100),
    ),
    "a byte a second as a head": ("hub", True, _forever(b"", b"H", wait=1.0)),
    "a byte a second as JSON": (
        "hub",
        True,
        _forever(JSON + b"Content-Length: 5000\r\n\r\n", b" ", wait=1.0),
    ),
}
