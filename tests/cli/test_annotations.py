"""In a job of GitHub Actions errors stand beside the lines that they are about."""

import re
from pathlib import Path

import pytest

from modelsync.cli import annotations
from modelsync.errors import ModelsyncError, Place
from tests.support.command_line import Cli, Run

JOB = {"GITHUB_ACTIONS": "true"}
TWO = """\
[models]
small = "hf:user/llama:Q4_K_M"

[models.large]
uri = "hf:user/llama:Q8_0"
"""


def run_in_job(cli: Cli, *words: str, status: int = 0, **variables: str) -> Run:
    """A command in a job of GitHub Actions."""
    return cli(*words, status=status, variables={"GITHUB_ACTIONS": "true", **variables})


def shown(err: str) -> list[str]:
    """The workflow commands among the lines."""
    return [line for line in err.splitlines() if line.startswith("::")]


def read(line: str) -> tuple[str, dict[str, str], str]:
    """Kind, properties and message of a workflow command, as a runner reads it."""
    found = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
    assert found is not None, line
    pairs = dict(pair.split("=", 1) for pair in found[2].split(","))
    return found[1], {key: plain(value) for key, value in pairs.items()}, plain(found[3])


def plain(text: str) -> str:
    """Without the escapes."""
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def test_an_error_in_the_manifest_stands_beside_its_line(cli: Cli) -> None:
    """By the path from the root of the checkout, whatever folder the command runs in; the plain words are there too."""
    cli.write('[models]\nsmall = "hf:user/llama:Q4_K_M"\nlarge = 5\n')
    run = run_in_job(cli, "lock", status=2, GITHUB_WORKSPACE=str(cli.folder.parent))
    [line] = shown(run.err)
    kind, properties, message = read(line)
    assert kind == "error"
    assert properties == {"file": "project/models.toml", "line": "3", "title": "modelsync: bad-manifest"}
    assert message.startswith("models.toml:3: models.large: ")
    assert f"error: {message.splitlines()[0]}" in run.err


def test_a_file_that_cannot_be_parsed_stands_beside_the_line_where_that_ends(synced: Cli) -> None:
    """A manifest that is no TOML, and a lock with the markers of a merge."""
    text = synced.lock.read_text()
    synced.lock.write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n")
    [line] = shown(run_in_job(synced, "sync", status=2, GITHUB_WORKSPACE=str(synced.folder)).err)
    assert {**read(line)[1], "title": ""} == {"file": "models.lock", "line": "1", "title": ""}
    synced.write("[models]\nsmall = \n")
    [line] = shown(run_in_job(synced, "sync", status=2, GITHUB_WORKSPACE=str(synced.folder)).err)
    assert read(line)[1]["line"] == "2"


@pytest.mark.parametrize("words", [("lock", "--check"), ("sync", "--locked"), ("sync", "--check")])
def test_a_stale_lock_stands_beside_each_entry_that_it_does_not_answer(
    synced: Cli, words: tuple[str, ...]
) -> None:
    """And beside the lock, where that has what the manifest no longer names."""
    name = next(iter(re.findall(r'^name = "(.*)"$', synced.lock.read_text(), re.MULTILINE)))
    synced.write(TWO)
    run = run_in_job(synced, *words, status=1, GITHUB_WORKSPACE=str(synced.folder))
    found = [read(line) for line in shown(run.err)]
    places = {(each["file"], each.get("line"), message.splitlines()[0]) for _, each, message in found}
    assert {
        ("models.toml", "2", "small is not in the lock"),
        ("models.toml", "4", "large is not in the lock"),
        ("models.lock", None, f"{name} is no longer in the manifest"),
    } <= places
    assert {message.splitlines()[1] for _, _, message in found} >= {
        next(line for line in run.err.splitlines() if line.startswith("hint: "))
    }


def test_models_that_cannot_be_had_stand_beside_their_entries(cli: Cli) -> None:
    """Each error of a run that has several."""
    cli.write('[models]\none = "hf:user/nothing:Q4_K_M"\ntwo = "hf:user/nowhere:Q4_K_M"\n')
    run = run_in_job(cli, "lock", status=1, GITHUB_WORKSPACE=str(cli.folder))
    assert [(read(line)[1]["file"], read(line)[1]["line"]) for line in shown(run.err)] == [
        ("models.toml", "2"),
        ("models.toml", "3"),
    ]


def test_data_stays_data(cli: Cli) -> None:
    """Only the object is on stdout, and a silent run says nothing; elsewhere than in a job there are no annotations."""
    cli.write("[models]\nsmall = 5\n")
    run = run_in_job(cli, "--format", "json", "lock", status=2)
    assert run.json["error"]["code"] == "bad-manifest"
    assert len(shown(run.err)) == 1
    assert run_in_job(cli, "-qq", "lock", status=2).err == ""
    assert shown(cli("lock", status=2).err) == []
    assert shown(cli("lock", status=2, GITHUB_ACTIONS="false").err) == []


def test_a_warning_is_one(synced: Cli) -> None:
    """What a person is warned of, beside its words; not where only errors are shown."""
    run = run_in_job(synced, "sync", "--variant", "nobody-has-it", status=1)
    assert shown(run.err)
    run = run_in_job(synced, "sync", MODELSYNC_VARIANT="nobody-has-it")
    [line] = shown(run.err)
    kind, properties, message = read(line)
    assert (kind, properties) == ("warning", {"title": "modelsync"})
    assert f"warning: {message}" in run.err
    assert run_in_job(synced, "-q", "sync", MODELSYNC_VARIANT="nobody-has-it").err == ""


def test_a_file_outside_of_the_checkout_is_not_named(cli: Cli, tmp_path: Path) -> None:
    """No annotation could stand there."""
    cli.write("[models]\nsmall = 5\n")
    other = tmp_path / "checkout"
    other.mkdir()
    [line] = shown(run_in_job(cli, "lock", status=2, GITHUB_WORKSPACE=str(other)).err)
    assert read(line)[1] == {"title": "modelsync: bad-manifest"}


def test_nothing_that_is_told_ends_the_line_or_a_property() -> None:
    """What the toolkit escapes is escaped: `%`, line ends, and in properties `:` and `,`."""
    line = annotations.command("error", "50% of\r\na:b, ::add-mask::x", {"file": "a,b:c%.toml", "title": "t"})
    assert line == "::error file=a%2Cb%3Ac%25.toml,title=t::50%25 of\\r%0Aa:b, ::add-mask::x"
    assert read(line)[1]["file"] == "a,b:c%.toml"


def test_no_more_are_told_than_are_shown() -> None:
    """GitHub shows ten of a step."""
    error = ModelsyncError("many").at(*(Place(f"{number}.toml", number) for number in range(1, 30)))
    assert len(annotations.errors(error, JOB)) == annotations.MOST
