"""`-v`, `-vv` and `MODELSYNC_LOG`: each request, why one is made again, and never a secret."""

import logging
import os
import re
import stat
from pathlib import Path

import pytest

import modelsync
from modelsync.errors import ConfigError
from modelsync.ops import sync
from modelsync.system import log_file
from modelsync.system.log_file import LogFile
from tests.hub.faults import Cut, Status
from tests.support.command_line import Cli, Here
from tests.support.content import gguf
from tests.support.project import MANIFEST, Opened, Place

TOKEN = "hf_abcdefghijklmnopqrstuvwx"
LINE = re.compile(r"(GET|HEAD) http://\S+ \d{3} [\d.]+ (B|KiB) \d+ ms")


def test_v_shows_each_request_in_a_line(cli: Cli) -> None:
    """Method, address without its query, status, bytes and milliseconds; no headers, and no line without `-v`."""
    done = cli("sync", "-v", "--no-progress")
    asked = [line for line in done.err.splitlines() if LINE.fullmatch(line)]
    assert len(asked) == len(cli.hub.seen()), done.err
    assert any(re.search(r"/resolve/\S+ 302 ", line) for line in asked)
    assert any(re.search(r" 20[06] 2\.9 KiB ", line) for line in asked)
    assert "?" not in "".join(asked)
    assert not re.search("^[<>] ", done.err, re.MULTILINE)
    cli.hub.clear()
    assert not LINE.search(cli("lock", "-U").err)


def test_vv_shows_headers_without_secrets(cli: Cli) -> None:
    """Of both sides; a token, a cookie and a signed address are not among them."""
    cli.hub.tokens = {TOKEN}
    done = cli("-vv", "sync", "--no-progress", HF_TOKEN=TOKEN)
    assert TOKEN in str([seen.headers for seen in cli.hub.seen()])  # it was sent
    assert TOKEN not in done.err
    assert "> authorization: ***\n" in done.err
    assert re.search(r"^> user-agent: modelsync/", done.err, re.MULTILINE)
    assert re.search(r"^< x-linked-size: 3000$", done.err, re.MULTILINE)
    (location,) = set(re.findall(r"^< location: (.*)$", done.err, re.MULTILINE))
    assert location.startswith("http://")
    assert "?" not in location


def test_the_log_has_what_vv_shows(
    cli: Cli, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With or without `-v`, for its owner alone; the error that ends a call too."""
    cli.hub.tokens = {TOKEN}
    log = tmp_path / "run.log"
    shown = cli("-vv", "sync", "--no-progress", HF_TOKEN=TOKEN, MODELSYNC_LOG=str(log)).err
    written = log.read_text()
    assert TOKEN not in written
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    lines = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ (.*)$", written, re.MULTILINE)
    assert len(lines) == len(written.splitlines())
    assert lines[0] == f"modelsync {modelsync.__version__}"
    told = [line for line in shown.splitlines() if LINE.fullmatch(line) or line.startswith(("> ", "< "))]
    assert len(told) > 10
    assert sorted(told) == sorted(line for line in lines if line in set(told))
    assert cli("sync", MODELSYNC_LOG=str(log)).err == "nothing to do: everything is here\n"
    monkeypatch.chdir(cli.folder)
    monkeypatch.setenv("MODELSYNC_LOG", str(log))
    assert here("lock", "-U", "--endpoint", "http://127.0.0.1:9").status == 3
    assert "error: " in log.read_text()
    assert "set by --endpoint" not in shown
    wrong = cli("sync", status=2, MODELSYNC_LOG=str(tmp_path))
    assert wrong.err.startswith(f"error: cannot write the log {tmp_path}: ")


def test_why_a_request_is_made_again(
    place: Place, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that is not ready, and a body that was cut."""
    log = tmp_path / "log"
    monkeypatch.setenv("MODELSYNC_LOG", str(log))
    place.hub.misbehave(Status(503), where="hub")
    place.hub.misbehave(Cut(1000), where="cdn")
    told: list[tuple[int, str]] = []
    sync.sync(opened(trace=lambda level, line: told.append((level, line))), place.write(MANIFEST))
    assert any(level == 1 and re.match(r"again in [\d.]+ s: .*503", line) for level, line in told), told
    assert any("tiny: tiny-Q4_K_M.gguf: asked again: " in line for _, line in told) or any(
        re.match(r"tiny: .*asked again: .*", line) for _, line in told
    ), told
    assert re.search(r" again in [\d.]+ s: ", log.read_text())


def test_programs_get_the_lines_in_their_log(
    place: Place, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """For debugging alone, under the name of the package."""
    project = place.write(MANIFEST)
    with caplog.at_level(logging.INFO, "modelsync"):
        sync.sync(opened(), project)
    assert not [record for record in caplog.records if LINE.fullmatch(record.message)]
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    with caplog.at_level(logging.DEBUG, "modelsync"):
        modelsync.lock(manifest=place.folder, upgrade=True)
    assert [record for record in caplog.records if LINE.fullmatch(record.message)]


def test_a_log_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full one is moved aside, once; a line of a hostile length is cut."""
    monkeypatch.setattr(log_file, "MOST", 5000)
    path = tmp_path / "log"
    log = LogFile(path)
    for number in range(500):
        log.line(f"line {number} " + "x" * (10_000 if number == 3 else 50))
    log.close()
    log.line("after the end")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["log", "log.1"]
    assert all(each.stat().st_size < 5000 + 2100 for each in tmp_path.iterdir())
    assert "line 499 " in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="links and pipes are others there")
def test_a_log_is_a_file_of_ones_own(tmp_path: Path) -> None:
    """No link is followed, and nothing waits for the reader of a pipe."""
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "no/such/folder"):
        with pytest.raises(ConfigError, match="cannot write the log"):
            LogFile(tmp_path / name)
    assert not target.exists()
