"""Partials on a real disk: what is there after a kill, after a power cut, on a full disk."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from modelsync.errors import DiskFullError, StoreError
from modelsync.transfer.datafile import allocated
from modelsync.transfer.journal import Validator
from modelsync.transfer.partial import Partial
from modelsync.transfer.ranges import Ranges

MiB = 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "partials" / "one"


def fill(partial: Partial, start: int, data: bytes) -> None:
    partial.write(data, start)
    partial.record(start, start + len(data))


def opened(folder: Path, identity: str = "sha256:me", boot: str = "b1") -> Partial:
    return Partial(folder, identity, boot=boot)


def test_what_was_recorded_is_there_the_next_time(folder: Path) -> None:
    """Bytes, ranges and validators come back."""
    partial = opened(folder)
    partial.allocate(100)
    version = Validator("https://x", '"1"', 100)
    partial.set_validator(0, version)
    fill(partial, 10, b"hello")
    partial.write(b"lost", 50)
    partial.close()
    again = opened(folder)
    assert again.ranges == Ranges([(10, 15)])
    assert again.validators == {0: version}
    buffer = memoryview(bytearray(5))
    assert again.read_into(buffer, 10) == 5
    assert bytes(buffer) == b"hello"
    again.close()


def test_another_digest_begins_anew(folder: Path) -> None:
    """Bytes of another identity are thrown away."""
    partial = opened(folder)
    fill(partial, 0, b"hello")
    partial.close()
    other = opened(folder, "sha256:you")
    assert other.ranges == Ranges()
    assert other.path.stat().st_size == 0
    other.close()


def test_a_power_cut_takes_what_was_not_synced(folder: Path) -> None:
    """After a reboot only what a mark vouches for counts; a second sync with no news writes no mark."""
    partial = opened(folder)
    fill(partial, 0, b"hello")
    partial.sync()
    partial.sync()
    fill(partial, 5, b"world")
    partial.close()
    assert (folder / "journal").read_text().count("synced") == 1
    again = opened(folder, boot="b2")
    assert again.ranges == Ranges([(0, 5)])
    fill(again, 7, b"x")
    again.close()
    assert opened(folder, boot="b2").ranges == Ranges([(0, 5), (7, 8)])


def test_a_torn_line_is_cut_off(folder: Path) -> None:
    """A journal that ends in the middle of a line goes on after the last whole one."""
    partial = opened(folder)
    fill(partial, 0, b"hello")
    partial.close()
    with (folder / "journal").open("a") as journal:
        journal.write("+ 5 9")
    again = opened(folder)
    fill(again, 20, b"x")
    again.close()
    assert opened(folder).ranges == Ranges([(0, 5), (20, 21)])


def test_ranges_past_the_end_of_the_data_do_not_count(folder: Path) -> None:
    """A truncated data file has lost the bytes beyond its end."""
    partial = opened(folder)
    fill(partial, 0, b"hello world")
    partial.close()
    os.truncate(folder / "data", 5)
    assert opened(folder).ranges == Ranges([(0, 5)])


def test_forgotten_bytes_do_not_come_back(folder: Path) -> None:
    """Not even those that a mark had vouched for."""
    partial = opened(folder)
    fill(partial, 0, b"hello")
    partial.sync()
    partial.forget([(1, 3)])
    partial.close()
    assert opened(folder, boot="b2").ranges == Ranges([(0, 1), (3, 5)])


def test_the_space_of_a_small_file_is_not_set_aside(folder: Path) -> None:
    """Its size is there, and takes no room yet; what was longer is cut."""
    partial = opened(folder)
    partial.allocate(MiB)
    assert partial.path.stat().st_size == MiB
    assert allocated(partial.path) < MiB
    partial.allocate(1000)
    assert partial.path.stat().st_size == 1000
    partial.close()


def test_space_is_set_aside_and_a_file_that_cannot_fit_is_told_before(folder: Path) -> None:
    """The size is there at once; a size that no disk has is an error that says how much there is."""
    partial = opened(folder)
    partial.allocate(8 * MiB)
    assert partial.path.stat().st_size == 8 * MiB
    assert allocated(partial.path) >= 8 * MiB
    with pytest.raises(DiskFullError, match=r"1\.0 PiB needed, .* free") as caught:
        partial.allocate(2**50 + 8 * MiB)
    assert str(folder) in caught.value.message
    assert partial.path.stat().st_size == 8 * MiB
    partial.finish(3)
    assert partial.path.stat().st_size == 3
    partial.close()


def test_discard_leaves_nothing_of_its_own_and_everything_of_others(folder: Path) -> None:
    """The folder goes too, unless somebody else put something there."""
    opened(folder).close()
    stranger = folder.parent / "two" / "notes.txt"
    partial = opened(stranger.parent)
    stranger.write_text("mine")
    for one in (opened(folder), partial):
        one.close()
        one.discard()
    assert [path.name for path in folder.parent.iterdir()] == ["two"]
    assert [path.name for path in stranger.parent.iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    """Said with the path and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file") as caught:
        opened(tmp_path / "file" / "one")
    assert caught.value.hint


FILL = """
import resource, signal, sys
from pathlib import Path
from modelsync.errors import DiskFullError
from modelsync.transfer.partial import Partial
partial = Partial(Path(sys.argv[1]), "sha256:me", boot="b1")
resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 2**20, 3 * 2**20))
try:
    for n in range(8):
        partial.write(b"x" * 2**20, n * 2**20)
        partial.record(n * 2**20, (n + 1) * 2**20)
except DiskFullError as error:
    print(error.message)
"""


def test_a_disk_that_fills_up_loses_nothing_that_was_recorded(folder: Path) -> None:
    """The system stops the writes in the middle: an error for people, and the rest resumes."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(folder)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "the disk is full" in done.stdout
    partial = opened(folder)
    assert partial.ranges == Ranges([(0, 3 * MiB)])
    partial.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from modelsync.transfer.partial import Partial
partial = Partial(Path(sys.argv[1]), "sha256:me")
partial.write(b"hello", 3)
partial.record(3, 8)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_takes_nothing_that_was_recorded(folder: Path) -> None:
    """No flush, no close: the page cache has it."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    partial = Partial(folder, "sha256:me")
    assert partial.ranges == Ranges([(3, 8)])
    partial.close()


def test_an_unfinished_journal_line_on_a_full_disk_is_taken_back(folder: Path) -> None:
    """Half a line would make everything that follows senseless."""
    partial = opened(folder)
    fill(partial, 0, b"hello")
    journal = folder / "journal"
    size = journal.stat().st_size
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 3, old[1]))
    try:
        with pytest.raises(DiskFullError):
            partial.record(5, 9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert journal.stat().st_size == size
    partial.close()
