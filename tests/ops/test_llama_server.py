"""llama.cpp's own server and what both of us have on the disk: it loads what was given, and we take what it fetched.

Skipped where there is none; LLAMA_SERVER, or the PATH, says where it is.
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from modelsync.context import CallOptions
from modelsync.ops import sync
from tests.support import gguf_files
from tests.support.hub_cache import FILE, GIVE
from tests.support.project import MANIFEST, REPO, Opened, Place, brought, put

COMMAND = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
MODEL = f"{REPO}:Q4_K_M"
LIMIT = 60.0  # seconds for one run

pytestmark = pytest.mark.skipif(
    COMMAND is None, reason="llama-server is not installed, or LLAMA_SERVER does not name it"
)


@pytest.fixture
def loadable(place: Place, tmp_path: Path) -> bytes:
    """The place's model is one that llama.cpp can load: its bytes."""
    data = gguf_files.make_llama(tmp_path / "made.gguf").read_bytes()
    put(place, {FILE: data})
    place.hub.clear()
    return data


@contextmanager
def serving(place: Place, *words: str) -> Iterator[None]:
    """A server that has loaded the model, and listens."""
    variables = {**os.environ, "MODEL_ENDPOINT": f"{place.hub.endpoint}/"}
    command = [str(COMMAND), "-hf", MODEL, "--host", "127.0.0.1", "--port", "0"]
    small = ["-c", "64", "-t", "1", "-np", "1", "--no-warmup"]
    lines: list[str] = []
    with subprocess.Popen(
        [*command, *small, *words],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        assert server.stdout is not None
        guard = threading.Timer(LIMIT, server.kill)
        guard.start()
        for line in server.stdout:
            lines.append(line)
            if "listening on" in line:
                break
        try:
            assert any("model loaded" in line for line in lines), "".join(lines)
            yield
        finally:
            guard.cancel()
            server.kill()


def test_it_lists_and_loads_what_was_given(place: Place, loadable: bytes, home: Path, opened: Opened) -> None:
    """`--cache-list` names it, and `-hf … --offline` loads it; no request is made."""
    assert sync.sync(opened(GIVE), place.write(MANIFEST)).given == 1
    place.hub.clear()
    listed = subprocess.run(
        [str(COMMAND), "--cache-list"], capture_output=True, text=True, check=True, timeout=LIMIT
    )
    assert MODEL in listed.stdout + listed.stderr
    with serving(place, "--offline"):
        pass
    assert place.hub.requests == []


def test_what_was_given_is_not_downloaded_by_it(
    place: Place, loadable: bytes, home: Path, opened: Opened
) -> None:
    """With the network it asks the hub for the list of files, and finds the bytes here."""
    sync.sync(opened(GIVE), place.write(MANIFEST))
    place.hub.clear()
    with serving(place):
        pass
    assert place.hub.requests != []
    assert brought(place, "*") == 0


@pytest.mark.parametrize("own", [True, False], ids=["LLAMA_CACHE", "default"])
def test_what_it_downloaded_is_not_downloaded_again(
    own: bool, place: Place, loadable: bytes, home: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the cache that it shares with huggingface_hub, or from one of its own."""
    if own:
        monkeypatch.setenv("LLAMA_CACHE", str(home / "llama"))
    with serving(place):
        assert brought(place, "*") >= len(loadable)
    place.hub.clear()
    (one,) = sync.sync(opened(CallOptions()), place.write(MANIFEST)).brought
    assert one.taken_from is not None
    assert one.taken_from.is_relative_to(home / ("llama" if own else ".cache"))
    assert brought(place, "*") == 0
