"""Adoption as a person sees it: one line of where, details with -v, a list, and what doctor sees."""

import shutil
from pathlib import Path

from tests.support import neighbours
from tests.support.command_line import Cli
from tests.support.neighbours import Wanted
from tests.support.project import QUANTS, REPO

WANTED = Wanted(QUANTS["tiny-Q4_K_M.gguf"], "tiny-Q4_K_M.gguf", REPO)


def test_sync_says_from_where(cli: Cli, home: Path) -> None:
    """One line, the same in JSON, and the way of each file."""
    file = neighbours.hugging_face(home, WANTED)
    run = cli("sync", "--format", "json")
    (one,) = run.json["brought"]
    assert (one["place"], one["path"], one["bytes"]) == (
        "the Hugging Face cache",
        str(file),
        len(WANTED.data),
    )
    assert one["way"] in ("hardlink", "reflink")
    assert run.json["bytes_fetched"] == 0
    assert run.err.count("taken from the Hugging Face cache") == 1


def test_add_and_a_repair_say_from_where(cli: Cli, home: Path, store_root: Path) -> None:
    """In JSON as sync does: each file with its place, and what each place gave."""
    file = neighbours.hugging_face(home, WANTED)
    value = cli("add", "other", f"hf:{REPO}:Q4_K_M", "--format", "json").json
    assert [(one["place"], one["path"]) for one in value["brought"]] == [
        ("the Hugging Face cache", str(file))
    ]
    assert value["sources"] == [{"place": "the Hugging Face cache", "files": 1, "bytes": len(WANTED.data)}]
    shutil.rmtree(store_root)
    value = cli("verify", "other", "--repair", "--format", "json").json
    assert [(one["place"], one["sha256"]) for one in value["brought"]] == [
        ("the Hugging Face cache", WANTED.sha256)
    ]
    assert [one["files"] for one in value["sources"]] == [1]


def test_no_adopt_and_the_details_of_verbose(cli: Cli, home: Path) -> None:
    """`-v` says why a file is not taken; `--no-adopt` looks at none."""
    file = neighbours.hugging_face(home, WANTED)
    neighbours.put(file, WANTED.data[:-1] + b"?")
    run = cli("-v", "sync", "--dry-run")
    assert "from the Hugging Face cache" in run.err
    assert "from the Hugging Face cache" not in cli("sync", "--dry-run", "--no-adopt").err
    run = cli("-v", "sync")
    assert "its bytes are others" in run.err
    assert "taken from" not in run.err


def test_cache_adopt_and_doctor(synced: Cli, home: Path, store_root: Path) -> None:
    """`cache adopt` takes on purpose, also where adoption is off; `doctor` lists the caches."""
    shutil.rmtree(store_root)
    file = neighbours.ollama(home, WANTED)
    run = synced("cache", "adopt", "--dry-run")
    assert str(file) in run.out
    assert "would take 1 file" in run.err
    run = synced("cache", "adopt", "models.lock", "--format", "json", MODELSYNC_ADOPT="0")
    assert [row["found"] for row in run.json["rows"]] == [str(file)]
    assert [one["place"] for one in run.json["brought"]] == ["Ollama's store"]
    assert synced.hub.seen() == []
    groups = {
        group["name"]: group["findings"]
        for group in synced("doctor", "--offline", "--format", "json").json["groups"]
    }
    assert [(each["name"], each["text"].split(":")[0]) for each in groups["caches"]] == [
        ("Ollama's store", str(home / ".ollama" / "models"))
    ]
    assert "there is no" in synced("cache", "adopt", "nowhere.lock", status=1).err
    assert "not a lock" in synced("cache", "adopt", "models.toml", status=2).err
