"""What every test stands on: an environment of its own, and a hub to talk to."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.hub import Hub
from tests.support.command_line import cli as cli
from tests.support.command_line import empty as empty
from tests.support.command_line import here as here
from tests.support.command_line import synced as synced
from tests.support.machines import sized as sized
from tests.support.old_version import old_version as old_version
from tests.support.project import context as context
from tests.support.project import opened as opened
from tests.support.project import place as place

_LEAKS = ("MODELSYNC_", "GITHUB_", "HF_", "HUGGING", "XDG_", "LLAMA_")
_LEAK_NAMES = {
    "NETRC",
    "MODEL_ENDPOINT",
    "NO_COLOR",
    "FORCE_COLOR",
    "CI",
    "COLUMNS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
}

settings.register_profile(  # a busy machine is no failure
    "short", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.register_profile("whole", settings.get_profile("short"), max_examples=300)
settings.load_profile("short")


def pytest_configure() -> None:
    """Lets processes of tests keep bytecode, and be interrupted where the suite runs in a shell's background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Hundreds of processes follow, and without bytecode each would compile the program anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half as many workers again as there are cores: a quarter of the time of tests is waiting."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(2, cores * 3 // 2)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A request of this process that failed is tried again at once, but where the waits are what is tested."""
    if request.module.__name__ != "tests.net.test_retry":
        monkeypatch.setattr("modelsync.net.retry.FIRST_WAIT", 0.02)
        monkeypatch.setattr("modelsync.net.transport.UNSAID_WAIT", 0.02)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home of the test's own: no settings, tokens, proxies or caches of the person's are seen.

    It goes with the test, and so does what libraries leave in the folder for temporary files: thousands of stores are
    gigabytes.
    """
    for name in list(os.environ):
        upper = name.upper()
        if upper.startswith(_LEAKS) or upper.endswith("_PROXY") or upper in _LEAK_NAMES:
            monkeypatch.delenv(name)
    outer = tmp_path_factory.mktemp("user")
    home, temporary = outer / "home", outer / "tmp"
    home.mkdir()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    places = {
        "HOME": home,
        "USERPROFILE": home,
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_STATE_HOME": home / ".local" / "state",
        "LOCALAPPDATA": home / "AppData" / "Local",
        "APPDATA": home / "AppData" / "Roaming",
        "MODELSYNC_STORE": home / "store",
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary),
    }
    for name, folder in places.items():
        monkeypatch.setenv(name, str(folder))
    yield home
    shutil.rmtree(outer, ignore_errors=True)


@pytest.fixture
def store_root(home: Path) -> Path:
    """Where this test's store is (`MODELSYNC_STORE`); nothing is there yet."""
    return home / "store"


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub with nothing on it."""
    with Hub() as running:
        yield running


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real llama model of half a megabyte that llama.cpp loads. Read it, do not change it."""
    from tests.support.gguf_files import make_llama  # gguf imports numpy, which most tests do not need

    return make_llama(tmp_path_factory.mktemp("gguf") / "tiny-Q4_K_M.gguf")


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder."""
    from tests.support.llama_models import make_bert

    return make_bert(tmp_path_factory.mktemp("bert") / "bert-F32.gguf")


@pytest.fixture(scope="session")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama whose chat template knows of pictures."""
    from tests.support.gguf_files import make_llama
    from tests.support.llama_models import SEEING_TEMPLATE

    return make_llama(tmp_path_factory.mktemp("seeing") / "seeing-F32.gguf", chat_template=SEEING_TEMPLATE)


@pytest.fixture(scope="session")
def projector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A projector for it."""
    from tests.support.llama_models import make_projector

    return make_projector(tmp_path_factory.mktemp("projector") / "mmproj-F32.gguf")


@pytest.fixture(scope="session")
def loras(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two adapters for the tiny llama."""
    from tests.support.gguf_files import make_lora

    folder = tmp_path_factory.mktemp("loras")
    return (
        make_lora(folder / "first.gguf", tiny_gguf, seed=1),
        make_lora(folder / "second.gguf", tiny_gguf, seed=2),
    )
