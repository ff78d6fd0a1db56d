"""`sync`, `lock`, `add`, `remove`, `init`: what they print, where, and what they exit with."""

import re
import tomllib

import pytest

from tests.hub import Corrupt, Status
from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.project import MANIFEST, REPO

TOTALS = r"[\d.]+ \w+ fetched, [\d.]+ \w+ reused, [\d.]+ s"


def test_the_two_commands_of_a_newcomer(empty: Cli) -> None:
    """`init`, then `add`: a manifest, a lock, a file that is here; told on stderr in three lines."""
    made = empty("init")
    assert made.out == ""
    assert made.err.splitlines()[:2] == ["made models.toml", "made .gitattributes"]
    added = empty("add", "tiny", f"hf:{REPO}:Q4_K_M")
    assert added.out == ""
    lines = added.err.splitlines()
    assert lines[-3:-1] == ["tiny is in models.toml", " + tiny  Q4_K_M  2.9 KiB"]
    assert re.fullmatch(TOTALS, lines[-1])
    assert empty("path", "tiny").out.endswith("/tiny-Q4_K_M.gguf\n")


def test_add_writes_the_canonical_form_of_a_page(cli: Cli) -> None:
    """A page of the hub that `HF_ENDPOINT` names is written as the `hf:` URI that it means."""
    cli("add", "other", f"{cli.hub.endpoint}/{REPO}/blob/main/tiny-Q8_0.gguf", "--frozen")
    assert f'other = "hf:{REPO}/tiny-Q8_0.gguf"' in (cli.folder / "models.toml").read_text()


def test_a_sync_prints_sorted_aligned_changes_and_one_line_of_totals(cli: Cli) -> None:
    """Names sorted, quants in one column, then bytes fetched, bytes reused and the time; stdout stays empty."""
    cli.repo.commit({"x-BF16.gguf": gguf("x", 2048)})
    cli.write(MANIFEST + f'longer-name = "hf:{REPO}:Q8_0"\nb = "hf:{REPO}/x-BF16.gguf"\n')
    done = cli("sync", "--no-progress")
    assert done.out == ""
    *changes, totals = done.err.splitlines()
    assert changes == [
        " + b            BF16    2.0 KiB",
        " + longer-name  Q8_0    4.9 KiB",
        " + tiny         Q4_K_M  2.9 KiB",
    ]
    assert re.fullmatch("9.8 KiB fetched, 0 B reused, [0-9.]+ s", totals)


def test_a_sync_with_nothing_to_do_says_so_in_one_line(synced: Cli) -> None:
    """One short line, no request, nothing on stdout."""
    done = synced("sync")
    assert (done.out, done.err) == ("", "nothing to do: everything is here\n")
    assert synced.hub.seen() == []


def test_an_upgrade_says_from_which_commit_to_which(synced: Cli) -> None:
    """`outdated` shows it as data and changes nothing; `sync -U` takes it."""
    newer = synced.repo.commit({"tiny-Q4_K_M.gguf": gguf("newer", 4000)})
    line = f" ~ tiny  {synced.commit[:7]} -> {newer[:7]}"
    assert synced("outdated").out == f"{line}  3.9 KiB to fetch, 2.9 KiB of it may be here\n"
    assert synced("sync").err == "nothing to do: everything is here\n"
    assert synced("sync", "-U", "--no-progress").err.splitlines()[0] == line
    done = synced("outdated")
    assert (done.out, done.err) == ("", "everything is up to date: 1 model\n")


def test_another_quant_of_the_same_commit_says_from_which_to_which(synced: Cli) -> None:
    """Where the commit stays, the quants are told."""
    synced.write(MANIFEST.replace("Q4_K_M", "Q8_0"))
    assert synced("lock").err.splitlines()[0] == " ~ tiny  Q4_K_M -> Q8_0"


def test_lock_writes_checks_and_verifies(cli: Cli) -> None:
    """`--dry-run` writes nothing, `--check` fails on a stale lock, `--verify` on one that upstream contradicts."""
    stale = cli("lock", "--check", status=1)
    assert stale.err.startswith("error: models.lock is stale: tiny is not in the lock\nhint: ")
    assert cli("lock", "--dry-run").err == " + tiny  Q4_K_M  2.9 KiB\nmodels.lock would be written\n"
    assert not cli.lock.exists()
    *changes, last = cli("lock").err.splitlines()
    assert changes == [" + tiny  Q4_K_M  2.9 KiB"]
    assert re.fullmatch(r"models\.lock written: nothing fetched, [\d.]+ s", last)
    assert cli("lock", "--check").err == "models.lock is up to date: 1 model\n"
    assert cli("lock").err == "models.lock is up to date: 1 model\n"
    assert cli("lock", "--verify").err == "models.lock agrees with upstream: 1 model\n"
    text = cli.lock.read_text()
    cli.lock.write_text(re.sub('sha256 = "[0-9a-f]{4}', 'sha256 = "0000', text))
    assert "tiny" in cli("lock", "--verify", status=1).err
    assert cli("lock", "--check", "-U", status=2).err.startswith("error: --check and --verify write nothing")


def test_remove_takes_models_out_and_says_so(synced: Cli) -> None:
    """Manifest and lock lose it; a name that is not there is an error, and nothing is changed."""
    assert "did you mean `tiny`?" in synced("remove", "tinny", status=1).err
    assert "tiny" in (synced.folder / "models.toml").read_text()
    done = synced("remove", "tiny")
    assert done.err.splitlines()[:2] == ["removed from models.toml: tiny", " - tiny"]
    assert "tiny" not in (synced.folder / "models.toml").read_text()
    assert synced("list").err == "no models in models.toml; `modelsync add NAME URI` adds one\n"


def test_add_takes_its_flags_into_the_manifest(empty: Cli) -> None:
    """Revision, groups, adapters, a projector beside or elsewhere, a hash, a hub: as the manifest writes them."""
    empty.write("# mine\n[models]\n")
    empty("add", "a", f"hf:{REPO}:Q4_K_M", "--revision", "v1", "--group", "x", "--group", "y", "--frozen")
    empty("add", "b", f"hf:{REPO}", "--lora", "hf:u/r/l.gguf", "--frozen", "--mmproj")
    empty("add", "c", f"hf:{REPO}", "--frozen", "--mmproj", "hf:u/r/m.gguf", "--sha256", "0" * 64)
    empty("add", "a", f"hf:{REPO}:Q8_0", "--variant", "big", "--frozen")
    empty("--endpoint", empty.hub.endpoint, "add", "d", f"hf:{REPO}", "--frozen")
    text = (empty.folder / "models.toml").read_text()
    assert text.startswith("# mine\n")
    models = tomllib.loads(text)["models"]
    assert models["a"]["revision"] == "v1"
    assert models["a"]["groups"] == ["x", "y"]
    assert models["a"]["variants"]["big"] == {"uri": f"hf:{REPO}:Q8_0"}
    assert models["b"] == {"uri": f"hf:{REPO}", "mmproj": True, "loras": ["hf:u/r/l.gguf"]}
    assert models["c"] == {"uri": f"hf:{REPO}", "mmproj": "hf:u/r/m.gguf", "sha256": "0" * 64}
    assert models["d"] == {"uri": f"hf:{REPO}", "endpoint": empty.hub.endpoint}
    assert not empty.lock.exists()
    assert empty.hub.seen() == []


def test_add_without_sync_locks_and_fetches_nothing(empty: Cli) -> None:
    """`--no-sync` leaves the file upstream."""
    empty.write("[models]\n")
    empty("add", "tiny", f"hf:{REPO}:Q4_K_M", "--no-sync")
    assert empty.lock.exists()
    assert empty.hub.seen("cdn") == []
    assert "missing" in empty("list").out


def test_what_cannot_be_locked_is_undone(cli: Cli) -> None:
    """A repo that does not exist leaves the manifest as it was."""
    before = (cli.folder / "models.toml").read_text()
    cli("add", "no", "hf:user/nothing-here", status=1)
    assert (cli.folder / "models.toml").read_text() == before


def test_a_sync_that_breaks_off_after_add_leaves_both_files_and_names_sync(empty: Cli) -> None:
    """The model is in the manifest and the lock; the hint says how to go on."""
    empty.write("[models]\n")
    empty.hub.misbehave(Corrupt(5), where="cdn", match="*.gguf", times=None)
    empty.hub.misbehave(Corrupt(5), where="hub", match="*/resolve/*", times=None)
    failed = empty("add", "tiny", f"hf:{REPO}:Q4_K_M", status=1)
    assert "`modelsync sync` does the rest" in failed.err.splitlines()[-1]
    assert "tiny" in (empty.folder / "models.toml").read_text()
    assert "tiny" in empty.lock.read_text()
    empty.hub.behave()
    assert " + tiny" in empty("sync").err


def test_check_and_dry_run_change_nothing_and_say_what_would_be_done(synced: Cli) -> None:
    """A dry run lists changes and steps; `--check` fails, and names what differs."""
    assert synced("sync", "--check").err == "nothing to do: everything is here\n"
    synced.write(MANIFEST + f'more = "hf:{REPO}:Q8_0"\n')
    text = synced.lock.read_text()
    dry = synced("sync", "--dry-run")
    assert dry.err.splitlines() == [
        " + more  Q8_0  4.9 KiB",
        "   fetch more: tiny-Q8_0.gguf  4.9 KiB",
        "would fetch 4.9 KiB",
    ]
    assert "more is not in the lock" in synced("sync", "--check", status=1).err
    assert "more" in synced("sync", "--locked", status=1).err
    assert synced.lock.read_text() == text
    synced.write(f'[modelsync]\ndir = "linked"\n{MANIFEST}')
    assert synced("sync", "--dry-run").err.splitlines()[-1] == "would fetch nothing"


@pytest.mark.parametrize(
    ("manifest", "status", "code"),
    [
        ("[models]\nx = 1\n", 2, "bad-manifest"),
        ('[models]\nx = "hf:user/nothing-here"\n', 1, None),
        ('[models]\nx = "hf:user/tiny-GGUF:Q2_K"\n', 1, "not-found"),
    ],
)
def test_errors_say_what_and_how_to_mend_it(cli: Cli, manifest: str, status: int, code: str | None) -> None:
    """`error: …`, perhaps the line, then `hint: …` on stderr, and the error's status; the same as an object."""
    cli.write(manifest)
    text = cli("sync", status=status)
    assert text.out == ""
    assert re.match(r"error: .+\n( +\d+ \| .+\n +\| +\^+\n)?hint: .+\n\Z", text.err)
    value = cli("sync", "--format", "json", status=status).json
    assert value["error"]["code"] == code or code is None
    assert value["error"]["message"] in text.err


def test_a_server_that_fails_is_status_3(cli: Cli) -> None:
    """The network, or a server that may answer later."""
    cli.hub.misbehave(Status(400), where="hub", match="/api/*", times=None)
    assert cli("sync", status=3).err.startswith("error: ")


def test_quiet_is_silent_but_for_errors_and_twice_for_those_too(synced: Cli) -> None:
    """`-q` says only what went wrong, `-qq` nothing; the status and stdout stay."""
    assert synced("-q", "sync", "-U") == (0, "", "")
    assert synced("-q", "path", "tiny").out.endswith(".gguf\n")
    synced.write("[models")
    assert synced("sync", "-q", status=2).err.startswith("error: ")
    assert synced("-q", "sync", "-q", status=2) == (2, "", "")
    assert synced("sync", "-qq", status=2) == (2, "", "")
    assert synced("list", status=2, MODELSYNC_QUIET="2") == (2, "", "")


def test_another_variant_of_what_is_linked_is_described(empty: Cli) -> None:
    """The lock says the same as before: the line has the quant and the size that came, as a new model's."""
    empty.write(
        f'[modelsync]\ndir = "models"\n[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n'
        f'[models.tiny.variants.big]\nuri = "hf:{REPO}:Q8_0"\n'
    )
    empty("sync")
    assert " ~ tiny [big]  Q8_0  4.9 KiB" in empty("sync", "--variant", "big").err.splitlines()
