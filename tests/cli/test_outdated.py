"""`modelsync outdated`, and what an upgrade moves, at the command line."""

import pytest

from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.project import MANIFEST, REPO


@pytest.fixture
def behind(cli: Cli) -> Cli:
    """Two models, synced; upstream has new bytes of the one, and a commit without new bytes of the other."""
    cli.write(MANIFEST + f'eight = "hf:{REPO}:Q8_0"\n')
    cli("-q", "sync")
    cli.repo.commit({"tiny-Q4_K_M.gguf": gguf("newer", 4000)})
    return cli


def test_same_bytes_are_shown_to_who_asks_for_more(behind: Cli) -> None:
    """A line a model that would move, with the cost; `-v` has those whose commit alone is another one."""
    old, new = behind.commit[:7], behind.repo.branches["main"][:7]
    moved = f" ~ tiny   {old} -> {new}  3.9 KiB to fetch, 2.9 KiB of it may be here\n"
    assert behind("outdated").out == moved.replace("tiny   ", "tiny  ")
    assert behind("-v", "outdated").out == f" = eight  {old} -> {new}  same bytes\n{moved}"


def test_programs_read_both(behind: Cli) -> None:
    """JSON has a row for each, with the bytes; nothing is written."""
    before = behind.lock.read_text()
    rows = behind("outdated", "--format", "json").json["rows"]
    told = [
        (
            row["name"],
            row["action"],
            row["bytes"],
            row["bytes_reused"],
            row["bytes_reusable"],
            row["same_bytes"],
        )
        for row in rows
    ]
    assert told == [("eight", "unchanged", 0, 0, 0, True), ("tiny", "updated", 4000, 0, 3000, False)]
    assert rows[0]["before"]["revision"] == behind.commit
    assert rows[0]["after"]["revision"] == behind.repo.branches["main"]
    assert behind.lock.read_text() == before


def test_names_narrow_it_and_an_exit_code_tells(behind: Cli) -> None:
    """Only what would move counts: `same bytes` is up to date."""
    assert behind("outdated", "eight", "--exit-code").err == "everything is up to date: 1 model\n"
    assert behind("outdated", "tiny", "--exit-code", status=1).out.startswith(" ~ tiny  ")
    assert behind("outdated", "--exit-code", "--format", "json", status=1).json["rows"]
    assert behind("outdated", "tiny").status == 0
    assert "did you mean" in behind("outdated", "tinny", status=1).err


def test_an_upgrade_moves_other_bytes_alone_and_repin_all(behind: Cli) -> None:
    """A README's commit shows no line; `--repin` shows it."""
    behind.repo.commit({"README.md": b"# more words"})
    newest = behind.repo.branches["main"][:7]
    lines = behind("lock", "-U").err.splitlines()
    assert [line for line in lines if line.startswith(" ")] == [f" ~ tiny  {behind.commit[:7]} -> {newest}"]
    assert behind("lock", "-U").err == "models.lock is up to date: 2 models\n"
    assert behind("lock", "-P", "tiny", "--repin").err == "models.lock is up to date: 2 models\n"
    value = behind("sync", "--repin", "--format", "json").json
    assert [(change["name"], change["action"]) for change in value["changes"]] == [
        ("eight", "updated"),
        ("tiny", "added"),  # the lock had moved it before
    ]
    assert value["bytes_fetched"] == 4000
    assert newest in behind.lock.read_text()


def test_a_new_owner_is_named(behind: Cli) -> None:
    """Refused with status 1, with the name to write."""
    behind.hub.rename(REPO, "stranger/tiny-GGUF")
    done = behind("lock", "-U", status=1)
    assert (
        f"error: models.toml:2: tiny: {REPO} belongs to another owner now: it is stranger/tiny-GGUF"
        in done.err
    )
    assert "write hf:stranger/tiny-GGUF" in done.err
    value = behind("outdated", "--format", "json", status=1).json
    assert [one["code"] for one in value["errors"]] == ["refused", "refused"]


def test_a_vanished_commit_is_told_beside_what_was_done(behind: Cli) -> None:
    """In words and as a note for programs; the same bytes are here."""
    behind("lock", "-U")
    behind("cache", "clean", "--yes")
    squashed = behind.repo.squash()
    value = behind("sync", "--format", "json").json
    assert [change["name"] for change in value["changes"]] == ["eight", "tiny"]
    assert all(squashed[:7] in note and "modelsync lock --upgrade" in note for note in value["notes"])
    assert len(value["notes"]) == 2
