"""Flags that people reach for first."""

import platform
import re
from pathlib import Path

import pytest

import modelsync
from modelsync.errors import NotFoundError
from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.project import MANIFEST, REPO

VARIANTS = f"""# kept
[models.tiny]
uri = "hf:{REPO}:Q4_K_M"
[models.tiny.variants.large]
uri = "hf:{REPO}:Q8_0"
[models.tiny.variants.small]
uri = "hf:{REPO}:Q4_K_M"
"""


def test_json_is_short_for_format_json(synced: Cli) -> None:
    """Before the command or behind it, for errors too, and for a line that cannot be parsed."""
    assert synced("list", "--json").json == synced("--format", "json", "list").json
    assert synced("--json", "path", "tiny").json["path"]
    assert synced("path", "none", "--json", status=1).json["error"]["code"] == "not-found"
    assert synced("sync", "--nonsense", "--json", status=2).json["error"]["code"] == "usage"


def test_the_version_tells_what_a_report_needs(empty: Cli) -> None:
    """The program's, the system's, Python's and llama-cpp-python's."""
    said = empty("--version").out
    assert said.startswith(f"modelsync {modelsync.__version__} ({platform.system()} ")
    assert f"Python {platform.python_version()}" in said
    assert re.search(r"(no llama-cpp-python|llama-cpp-python \d.*)\)\n\Z", said)


def test_a_variant_is_removed_alone(cli: Cli) -> None:
    """From manifest and lock; the model and its other variants stay, and the last takes its table with it."""
    cli.write(VARIANTS)
    cli("sync", "-q")
    done = cli("remove", "tiny", "--variant", "large")
    assert "removed from models.toml: tiny (large)" in done.err
    rows = cli("list", "--json").json["rows"]
    assert [(row["name"], row["variant"]) for row in rows] == [("tiny", None), ("tiny", "small")]
    assert 'variant = "large"' not in cli.lock.read_text()
    cli("remove", "tiny", "--variant", "small", "--no-sync")
    text = (cli.folder / "models.toml").read_text()
    assert text.startswith("# kept\n")
    assert "variants" not in text
    assert "no variant `small`" in cli("remove", "tiny", "--variant", "small", status=1).err


def test_force_replaces_an_entry_with_all_its_keys(cli: Cli) -> None:
    """Of a model, or of a variant; a model that has variants is refused, with words."""
    cli.write(f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\ngroups = ["chat"]\n')
    assert "--force" in cli("add", "tiny", f"hf:{REPO}:Q8_0", status=2).err
    cli("add", "tiny", f"hf:{REPO}:Q8_0", "--force", "-q")
    text = (cli.folder / "models.toml").read_text()
    assert "Q8_0" in text
    assert "groups" not in text
    assert "Q4_K_M" not in cli.lock.read_text()
    cli.write(VARIANTS)
    cli("lock", "-q")
    cli("add", "tiny", f"hf:{REPO}:Q4_K_M", "--variant", "large", "--force", "-q", "--no-sync")
    assert (cli.folder / "models.toml").read_text().count("Q4_K_M") == 3
    before = (cli.folder / "models.toml").read_text()
    refused = cli("add", "tiny", f"hf:{REPO}:Q8_0", "--force", status=2)
    assert refused.err.startswith("error: `tiny` has variants, which --force would remove with it\nhint: ")
    assert (cli.folder / "models.toml").read_text() == before


def test_force_removes_the_links_of_what_it_replaced(cli: Cli) -> None:
    """In the project's folder, of that model alone; what a person put there stays."""
    cli.write(
        f'[modelsync]\ndir = "models"\n[models]\ntiny = "hf:{REPO}:Q4_K_M"\nother = "hf:{REPO}:Q4_K_M"\n'
    )
    cli("sync", "-q")
    folder = cli.folder / "models"
    (folder / "tiny" / "notes.txt").write_text("mine")
    cli.write((cli.folder / "models.toml").read_text().replace("other =", "kept ="))
    cli("add", "tiny", f"hf:{REPO}:Q8_0", "--force", "-q")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*") if path.is_file())
    assert names == ["other/tiny-Q4_K_M.gguf", "tiny/notes.txt", "tiny/tiny-Q8_0.gguf"]
    cli("add", "tiny", f"hf:{REPO}:Q4_K_M", "--force", "--no-sync", "-q")
    assert (folder / "tiny" / "tiny-Q8_0.gguf").exists()


def test_force_of_a_variant_removes_the_link_of_what_it_replaced(cli: Cli) -> None:
    """Of the variant that is synced."""
    cli.write(VARIANTS.replace("[models", '[modelsync]\ndir = "models"\n[models', 1))
    cli("sync", "-q", "--variant", "large")
    before = {path.name for path in (cli.folder / "models" / "tiny").iterdir()}
    cli("add", "tiny", f"hf:{REPO}:Q4_K_M", "--variant", "large", "--force", "-q")
    after = {path.name for path in (cli.folder / "models" / "tiny").iterdir()}
    assert before == {"tiny-Q8_0.gguf"}
    assert after == {"tiny-Q4_K_M.gguf"}


def test_an_edit_that_is_undone_names_no_line(cli: Cli) -> None:
    """What `add` cannot have is told without a line of the manifest, in which it does not stand."""
    cli("lock", "-q")
    before = (cli.folder / "models.toml").read_bytes()
    for more in ([], ["--dry-run"]):
        done = cli("add", "gone", "hf:user/nothing", *more, status=1)
        assert done.err.startswith("error: gone: 127.0.0.1"), done
        assert (cli.folder / "models.toml").read_bytes() == before


def test_a_dry_run_of_add_writes_nothing(cli: Cli) -> None:
    """It says what would be added; what cannot be locked fails as it would."""
    cli("lock", "-q")
    before = cli.lock.read_bytes(), (cli.folder / "models.toml").read_bytes()
    done = cli("add", "big", f"hf:{REPO}:Q8_0", "--dry-run")
    assert done.err == "big would be in models.toml\n + big  Q8_0  4.9 KiB\nnothing was written\n"
    assert cli("add", "big", f"hf:{REPO}:Q8_0", "--dry-run", "--json").json["lock_written"] is False
    assert cli("add", "big", f"hf:{REPO}:Q2_K", "--dry-run", status=1).err.startswith("error: ")
    assert (cli.lock.read_bytes(), (cli.folder / "models.toml").read_bytes()) == before


def test_the_quant_that_was_taken_is_written_down(cli: Cli) -> None:
    """Of a repo with several; a note tells of the others. Of a repo with one model the repo is enough."""
    done = cli("add", "new", f"hf:{REPO}", "--no-sync")
    assert f'new = "hf:{REPO}:Q4_K_M"' in (cli.folder / "models.toml").read_text()
    assert "has 2 models; took tiny-Q4_K_M.gguf" in done.err
    cli.hub.repo("user/one").commit({"one-Q8_0.gguf": gguf("one")})
    cli("add", "one", "hf:user/one", "--no-sync")
    assert 'one = "hf:user/one"' in (cli.folder / "models.toml").read_text()
    cli("add", "plain", f"hf:{REPO}", "--frozen")
    assert f'plain = "hf:{REPO}"' in (cli.folder / "models.toml").read_text()


def test_list_takes_names(cli: Cli) -> None:
    """And says which are not there."""
    cli.write(f'{MANIFEST}other = "hf:{REPO}:Q8_0"\n')
    assert [row["name"] for row in cli("list", "other", "--json").json["rows"]] == ["other"]
    assert "did you mean `other`" in cli("list", "othr", status=1).err


def test_pull_takes_a_revision_a_projector_and_a_dry_run(empty: Cli) -> None:
    """The revision is for URIs that name none; nothing is here after a dry run."""
    empty.repo.commit({"mmproj-tiny-f16.gguf": gguf("mmproj")})
    plain = f"hf:{REPO}:Q4_K_M"
    dry = empty("pull", plain, "--dry-run")
    assert (dry.out, dry.err) == ("", f" + {plain}  2.9 KiB\nnothing was fetched\n")
    assert empty("cache", "list", "--json").json["rows"] == []
    assert empty("path", plain, "--offline", status=1).err.startswith("error: ")
    there = empty("pull", plain, "--revision", empty.commit, "--json").json["pulled"]
    assert there[0]["uri"] == f"{plain}#{empty.commit}"
    both = empty("pull", plain, "--mmproj", "--json").json["pulled"]
    assert Path(both[0]["files"]["mmproj"]).name == "mmproj-tiny-f16.gguf"
    assert both[0]["uri"] == f"{plain} --mmproj"


def test_pull_has_the_same_keywords(empty: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`revision`, `mmproj` and `dry_run`, in Python."""
    monkeypatch.chdir(empty.folder)
    plain = f"hf:{REPO}:Q4_K_M"
    (there,) = modelsync.pull(plain, dry_run=True)
    assert not there.model.exists()
    (there,) = modelsync.pull(plain, revision=empty.commit)
    assert there.model.exists()
    with pytest.raises(NotFoundError):
        modelsync.pull(plain, mmproj=True)


def test_the_most_connections_is_a_letter_and_a_rate_goes_with_path(cli: Cli) -> None:
    """`-j` is `--jobs`; `--max-rate` goes with `path` and `add`."""
    cli("lock", "-q")
    cli("path", "tiny", "--max-rate", "50MB")
    cli("sync", "-j", "2")
    cli("add", "other", f"hf:{REPO}:Q8_0", "-j", "1", "--max-rate", "50MB", "-q")
    assert "a number from 1 to 64" in cli("sync", "-j", "0", status=2).err
