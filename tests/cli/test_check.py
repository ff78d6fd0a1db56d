"""`sync --check`, `list` and a second sync: what a person is told of what is not here."""

import shutil
from pathlib import Path
from threading import Thread

import pytest

from modelsync.store import digest_lock
from modelsync.store.layout import Store
from modelsync.transfer.partial import Partial
from tests.support.command_line import Cli, Here, Run
from tests.support.content import gguf, sha256
from tests.support.project import LINKED, REPO

BOTH = f'{LINKED}other = "hf:{REPO}:Q8_0"\n'


def states(cli: Cli) -> dict[str, str]:
    """The state of each model, as `list` shows it."""
    return {line.split()[0]: line.split("  ")[-1].strip() for line in cli("list").out.splitlines()[1:]}


def test_check_shows_what_a_dry_run_shows(cli: Cli) -> None:
    """The same lines, then how many models lack; the plan and the error in one object for programs."""
    cli.write(BOTH)
    cli("-q", "lock")
    dry = cli("sync", "--dry-run").err
    checked = cli("sync", "--check", status=1).err
    assert checked == dry + "error: 2 models are not here\nhint: run `modelsync sync`\n"
    assert "   fetch tiny: tiny-Q4_K_M.gguf  2.9 KiB\n" in dry
    value = cli("sync", "--check", "--format", "json", status=1).json
    assert value["plan"] == cli("sync", "--dry-run", "--format", "json").json["plan"]
    assert (value["error"]["code"], value["error"]["message"]) == ("drift", "2 models are not here")
    assert states(cli) == {"tiny": "missing", "other": "missing"}
    cli("-q", "sync")
    assert cli("sync", "--check").err == "nothing to do: everything is here\n"
    assert set(states(cli).values()) == {"here"}


def test_a_missing_link_is_not_here(cli: Cli, store_root: Path) -> None:
    """Where `sync --check` would link a file, `list` does not say that it is here."""
    cli.write(BOTH)
    cli("-q", "sync")
    (cli.folder / "models/tiny/tiny-Q4_K_M.gguf").unlink()
    assert states(cli) == {"tiny": "not linked", "other": "here"}
    assert "error: 1 model is not in models/\n" in cli("sync", "--check", status=1).err
    shutil.rmtree(store_root)
    assert states(cli) == {"tiny": "missing", "other": "here"}
    row = cli("list", "--format", "json").json["rows"][0]
    assert (row["state"], row["bytes_here"]) == ("missing", 0)


def test_a_file_of_an_earlier_lock_is_old(cli: Cli) -> None:
    """After a `git pull` that changed the lock, until a sync; one of another variant is not old."""
    cli.write(
        f'{LINKED}[models.two]\nuri = "hf:{REPO}:Q4_K_M"\nvariants = {{ big = {{ uri = "hf:{REPO}:Q8_0" }} }}\n'
    )
    cli("-q", "sync", "--variant", "big")
    assert [row["state"] for row in cli("list", "--format", "json").json["rows"]] == [
        "here",
        "unlinked",
        "here",
    ]
    cli("-q", "sync")
    before = cli.lock.read_text()
    cli.repo.commit({"tiny-Q4_K_M.gguf": gguf("new", 4000), "tiny-Q8_0.gguf": gguf("q8", 5000)})
    cli("-q", "lock", "-U")
    assert cli.lock.read_text() != before
    assert [row["state"] for row in cli("list", "--format", "json").json["rows"]][:2] == ["old", "old"]
    assert "error: 2 models are not here" in cli("sync", "--check", status=1).err
    cli("-q", "sync")
    assert [row["state"] for row in cli("list", "--format", "json").json["rows"]][:2] == ["here", "here"]


def test_a_sync_that_broke_off_is_listed_with_how_far_it_came(cli: Cli, store_root: Path) -> None:
    """In per cent of the model, in text; in bytes for programs."""
    cli.write(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n')
    cli("-q", "lock")
    partial = Partial(store_root / "partials-v1" / sha256(gguf("q8", 5000)), "some")
    partial.write(gguf("q8", 5000)[:2000], 0)
    partial.record(0, 2000)
    partial.close()
    assert states(cli) == {"tiny": "40 %"}
    (row,) = cli("list", "--format", "json").json["rows"]
    assert (row["state"], row["bytes_here"], row["size"]) == ("partial", 2000, 5000)


def test_what_makes_a_lock_stale_is_one_line_each(synced: Cli) -> None:
    """Below a short error, wherever a stale lock is refused; in JSON as a list."""
    synced.write(f'[models]\nbig = "hf:{REPO}:Q8_0"\n')
    for words in (["sync", "--check"], ["sync", "--locked"], ["lock", "--check"]):
        done = synced(*words, status=1)
        assert done.err.startswith(
            "error: models.lock is stale: 2 models differ from models.toml\n"
            "   big is not in the lock\n"
            "   tiny is no longer in the manifest\n"
            "hint: "
        )
        error = synced(*words, "--format", "json", status=1).json["error"]
        assert error["details"] == ["big is not in the lock", "tiny is no longer in the manifest"]


def test_a_sync_that_waits_for_another_says_so_at_once(cli: Cli, store_root: Path) -> None:
    """While another process has the file, and not after."""
    cli("-q", "lock")
    said: list[Run] = []
    waiting = cli.folder / "events"
    with digest_lock.hold(Store(store_root), sha256(gguf("q4"))) as held:
        assert held is not None
        thread = Thread(target=lambda: said.append(cli("sync", "--events", str(waiting), "--no-progress")))
        thread.start()
        while not (waiting.exists() and '"waiting"' in waiting.read_text()):
            assert thread.is_alive()
            thread.join(0.01)
    thread.join()
    assert said[0].err.startswith(
        "warning: another process is fetching tiny: tiny-Q4_K_M.gguf: waiting for it\n"
    )
    assert " + tiny" in said[0].err


def test_a_quiet_verify_shows_what_is_wrong_alone(synced: Cli, store_root: Path) -> None:
    """Nothing where all is well; the damaged file where one is; all of them without `-q`, and for programs."""
    done = synced("-q", "verify")
    assert (done.out, done.err) == ("", "")
    assert synced("verify", "-q", "--full").out == ""
    synced.write(f'{LINKED}other = "hf:{REPO}:Q8_0"\n')
    synced("-q", "sync")
    (blob,) = (store_root / "blobs-v1").glob(f"*/{sha256(gguf('q4'))}")
    blob.chmod(0o644)
    blob.write_bytes(gguf("rotten"))
    bad = synced("-q", "verify", status=1)
    assert [line.split()[0] for line in bad.out.splitlines()] == ["NAME", "tiny"]
    assert bad.err.startswith("error: 1 file is damaged\n")
    assert len(synced("verify", status=1).out.splitlines()) == 3
    assert len(synced("-q", "verify", "--format", "json", status=1).json["rows"]) == 2


def test_an_endpoint_that_fails_is_blamed_by_the_flag_that_named_it(
    cli: Cli, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First of what may name a hub."""
    monkeypatch.chdir(cli.folder)
    done = here("lock", "--endpoint", "http://127.0.0.1:9")
    assert done.status == 3
    assert "127.0.0.1:9 is set by --endpoint, " in done.err


def test_a_word_that_is_no_uri_is_told_what_is_taken(cli: Cli) -> None:
    """Forms that this version reads, with a revision; none that it refuses."""
    hint = cli("inspect", "hf:nothing", status=2).err.partition("\nhint: ")[2]
    assert "[#REVISION]" in hint
    for form in ("hf:user/model:Q4_K_M#main", "hf:user/model/file.gguf#main", "https://files.example/x.gguf"):
        assert "is no" not in cli("add", "x", form, "--frozen").err
        cli("remove", "x", "--frozen")
