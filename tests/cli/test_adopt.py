"""Adoption as a person sees it: one line of where, details with -v, a list, and what doctor sees."""

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
    import shutil

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
    assert "cannot read" in synced("cache", "adopt", "nowhere.lock", status=2).err
