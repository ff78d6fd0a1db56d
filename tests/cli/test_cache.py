"""`cache` speaks of models: what it lists, what `rm` means and refuses, what `prune` says goes later, and by size."""

import os
import time
from pathlib import Path

import pytest

from modelsync.store.layout import Store, url_key
from modelsync.transfer.partial import Partial
from tests.support.command_line import Cli
from tests.support.content import gguf, sha256
from tests.support.project import MANIFEST, REPO

Q8 = f"{REPO}:Q8_0"
DAY = 86_400.0


def titles(cli: Cli) -> dict[str, dict[str, object]]:
    return {row["title"]: row for row in cli("cache", "list", "--format", "json").json["models"]}


def test_list_tells_models_with_what_needs_them(synced: Cli) -> None:
    """Parts and their projector by repo and quant; the project and its name for it; `pulled` for a URI."""
    synced.repo.commit(
        {
            "big-F16-00001-of-00002.gguf": gguf("p1"),
            "big-F16-00002-of-00002.gguf": gguf("p2"),
            "mmproj-F16.gguf": gguf("mm"),
        }
    )
    synced("-q", "pull", f"hf:{REPO}/big-F16-00001-of-00002.gguf")
    synced.write(f'{MANIFEST}[models.big]\nuri = "hf:{REPO}:F16"\nmmproj = true\n')
    synced("-q", "sync")
    rows = titles(synced)
    assert set(rows) == {f"{REPO}:Q4_K_M", f"{REPO}:F16", f"{REPO}/mmproj-F16.gguf"}
    assert rows[f"{REPO}:F16"]["files"] == 2
    needs = rows[f"{REPO}:F16"]["needed_by"]
    assert isinstance(needs, list)
    assert [(need["uri"], need["names"]) for need in needs if need["lives"]] == [(None, ["big"])]
    text = synced("cache", "list").out
    assert "(big)" in text
    assert "(tiny)" in text
    synced("-q", "pull", f"hf:{Q8}")
    assert [line.split()[-1] for line in synced("cache", "list").out.splitlines() if Q8 in line] == ["pulled"]


def test_what_broke_off_is_listed_with_how_far_it_came(synced: Cli, store_root: Path) -> None:
    """In per cent of the whole where a lock tells the size; `rm` takes it, by the name that the list shows."""
    synced.write(f'[models]\ntiny = "hf:{Q8}"\n')
    synced("-q", "lock")
    partial = Partial(store_root / "partials-v1" / sha256(gguf("q8", 5000)), "some")
    partial.write(gguf("q8", 5000)[:2000], 0)
    partial.record(0, 2000)
    partial.close()
    unknown = Partial(Store(store_root).partial_path(url_key("https://files.example/x.gguf")), "other")
    unknown.write(b"GGUF", 0)
    unknown.record(0, 4)
    unknown.close()
    synced("-q", "sync", "--offline", status=1)  # writes down what the lock needs
    lines = {line.split()[0]: line for line in synced("cache", "list").out.splitlines()}
    assert lines[Q8].split()[1:5] == ["4.9", "KiB", "40", "%"]
    (title,) = set(lines) - {Q8, "MODEL", f"{REPO}:Q4_K_M"}
    assert lines[title].split()[1:5] == ["4", "B", "a", "part"]
    synced("cache", "rm", Q8, "--force")
    synced("cache", "rm", title)
    assert set(titles(synced)) == {f"{REPO}:Q4_K_M"}


@pytest.mark.parametrize("word", ["tiny", f"hf:{REPO}:Q4_K_M", REPO, f"{REPO}:Q4_K_M", "DIGEST"])
def test_rm_refuses_what_a_living_lock_needs(synced: Cli, word: str) -> None:
    """By name, URI, repo, title or digest; it says who needs it; --force removes it, and a sync fetches it again."""
    word = sha256(gguf("q4"))[:12] if word == "DIGEST" else word
    refused = synced("cache", "rm", word, status=1)
    assert refused.err.startswith(
        f"error: {REPO}:Q4_K_M is needed by {synced.folder} (tiny)\nhint: --force removes"
    )
    assert "would remove 1 file, 2.9 KiB" in synced("cache", "rm", word, "--force", "--dry-run").err
    assert titles(synced)
    assert (
        synced("cache", "rm", word, "--force").err == f" - {REPO}:Q4_K_M  2.9 KiB\nremoved 1 file, 2.9 KiB\n"
    )
    assert not titles(synced)
    synced("-q", "sync")
    assert titles(synced)


def test_rm_takes_what_was_pulled_and_nothing_else(synced: Cli) -> None:
    """Neither a project's model nor another quant of the repo; what is not here is told, with what is near."""
    pulled = f"hf:{Q8}"
    synced("-q", "pull", pulled)
    assert "removed 1 file, 4.9 KiB" in synced("cache", "rm", pulled).err
    assert set(titles(synced)) == {f"{REPO}:Q4_K_M"}
    assert "was never pulled" in synced("path", pulled, "--offline", status=1).err
    lost = synced("cache", "rm", f"{REPO}:Q4_K_S", status=1).err
    assert f"did you mean `{REPO}:Q4_K_M`?" in lost
    assert "modelsync cache list" in lost


def test_prune_says_what_goes_later(synced: Cli) -> None:
    """After a model left the manifest: how much, and from which day; --now removes it at once."""
    synced.write(f'[models]\ntiny = "hf:{Q8}"\n')
    synced("-q", "sync")
    kept = synced("cache", "prune").err
    day = time.strftime("%Y-%m-%d", time.localtime(time.time() + 30 * DAY))
    assert kept == f"2.9 KiB go after {day}; --now removes them\n"
    assert len(synced("cache", "prune", "--format", "json").json["later"]) == 1
    assert synced("cache", "prune", "--now").err == f" - {REPO}:Q4_K_M  2.9 KiB\nremoved 1 file, 2.9 KiB\n"
    assert synced("cache", "prune").err == "nothing to remove\n"


def test_prune_by_size_takes_what_was_used_longest_ago(synced: Cli, store_root: Path) -> None:
    """Pulls go, the oldest first, until the files have that size; what a lock names never does, and that is said."""
    synced.repo.commit({"other-Q2_K.gguf": gguf("q2", 2000)})
    for quant, days in (("Q8_0", 9), ("Q2_K", 5)):
        before = set((store_root / "roots-v1").iterdir())
        synced("-q", "pull", f"hf:{REPO}:{quant}")
        (root,) = set((store_root / "roots-v1").iterdir()) - before
        os.utime(root, (time.time() - days * DAY,) * 2)
    assert synced("cache", "prune", "--max-size", "1GiB").err == "nothing to remove\n"
    assert synced("cache", "prune", "--max-size", "6KiB").err.startswith(f" - {Q8}  4.9 KiB\n")
    assert set(titles(synced)) == {f"{REPO}:Q4_K_M", f"{REPO}:Q2_K"}
    last = synced("cache", "prune", "--max-size", "1KiB").err
    assert "2.9 KiB stay, more than 1.0 KiB" in last
    assert set(titles(synced)) == {f"{REPO}:Q4_K_M"}


def test_a_dry_run_that_would_remove_nothing_says_so(synced: Cli) -> None:
    """As the removal itself does."""
    for words in (["prune"], ["prune", "--dry-run"]):
        assert synced("cache", *words).err == "nothing to remove\n"
