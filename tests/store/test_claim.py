"""Claims: one process has a thing, on any file system, and none has it for good."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.errors import StoreError
from modelsync.store import claim
from modelsync.store.claim import claimed
from modelsync.system import disks, processes
from tests.support.processes import finish, python

ELSEWHERE = {"id": "0123456789abcdef", "machine": "f" * 16, "process": 1, "started": "5", "host": "node7"}

# Counts in a file that nothing else guards: two at once would lose a number.
COUNT = """
import sys
from pathlib import Path
from modelsync.store.claim import claimed
folder = Path(sys.argv[1])
for _ in range(40):
    with claimed(folder / "claim"):
        number = int((folder / "number").read_text())
        (folder / "number").write_text(str(number + 1))
"""


def test_processes_exclude_each_other(tmp_path: Path) -> None:
    """Three processes that count in one file, each under the claim, lose nothing; nothing is left of the claim."""
    (tmp_path / "number").write_text("0")
    finish(*(python(COUNT, tmp_path) for _ in range(3)))
    assert (tmp_path / "number").read_text() == "120"
    assert [path.name for path in tmp_path.iterdir()] == ["number"]


def test_another_machines_claim_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim of a process that cannot be seen is left alone while it is touched, and free a minute after that."""
    monkeypatch.setattr(claim, "STALE", 0.5)
    path = tmp_path / "claim"
    path.write_text(json.dumps(ELSEWHERE))
    stop = threading.Event()
    ended: list[str] = []

    def beat() -> None:
        while not stop.wait(0.1):
            os.utime(path)

    owner = threading.Thread(target=beat)
    owner.start()
    for _ in range(12):  # longer than it takes to be free
        with claimed(path, blocking=False) as mine:
            assert mine is None
        time.sleep(0.1)
    stop.set()
    owner.join()
    with claimed(path, on_ended=ended.append) as mine:
        assert mine is not None
        assert mine.ended == ELSEWHERE["id"]
    assert ended == [ELSEWHERE["id"]]


@pytest.mark.parametrize("hours", [-2, 2, 1000])
def test_a_claim_of_another_day_is_free_at_once(tmp_path: Path, hours: int) -> None:
    """Nobody waits for a machine that went down yesterday, nor for one whose clock is hours ahead."""
    path = tmp_path / "claim"
    path.write_text(json.dumps(ELSEWHERE))
    os.utime(path, (time.time() - hours * 3600,) * 2)
    assert not claim.is_held(path)
    with claimed(path, blocking=False) as mine:
        assert mine is not None


def test_a_claim_with_an_earlier_process_of_the_same_number_is_free(tmp_path: Path) -> None:
    """A process number that was used again does not keep a claim: the time of its start tells them apart."""
    path = tmp_path / "claim"
    with claimed(path):
        owner = json.loads(path.read_text())
        assert claim.is_held(path)
    if not owner["started"] or not owner["machine"]:
        pytest.skip("nothing tells here when a process started")
    path.write_text(json.dumps({**owner, "id": "0" * 16, "started": "1"}))
    assert not claim.is_held(path)


def test_a_claim_that_came_meanwhile_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process ends just when it is looked at, and another claims the same: that claim stays, and is waited for."""
    path = tmp_path / "claim"
    with claimed(tmp_path / "other"):
        live = json.loads((tmp_path / "other").read_text())
    if not live["machine"]:
        pytest.skip("nothing tells here whether a process runs")
    path.write_text(json.dumps({**live, "id": "0" * 16, "process": live["process"] + 1, "started": "1"}))

    def ends_now(process: int) -> bool:
        if process == live["process"] + 1:
            path.unlink()
            path.write_text(json.dumps({**live, "id": "1" * 16}))
        return False

    monkeypatch.setattr(processes, "exists", ends_now)
    with claimed(path, blocking=False) as mine:
        assert mine is None
    assert claim.holder(path) == "1" * 16
    assert [each.name for each in tmp_path.iterdir()] == ["claim"]


@pytest.mark.parametrize("touched", ["before", "since"])
def test_a_claim_of_an_earlier_boot_is_free_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, touched: str
) -> None:
    """Nobody waits for a process that ended with the machine; a copy of this machine that runs still keeps its own."""
    path = tmp_path / "claim"
    monkeypatch.setattr(disks, "boot_id", lambda: "the last boot")
    with claimed(tmp_path / "other"):
        owner = json.loads((tmp_path / "other").read_text())
    monkeypatch.undo()
    if disks.boot_id() is None:
        pytest.skip("nothing tells here which boot this is")
    path.write_text(json.dumps({**owner, "machine": "f" * 16}))
    start = time.time() - processes.clock()
    if start < 1000:
        pytest.skip("this clock begins with the machine")
    if touched == "before":
        os.utime(path, (start - 60, start - 60))
        monkeypatch.setattr(claim, "_SKEW", 1e12)
    assert claim.is_held(path) == (touched == "since")
    with claimed(path, blocking=False) as mine:
        assert (mine is None) == (touched == "since")


def test_a_killed_removal_keeps_no_claim(tmp_path: Path) -> None:
    """A process that was killed while it removed an old claim stands in nobody's way."""
    path = tmp_path / "claim"
    path.write_text(json.dumps(ELSEWHERE))
    os.utime(path, (1, 1))
    right = tmp_path / f"claim.{ELSEWHERE['id']}"
    right.write_text(json.dumps({**ELSEWHERE, "id": "5" * 16}))
    os.utime(right, (1, 1))
    with claimed(path, blocking=False) as mine:
        assert mine is not None
    assert not list(tmp_path.iterdir())


def test_the_owner_keeps_it_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim is touched while it is held, and released once."""
    monkeypatch.setattr(claim, "BEAT", 0.05)
    monkeypatch.setattr(claim, "_pulse", claim._Pulse())
    path = tmp_path / "claim"
    with claimed(path) as mine:
        assert mine is not None
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 30
        while path.stat().st_mtime == 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert path.stat().st_mtime > 1
        assert mine.confirm()
    assert not path.exists()


def test_a_lost_claim_is_not_released(tmp_path: Path) -> None:
    """What another process has claimed since stays its own, and the one that lost it can tell."""
    path = tmp_path / "claim"
    with claimed(path) as mine:
        assert mine is not None
        path.write_text(json.dumps(ELSEWHERE))
        assert not mine.touch()
        mine._touched -= 1000  # as after a sleep
        assert not mine.confirm()
    assert claim.holder(path) == ELSEWHERE["id"]


def test_what_cannot_be_claimed_is_told_with_its_hint(tmp_path: Path) -> None:
    """An old folder by the claim's name is an error that says what the caller says."""
    path = tmp_path / "claim"
    path.mkdir()
    os.utime(path, (1, 1))
    with pytest.raises(StoreError) as error, claimed(path, hint="do that"):
        pytest.fail("it was claimed")
    assert error.value.hint == "do that"


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_no_process_can_have_claimed_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    """A new folder, pipe or link by the claim's name is refused at once by its name, and left alone."""
    path = tmp_path / "claim"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "nothing")
    elif hasattr(os, "mkfifo"):
        os.mkfifo(path)
    else:
        pytest.skip("no pipes by name")

    def wait_no_more() -> None:
        pytest.fail("it was waited for")

    with pytest.raises(StoreError) as error, claimed(path, on_wait=wait_no_more, hint="do that"):
        pytest.fail("it was claimed")
    assert f"cannot lock {path}: it is no regular file" in error.value.message
    assert error.value.hint == "do that"
    assert os.path.lexists(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.dictionaries(st.sampled_from(sorted(ELSEWHERE)), _JSON) | _JSON)
def test_any_content_is_a_claim_of_nobody(tmp_path: Path, content: Any) -> None:
    """Whatever stands in a claim: it is held while it is new, free when it is old, and no error."""
    path = tmp_path / "claim"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    assert claim.is_held(path)
    os.utime(path, (1, 1))
    with claimed(path, blocking=False) as mine:
        assert mine is not None
