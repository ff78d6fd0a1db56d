"""What is said of an update: what was saved."""

import json

from tests.support.command_line import Cli
from tests.support.units import MiB
from tests.support.weight_files import gguf_of, weights

TENSORS = {f"blk.{n}.w": weights(n, 3900) for n in range(12)}
OLD = gguf_of(TENSORS, {"tokenizer.chat_template": "old"})
NEW = gguf_of(TENSORS, {"tokenizer.chat_template": "new, and longer" * 9})


def test_totals_and_events_say_what_was_fetched_and_what_reused(cli: Cli) -> None:
    """`sync` in words, as an object and as events; `pull` too."""
    repo = cli.hub.repo("user/big-GGUF")
    first = repo.commit({"big-Q8_0.gguf": OLD})
    cli.write('[models]\nbig = "hf:user/big-GGUF:Q8_0"\n')
    cli("sync")
    repo.commit({"big-Q8_0.gguf": NEW})
    events = cli.folder / "events"
    told = cli("sync", "-U", "--events", str(events))
    lines = told.err.splitlines()
    assert any(line.startswith(" ~ big  ") for line in lines)
    assert "KiB fetched, 12.0 MiB reused" in lines[-1]
    last = [json.loads(line) for line in events.read_text().splitlines()][-1]
    assert last["reused"] > 11 * MiB
    assert last["done"] == last["total"] == len(NEW)
    assert last["all"]["done"] == len(NEW)
    cli("cache", "clean", "--yes")
    cli("pull", f"hf:user/big-GGUF/big-Q8_0.gguf#{first}")
    value = cli("pull", "hf:user/big-GGUF/big-Q8_0.gguf", "--format", "json").json
    assert value["bytes_reused"] > 11 * MiB
    assert 0 < value["bytes_fetched"] < MiB
