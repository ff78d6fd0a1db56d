"""What happens, as programs read it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.hub import Delay
from tests.support.command_line import Cli
from tests.support.content import gguf


def test_events_are_json_lines(cli: Cli) -> None:
    """`--events FILE` has one object a line, from what is resolved to what has arrived."""
    cli("sync", "--events", "events.jsonl")
    events = [json.loads(line) for line in (cli.folder / "events.jsonl").read_text().splitlines()]
    assert {event["phase"] for event in events} >= {"resolving", "done"}
    assert all(set(event) >= {"phase", "label", "done", "total", "all"} for event in events)
    last = [event for event in events if event["total"]][-1]
    assert (last["phase"], last["done"]) == ("done", last["total"])


def test_events_sum_up_all_files(cli: Cli) -> None:
    """Under `all`: how many files, how many bytes, how fast and for how long; null while nobody knows."""
    size = 60_000
    urls = [cli.hub.file(f"/{name}.gguf", gguf(name, size)) for name in ("one", "two")]
    cli("-q", "pull", *urls, "--max-rate", "40K", "--events", "events.jsonl")
    events = [json.loads(line) for line in (cli.folder / "events.jsonl").read_text().splitlines()]
    every = [event["all"] for event in events]
    assert all(
        set(one) == {"files", "ended", "failed", "done", "total", "rate", "eta_seconds"} for one in every
    )
    assert every[-1] | {"rate": 0, "eta_seconds": 0} == {
        "files": 2, "ended": 2, "failed": 0, "done": 2 * size, "total": 2 * size, "rate": 0, "eta_seconds": 0,
    }  # fmt: skip
    phases = {event["phase"] for event in events if event["label"].endswith("one.gguf")}
    assert phases >= {"waiting", "fetching", "done"}
    known = [one["eta_seconds"] for one in every if one["eta_seconds"] is not None]
    assert known
    assert all(seconds >= 0 for seconds in known)
    assert all(isinstance(one["rate"], int) and one["rate"] <= 60_000 for one in every)


def test_events_may_go_to_stderr_among_no_other_words(cli: Cli) -> None:
    """`--events -` with `-q` leaves nothing but events on stderr."""
    done = cli("-q", "sync", "--events", "-")
    assert [json.loads(line)["phase"] for line in done.err.splitlines()][-1] == "done"


def test_a_file_that_cannot_be_written_is_an_error_before_anything_happens(cli: Cli) -> None:
    """A mistyped folder is said at once."""
    done = cli("sync", "--events", "nowhere/events.jsonl", status=2)
    assert "nowhere/events.jsonl" in done.err
    assert not (cli.folder / "models.lock").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_events_that_cannot_be_written_stop_no_transfer(cli: Cli) -> None:
    """A full disk under the events is told once, and the models come."""
    done = cli("sync", "--events", "/dev/full")
    assert done.err.count("no more events are written to /dev/full: No space left on device") == 1
    assert cli("sync", "--check").err == "nothing to do: everything is here\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_a_program_that_reads_no_more_events_stops_no_transfer(cli: Cli) -> None:
    """The reader of the FIFO went away after the first line: the models come all the same."""
    fifo = cli.folder / "events"
    os.mkfifo(fifo)
    reader = subprocess.Popen(["head", "-n", "1", str(fifo)], stdout=subprocess.PIPE)
    cli.hub.misbehave(Delay(1), where="cdn")
    cli("sync", "--events", "events")
    assert json.loads(reader.communicate()[0])["label"]
    assert cli("sync", "--check").err == "nothing to do: everything is here\n"


def test_replace_is_an_option(cli: Cli) -> None:
    """`sync --replace` syncs like any other."""
    cli("sync", "--replace")
    assert cli("sync", "--check").err == "nothing to do: everything is here\n"
