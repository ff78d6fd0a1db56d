"""`modelsync licenses`, and licenses in other commands, at the command line."""

import json

import pytest

import modelsync
from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.old_version import OldVersion
from tests.support.project import REPO

MODELS = f"""[models.tiny]
uri = "hf:{REPO}:Q4_K_M"
groups = ["chat"]
loras = ["hf:user/lora/a.gguf"]
[models.tiny.variants.big]
uri = "hf:{REPO}:Q8_0"
[models.own]
uri = "hf:user/own/m.gguf"
license = "LicenseRef-ours"
"""


@pytest.fixture
def licensed(cli: Cli) -> Cli:
    """Models under several licenses, locked; then one is added, and a list of what is allowed."""
    cli.hub.repo("user/lora", license="cc-by-nc-4.0", gated="manual").commit({"a.gguf": gguf("lora")})
    cli.hub.repo("user/own", license="other").commit({"m.gguf": gguf("own")})
    cli.write(MODELS)
    cli("-q", "lock")
    cli.write(
        f'[modelsync]\nallowed-licenses = ["apache-2.0"]\n{MODELS}[models.new]\nuri = "file:new.gguf"\n'
    )
    return cli


def test_a_line_each_with_what_is_stated_gated_and_refused(licensed: Cli) -> None:
    """Adapters of other repos have their own; the listing itself refuses nothing."""
    hub = "https://huggingface.co"
    rows = [line.split() for line in licensed("licenses").out.splitlines()]
    assert rows == [
        ["NAME", "VARIANT", "FILE", "LICENSE", "GATED", "SOURCE"],
        ["tiny", "apache-2.0", "no", f"{hub}/{REPO}"],
        ["tiny", "a.gguf", "cc-by-nc-4.0", "yes", "not", "allowed", f"{hub}/user/lora"],
        ["tiny", "big", "apache-2.0", "no", f"{hub}/{REPO}"],
        ["tiny", "big", "a.gguf", "cc-by-nc-4.0", "yes", "not", "allowed", f"{hub}/user/lora"],
        ["own", "LicenseRef-ours", "(stated;", "other)", "no", f"{hub}/user/own"],
        ["new", "unlocked", "file:new.gguf"],
    ]


def test_programs_read_the_rows(licensed: Cli) -> None:
    """Names and groups narrow them; offline nothing is asked, and what is gated is not known."""
    (own,) = licensed("licenses", "own", "--format", "json").json["rows"]
    assert own == {
        "name": "own",
        "variant": None,
        "role": None,
        "path": None,
        "license": "other",
        "stated": "LicenseRef-ours",
        "allowed": True,
        "gated": False,
        "page": "https://huggingface.co/user/own",
        "locked": True,
    }
    report = modelsync.licenses("own", manifest=licensed.folder)
    assert report.to_dict() == {"rows": [own], "notes": []}
    assert str(report) == licensed("licenses", "own").out.rstrip("\n")
    assert report._repr_html_() == f"<pre>{report}</pre>"
    licensed.hub.clear()
    value = licensed("--offline", "licenses", "--only-group", "chat", "--format", "json").json
    assert {(row["name"], row["role"], row["allowed"], row["gated"]) for row in value["rows"]} == {
        ("tiny", None, True, None),
        ("tiny", "lora", False, None),
    }
    assert value["notes"] == []
    assert licensed.hub.seen() == []
    assert "did you mean `own`" in licensed("licenses", "onw", status=1).err


def test_a_hub_that_does_not_answer_leaves_it_open(licensed: Cli) -> None:
    """The licenses are the lock's, so the listing needs no hub; a note says what is not known."""
    licensed.hub.remove("user/own")
    done = licensed("licenses", "own", "--format", "json").json
    assert [row["gated"] for row in done["rows"]] == [None]
    assert "whether user/own is gated is not known" in done["notes"][0]


def test_a_refusal_names_its_code_and_each_model(licensed: Cli) -> None:
    """Programs read all of them, by model, from `sync --frozen` too."""
    licensed.write((licensed.folder / "models.toml").read_text().partition("[models.new]")[0])
    value = json.loads(licensed("lock", "--format", "json", status=1).out)
    assert [(error["code"], error["name"]) for error in value["errors"]] == [
        ("license-refused", "tiny"),
        ("license-refused", "tiny [big]"),
    ]
    err = licensed("sync", "--frozen", status=1).err
    assert "a.gguf, its lora, is cc-by-nc-4.0, which allowed-licenses does not have" in err


def test_outdated_tells_another_license(licensed: Cli) -> None:
    """In words and for bots: the license before and after, the files, and what comes of the adapter."""
    own = licensed.hub.repo("user/own")
    own.license = "mit"
    own.commit({"m.gguf": gguf("newer")})
    assert ", license other -> mit\n" in licensed("outdated", "own").out
    (row,) = licensed("outdated", "own", "--format", "json").json["rows"]
    assert (row["before"]["license"], row["after"]["license"]) == ("other", "mit")
    assert row["files_changed"] == ["m.gguf"]
    assert row["license_changed"] is True


def test_an_old_reader_keeps_the_license_of_a_row(licensed: Cli, old_version: OldVersion) -> None:
    """A lock that has one is of version 1: an older modelsync checks and upgrades it byte for byte."""
    licensed.write(MODELS.replace('license = "LicenseRef-ours"\n', ""))
    written = licensed.lock.read_bytes()
    assert b'license = "cc-by-nc-4.0" }' in written
    for words in (("lock", "--check"), ("lock", "--upgrade"), ("list",)):
        done = old_version(*words, cwd=licensed.folder)
        assert done.returncode == 0, done
    assert licensed.lock.read_bytes() == written


def test_add_states_a_license(empty: Cli) -> None:
    """What is refused without one is added with it, and the manifest says so; what cannot be one changes nothing."""
    empty.repo.license = None
    empty.write('[modelsync]\nallowed-licenses = ["mit"]\n')
    words = ("add", "tiny", f"hf:{REPO}:Q4_K_M", "--no-sync")
    refused = " ".join(empty(*words, status=1).err.split())
    assert "its license is not known" in refused
    assert "`add` takes --license" in refused
    assert "`other` is no license" in empty(*words, "--license", "other", status=2).err
    assert (empty.folder / "models.toml").read_text() == '[modelsync]\nallowed-licenses = ["mit"]\n'
    empty(*words, "--license", "LicenseRef-ours")
    assert 'license = "LicenseRef-ours"' in (empty.folder / "models.toml").read_text()
    assert empty.lock.exists()
