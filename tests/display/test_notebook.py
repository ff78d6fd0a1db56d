"""Progress in a notebook: a real kernel runs a cell, and what it would show is looked at."""

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.hub import Hub, Slow
from tests.support.content import gguf
from tests.support.project import MANIFEST, REPO

pytestmark = pytest.mark.skipif(find_spec("ipykernel") is None, reason="ipykernel is not installed")

CELL = """
import os
os.chdir({folder!r})
import modelsync
print(modelsync.sync({words}))
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A kernel of this interpreter, started once."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager()
    spec = manager.kernel_spec  # of this interpreter, wherever other kernels are installed
    assert spec is not None
    spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path_factory.mktemp("ipython"))}
    manager.start_kernel(env=environment)
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(client: Any, code: str) -> tuple[str, list[str]]:
    """Runs a cell; returns its plain text, and the HTML that it shows, in order."""
    asked = client.execute(code)
    text, html = "", []
    while True:
        message = client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != asked:
            continue
        kind, content = message["msg_type"], message["content"]
        assert kind != "error", content
        if kind == "stream":
            text += content["text"]
        elif kind in ("display_data", "update_display_data"):
            html.append(content["data"].get("text/html", ""))
        elif kind == "status" and content["execution_state"] == "idle":
            return text, html


@pytest.fixture
def cell(kernel: Any, hub: Hub, tmp_path: Path) -> str:
    """A cell that syncs a project with one model, slowly; `WORDS` are the arguments."""
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": gguf("a", size=300_000)})
    hub.misbehave(Slow(400_000), times=None)
    (tmp_path / "models.toml").write_text(MANIFEST)
    where = {"HF_ENDPOINT": hub.endpoint, "MODELSYNC_STORE": str(tmp_path / "store")}
    run(kernel, f"import os; os.environ.update({where!r})")
    return CELL.format(folder=str(tmp_path), words="WORDS")


def test_bars_are_drawn_below_the_cell_and_removed(kernel: Any, cell: str) -> None:
    """One for each file and one for all; what stays is what the cell prints."""
    text, html = run(kernel, cell.replace("WORDS", ""))
    assert " + tiny  Q4_K_M" in text
    drawn = [each for each in html if "<progress" in each]
    assert any("tiny-Q4_K_M.gguf" in each and "max=" in each for each in drawn)
    assert html[-1] == ""


def test_none_are_drawn_where_none_are_wanted(kernel: Any, cell: str) -> None:
    """`progress=False`."""
    text, html = run(kernel, cell.replace("WORDS", "progress=False"))
    assert " + tiny  Q4_K_M" in text
    assert html == []
