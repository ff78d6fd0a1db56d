"""The Python API, as a program uses it."""

import asyncio
import os
import shutil
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import modelsync
from modelsync.errors import (
    CancelledError,
    ManifestError,
    NotFoundError,
    NotSyncedError,
    OfflineError,
    StaleLockError,
    UsageError,
)
from modelsync.transfer.rate_limit import BURST, HELD
from tests.hub import Hub, Slow
from tests.support.content import gguf
from tests.support.gguf_files import split
from tests.support.project import MANIFEST, QUANTS, REPO


@pytest.fixture
def project(tmp_path: Path, hub: Hub, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a manifest, in which the test stands; the hub has a model that llama.cpp loads."""
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": tiny_gguf, "tiny-Q8_0.gguf": gguf("q8")})
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "models.toml").write_text(MANIFEST)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.chdir(folder)
    return folder


def test_a_traceback_shows_the_hint(project: Path) -> None:
    """An error in a program or a notebook says what mends it, as on the command line."""
    with pytest.raises(NotFoundError) as raised:
        modelsync.path("nosuch")
    shown = "".join(traceback.format_exception_only(raised.value))
    assert shown.splitlines()[1:] == ["hint: `modelsync add nosuch URI` adds one"]


def test_a_synced_model_generates(project: Path) -> None:
    """From a manifest to words: sync, path, and llama.cpp loads what is there."""
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    modelsync.sync()
    path = modelsync.path("tiny")
    llm = llama_cpp.Llama(model_path=str(path), n_ctx=64, verbose=False)
    try:
        assert llm("hello", max_tokens=4)["choices"][0]["text"]
    finally:
        llm.close()


def test_load_passes_the_manifests_settings_and_the_overrides(project: Path) -> None:
    """`[models.NAME.load]` reaches llama.cpp, and what the program says wins over it."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    (project / "models.toml").write_text(
        MANIFEST.replace("tiny =", "tiny.uri =")
        + "tiny.load = { n_ctx = 256, n_batch = 32, verbose = false }\n"
    )
    modelsync.sync()
    cases: tuple[tuple[dict[str, Any], int], ...] = (({}, 256), ({"n_ctx": 512}, 512))
    for overrides, context in cases:
        llm = modelsync.load("tiny", **overrides)
        try:
            assert (llm.n_ctx(), llm.n_batch) == (context, 32)
        finally:
            llm.close()


def test_a_split_model_loads_by_its_first_part(
    project: Path, hub: Hub, tiny_gguf: Path, tmp_path: Path
) -> None:
    """The parts stand in one folder under their own names, which is how llama.cpp finds them."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    parts = split(tiny_gguf, 2, tmp_path / "parts")
    hub.repo("user/split").commit({f"Q4_K_M/{part.name}": part for part in parts})
    (project / "models.toml").write_text('[models]\nbig = "hf:user/split:Q4_K_M"\n')
    modelsync.sync()
    assert [part.name for part in modelsync.files("big").parts] == [part.name for part in parts]
    modelsync.load("big", n_ctx=64, verbose=False).close()


def test_path_fetches_what_the_lock_says_and_writes_no_lock(project: Path, hub: Hub) -> None:
    """A model that is locked and not here is fetched by `path`; one that is not locked is an error that names sync."""
    with pytest.raises(StaleLockError) as stale:
        modelsync.path("tiny")
    assert "modelsync sync" in str(stale.value.hint)
    assert not (project / "models.lock").exists()
    modelsync.lock()
    with pytest.raises(NotSyncedError):
        modelsync.path("tiny", download=False)
    with pytest.raises(NotSyncedError):
        modelsync.path("tiny", offline=True)
    before = (project / "models.lock").read_text()
    events: list[modelsync.Event] = []
    path = modelsync.path("tiny", on_progress=events.append)
    assert path.is_absolute()
    assert events[-1].phase == "done"
    assert (project / "models.lock").read_text() == before
    hub.clear()
    assert modelsync.path("tiny") == path
    assert hub.seen() == []


def test_the_order_of_places(
    project: Path, monkeypatch: pytest.MonkeyPatch, store_root: Path, tmp_path: Path
) -> None:
    """The environment's path wins, then the project's folder, then the store, then a read-only store."""
    (project / "models.toml").write_text('[modelsync]\ndir = "models"\n' + MANIFEST)
    modelsync.sync()
    linked = project / "models/tiny/tiny-Q4_K_M.gguf"
    assert modelsync.path("tiny") == linked
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"GGUF")
    monkeypatch.setenv("MODELSYNC_PATH_TINY", str(mine))
    assert modelsync.path("tiny") == mine
    mine.unlink()
    with pytest.raises(NotFoundError, match="MODELSYNC_PATH_TINY"):
        modelsync.path("tiny")
    monkeypatch.delenv("MODELSYNC_PATH_TINY")
    linked.unlink()
    view = modelsync.path("tiny", offline=True)
    assert view.is_relative_to(store_root)
    team = tmp_path / "team"
    store_root.rename(team)
    monkeypatch.setenv("MODELSYNC_READONLY_STORES", str(team))
    assert modelsync.path("tiny", offline=True).is_relative_to(team)


def test_an_image_with_files_and_no_store(project: Path, store_root: Path, hub: Hub) -> None:
    """Files in `dir` are enough: no store, no network."""
    (project / "models.toml").write_text('[modelsync]\ndir = "models"\n' + MANIFEST)
    modelsync.sync(link_mode="copy")
    shutil.rmtree(store_root)
    hub.clear()
    assert modelsync.path("tiny", offline=True) == project / "models/tiny/tiny-Q4_K_M.gguf"
    assert not store_root.exists()
    assert hub.seen() == []


def test_a_drifted_blob_is_checked_before_its_path_is_given(
    project: Path, store_root: Path, hub: Hub
) -> None:
    """A file that changed under the store is hashed again: the right bytes are given, or fetched, never wrong ones."""
    modelsync.sync()
    path = modelsync.path("tiny")
    right = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"GGUF" + b"x" * (len(right) - 4))
    hub.clear()
    assert modelsync.path("tiny").read_bytes() == right
    assert hub.seen("cdn") != []


def test_a_uri_needs_no_manifest(project: Path, hub: Hub) -> None:
    """`path` of a URI resolves once, remembers, and answers without a network from then on."""
    (project / "models.toml").unlink()
    uri = f"hf:{REPO}:Q8_0"
    with pytest.raises(NotSyncedError):
        modelsync.path(uri, offline=True)
    path = modelsync.path(uri)
    assert path.read_bytes() == gguf("q8")
    hub.clear()
    assert modelsync.path(uri, offline=True) == path
    assert hub.seen() == []
    with pytest.raises(ManifestError):
        modelsync.path("tiny")


def test_a_package_ships_its_manifest_and_lock(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`package=` finds both in an installed package, syncs what its lock says, and never writes there."""
    modelsync.lock()
    installed = tmp_path / "site" / "shipped"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    for name in ("models.toml", "models.lock"):
        shutil.copy(project / name, installed)
    monkeypatch.syspath_prepend(installed.parent)
    before = sorted(path.name for path in installed.iterdir())
    report = modelsync.sync(package="shipped")
    assert [change.name for change in report.changes] == ["tiny"]
    assert modelsync.path("tiny", package="shipped").name == "tiny-Q4_K_M.gguf"
    assert sorted(path.name for path in installed.iterdir()) == before
    monkeypatch.setenv("MODELSYNC_MANIFEST", str(project / "elsewhere.toml"))
    assert modelsync.path("tiny", package="shipped").name == "tiny-Q4_K_M.gguf"  # what is said wins
    (installed / "models.toml").write_text(MANIFEST + f'more = "hf:{REPO}:Q8_0"\n')
    with pytest.raises(StaleLockError):
        modelsync.sync(package="shipped")


def test_threads_share_one_download(project: Path, hub: Hub) -> None:
    """Many threads that ask for one model at once get one path, and the file is fetched once."""
    modelsync.lock()
    hub.clear()
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: modelsync.path("tiny"), range(8)))
    assert len(set(paths)) == 1
    sent = sum(seen.sent for seen in hub.seen("cdn", method="GET"))
    assert sent <= paths[0].stat().st_size + 1000


def test_under_a_running_loop(project: Path) -> None:
    """A notebook runs a loop already: calls work under it, and a server's in a thread."""

    async def cell() -> None:
        modelsync.sync()
        here = modelsync.path("tiny")
        assert await asyncio.to_thread(modelsync.path, "tiny") == here

    asyncio.run(cell())


def test_a_program_verifies_and_repairs(project: Path, hub: Hub) -> None:
    """`verify` returns a row for each file and fetches nothing; with `repair` all is good again, or it raises."""
    modelsync.sync()
    path = modelsync.path("tiny")
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"GGUF, and not much more")
    hub.clear()
    assert [row.status for row in modelsync.verify()] == ["damaged"]
    with pytest.raises(OfflineError):
        modelsync.verify(repair=True, offline=True)
    assert hub.seen() == []
    assert [row.status for row in modelsync.verify("tiny", repair=True)] == ["repaired"]
    assert modelsync.path("tiny").read_bytes() == good
    assert [row.status for row in modelsync.verify(full=True)] == ["ok"]


def test_a_call_can_be_held_to_a_rate(project: Path, hub: Hub) -> None:
    """`max_rate`, a number or as people write it; what is neither is an error before anything is asked."""
    url = hub.file("/slow.gguf", gguf("slow", 30_000))
    for rate in ("twenty", "5Mb", 5):
        with pytest.raises(UsageError, match="max_rate: "):
            modelsync.pull(url, max_rate=rate)
    assert hub.seen() == []
    begun, heard = time.monotonic(), []
    modelsync.pull(
        url, max_rate=20_000, on_progress=lambda event: heard.append((time.monotonic() - begun, event.done))
    )
    assert max(done for _, done in heard) == 30_000
    assert all(done <= 20_000 * (seconds + BURST + HELD) for seconds, done in heard)


def test_a_program_can_add_events_up(project: Path) -> None:
    """`modelsync.Board` says of all files together what the terminal would."""
    board = modelsync.Board()

    def hear(event: modelsync.Event) -> None:
        board.hear(event, time.monotonic())

    modelsync.sync(on_progress=hear)
    every = board.all(time.monotonic())
    size = modelsync.path("tiny").stat().st_size
    assert (every.files, every.ended, every.done, every.total) == (1, 1, size, size)


def test_a_call_can_be_cancelled_and_goes_on_later(project: Path, hub: Hub) -> None:
    """`cancel` ends a call soon; what had arrived is kept, and the next call needs only the rest."""
    modelsync.lock()
    hub.misbehave(Slow(100_000), where="cdn", times=None)
    cancel = threading.Event()

    def stop(event: modelsync.Event) -> None:
        if event.done >= 100_000:
            cancel.set()

    with pytest.raises(CancelledError):
        modelsync.path("tiny", cancel=cancel, on_progress=stop)
    hub.behave()
    hub.clear()
    path = modelsync.path("tiny")
    assert sum(seen.sent for seen in hub.seen("cdn", method="GET")) < path.stat().st_size


def test_a_token_goes_to_the_endpoint_it_is_given_with(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`token=` and `endpoint=` open a gated repo; the token is sent to the hub and never to its CDN."""
    repo = hub.repo("user/gated", gated="manual")
    repo.commit({"g-Q4_K_M.gguf": gguf("gated")})
    hub.tokens.add("hf_secret")
    repo.accept("hf_secret")
    monkeypatch.delenv("HF_ENDPOINT")
    path = modelsync.path("hf:user/gated:Q4_K_M", token="hf_secret", endpoint=hub.endpoint)
    assert path.read_bytes() == gguf("gated")
    assert any("hf_secret" in str(seen.headers) for seen in hub.seen("hub"))
    assert not any("hf_secret" in str(seen.headers) for seen in hub.seen("cdn"))
    for file in (project.parent / "home").rglob("*") if (project.parent / "home").exists() else ():
        assert b"hf_secret" not in file.read_bytes()


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="root can write everywhere")
def test_a_store_that_cannot_be_written_still_answers(project: Path, store_root: Path) -> None:
    """What is here is given even where nothing can be written."""
    modelsync.sync()
    for path in store_root.rglob("*"):
        path.chmod(path.stat().st_mode & ~0o222)
    assert modelsync.path("tiny").is_file()


def test_the_api_is_typed_and_lists_itself() -> None:
    """What the documentation names is there, and nothing else is promised."""
    assert {"path", "files", "load", "sync", "pull", "lock", "verify", "ModelsyncError"} <= set(
        dir(modelsync)
    )
    assert (Path(modelsync.__file__).parent / "py.typed").is_file()
    with pytest.raises(AttributeError):
        getattr(modelsync, "nothing")  # noqa: B009


def test_a_model_is_estimated_before_it_is_downloaded(project: Path, hub: Hub) -> None:
    """`estimate` of a name needs its header alone, for this machine or for one that is described."""
    modelsync.lock()
    hub.clear()
    found = modelsync.estimate("tiny", ctx=256, ram=16 << 30)
    assert found.verdict.fits
    assert found.estimate.context == 256
    assert found.estimate.need == sum(use.need for use in found.estimate.uses)
    assert not modelsync.estimate("tiny", ram=1 << 20).verdict.fits
    described = modelsync.estimate("tiny", ctx=256, ram="16GiB", gpus=["24GB", 8 << 30])
    assert [use.device.total for use in described.estimate.uses] == [16 << 30, 24 * 10**9, 8 << 30]
    with pytest.raises(UsageError, match="ram: '16' has no unit; write 16GB or 16GiB"):
        modelsync.estimate("tiny", ram="16")
    with pytest.raises(NotSyncedError):
        modelsync.path("tiny", download=False)


def test_a_check_of_the_lock_writes_nothing(project: Path, hub: Hub) -> None:
    """`lock(check=True)` raises for a stale lock, returns the lock that is up to date, and makes no request."""
    with pytest.raises(StaleLockError):
        modelsync.lock(check=True)
    assert not (project / "models.lock").exists()
    modelsync.lock()
    hub.clear()
    done = modelsync.lock(check=True)
    assert [model.name for model in done.lock.models] == ["tiny"]
    assert not done.written
    assert hub.seen() == []
    with pytest.raises(UsageError):
        modelsync.lock(check=True, upgrade=True)


def test_progress_is_drawn_where_that_is_asked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`progress=True` writes lines where there is no terminal, False and None nothing there."""
    for shown in (None, False, True):
        shutil.rmtree(os.environ["MODELSYNC_STORE"], ignore_errors=True)
        modelsync.sync(progress=shown)
        assert ("tiny" in capsys.readouterr().err) == (shown is True), shown


def test_each_code_has_one_class(project: Path) -> None:
    """What programs match on by class in Python and by `code` in JSON is one to one, in `modelsync.errors`."""
    from modelsync import errors

    classes = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.ModelsyncError) and "code" in vars(each)
    ]
    codes = [each.code for each in classes]
    assert len(codes) == len(set(codes)) > 20
    assert all(each.__doc__ for each in classes)


def test_reports_print_as_their_commands_do(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `print` and a notebook show of a lock and a sync; nothing to do is told so."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    hub.repo(REPO).commit(QUANTS)
    (tmp_path / "models.toml").write_text(MANIFEST)
    locked = modelsync.lock(manifest=tmp_path)
    assert str(locked).splitlines()[0] == " + tiny  Q4_K_M  2.9 KiB"
    assert str(locked).splitlines()[-1].startswith("the lock is written: ")
    assert str(modelsync.lock(manifest=tmp_path)) == "the lock is up to date: 1 model"
    synced = modelsync.sync(manifest=tmp_path)
    assert str(synced).splitlines() == [" + tiny  Q4_K_M  2.9 KiB", "2.9 KiB fetched, 0 B reused"]
    assert synced._repr_html_() == f"<pre>{synced}</pre>"
    assert str(modelsync.sync(manifest=tmp_path)) == "nothing to do: everything is here"
