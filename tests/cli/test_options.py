"""Options: before or after the command, from variables, and what is said when they make no sense."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from modelsync.cli import fast, global_options
from modelsync.cli.app import program
from modelsync.transfer.rate_limit import BURST, HELD
from tests.support.command_line import COMMAND, Cli
from tests.support.commands import commands
from tests.support.content import gguf
from tests.support.project import MANIFEST, REPO


def test_global_options_stand_before_or_after_the_command(synced: Cli) -> None:
    """Either way is the same; what is said twice counts once more, or the later wins."""
    synced.folder = synced.folder.parent
    before = synced("--directory", "project", "--format", "json", "list")
    after = synced("list", "--directory", "project", "--format", "json")
    assert before.json["rows"] == after.json["rows"]
    assert synced("--format", "text", "list", "--format", "json", "--directory=project").json == after.json
    assert (
        synced("--manifest", "project", "list").out == synced("list", "--manifest", "project/models.toml").out
    )


def test_a_manifest_of_another_name_has_its_lock_beside_it(empty: Cli) -> None:
    """`NAME.toml` and `NAME.lock`."""
    empty.write(MANIFEST, "models.dev.toml")
    empty("sync", "--manifest", "models.dev.toml")
    assert (empty.folder / "models.dev.lock").exists()
    assert empty("list", MODELSYNC_MANIFEST="models.dev.toml").out.splitlines()[1].startswith("tiny")


def test_a_package_ships_its_manifest(empty: Cli) -> None:
    """`--package` works from the package's manifest and lock, and wins over the variable of the other."""
    package = empty.folder / "shipping"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.toml").write_text(MANIFEST)
    empty("lock", "--manifest", "shipping")
    away = {"PYTHONPATH": str(empty.folder), "MODELSYNC_MANIFEST": "not-there.toml"}
    assert " + tiny" in empty("sync", "--package", "shipping", variables=away).err
    assert empty("path", "--package", "shipping", "tiny", variables=away).out.endswith("tiny-Q4_K_M.gguf\n")
    assert "a manifest and a package" in empty("list", "--manifest=x.toml", "--package=y", status=2).err


def test_variables_stand_for_options(synced: Cli) -> None:
    """Each does what its flag does; a flag wins over a variable; a wrong value names the variable."""
    variants = f'variants = {{ big = {{ uri = "hf:{REPO}:Q8_0" }} }}'
    synced.write(f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n{variants}\n')
    assert "is stale" in synced("sync", status=1, MODELSYNC_LOCKED="1").err
    assert "is stale" in synced("sync", "--locked", status=1, MODELSYNC_FROZEN="1").err
    assert "nothing to do" in synced("sync", MODELSYNC_FROZEN="1").err
    assert "nothing to do" in synced("sync", "--frozen", MODELSYNC_LOCKED="1").err
    assert "do not go together" in synced("sync", "--frozen", "--locked", status=2).err
    assert "network is ruled out" in synced("sync", status=1, MODELSYNC_OFFLINE="1").err
    assert " + tiny [big]" in synced("sync", MODELSYNC_VARIANT="big").err
    assert "no model has a variant 'huge'" in synced("sync", "--variant", "huge", status=1).err
    assert "warning: MODELSYNC_VARIANT: no model has" in synced("sync", MODELSYNC_VARIANT="huge").err
    assert "has no variant `huge`" in synced("sync", "--variant", "tiny=huge", status=1).err
    assert "does not go with" in synced("sync", "--all-variants", "--variant", "big", status=2).err
    assert " + tiny [big]" not in synced("sync", "--all-variants").err
    assert synced("path", "tiny", "--variant", "tiny=big").out.endswith("tiny-Q8_0.gguf\n")
    assert synced("list", MODELSYNC_FORMAT="json").json["rows"]
    for variable, value in {"LINK_MODE": "teleport", "JOBS": "0", "OFFLINE": "maybe"}.items():
        name = f"MODELSYNC_{variable}"
        assert name in synced("sync", status=2, variables={name: value}).err


def test_the_environments_variant_is_for_the_models_that_have_it(synced: Cli) -> None:
    """One name of a model without it is that model's own entry; a variant that is typed has to be there."""
    assert synced("path", "tiny", MODELSYNC_VARIANT="server").out.endswith("tiny-Q4_K_M.gguf\n")
    assert "has no variant `server`" in synced("path", "tiny", "--variant", "server", status=1).err


def test_a_flag_wins_over_its_variable(synced: Cli) -> None:
    """`--format text` where the variable says json."""
    assert synced("list", "--format", "text", MODELSYNC_FORMAT="json").out.startswith("NAME")
    assert synced("--format", "text", "list", MODELSYNC_FORMAT="json").out.startswith("NAME")


def test_the_most_connections_at_once(cli: Cli) -> None:
    """`--jobs 1` fetches with one connection."""
    cli("sync", "--jobs", "1")
    assert cli("path", "tiny").out


@pytest.mark.parametrize("command", ["sync", "run", "lock"])
def test_the_most_bytes_a_second(cli: Cli, command: str) -> None:
    """`--max-rate`, and its variable for whatever fetches: a file takes as long as the rate says."""
    words = {"sync": ["sync", "--max-rate", "20 K"], "run": ["run", "--max-rate=20K", "--", "true"]}
    data = gguf("slow", 30_000)
    cli.write(f'[models]\nslow = "{cli.hub.file("/slow.gguf", data)}"\n')  # read to be locked
    begun = time.monotonic()
    if command == "lock":
        cli("lock", MODELSYNC_MAX_RATE="20kB/s")
    else:
        cli(*words[command])
    assert time.monotonic() - begun >= (len(data) - 20_000 * (BURST + HELD)) / 20_000
    assert cli("path", "slow").out


def test_what_is_no_rate_is_said_before_anything_happens(cli: Cli) -> None:
    """With the forms that are taken."""
    done = cli("sync", "--max-rate", "5Mb", status=2)
    assert "'5Mb' is no rate; 5MB, 800K and 2.5MiB/s are: bytes a second" in done.err
    assert "MODELSYNC_MAX_RATE" in cli("sync", status=2, MODELSYNC_MAX_RATE="fast").err
    assert not cli.lock.exists()


def test_dir_and_link_mode(cli: Cli) -> None:
    """`--dir` and `--link-mode` decide where files are linked, and how."""
    cli("sync", "--dir", "here", "--link-mode", "symlink")
    assert (cli.folder / "here/tiny/tiny-Q4_K_M.gguf").is_symlink()
    cli("sync", "--dir", "there", MODELSYNC_LINK_MODE="copy")
    copied = cli.folder / "there/tiny/tiny-Q4_K_M.gguf"
    assert not copied.is_symlink()
    assert copied.stat().st_nlink == 1
    assert copied.read_bytes() == gguf("q4")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            ["snyc"],
            "there is no command `snyc`; did you mean `sync`?",
            "`modelsync --help` lists the commands",
        ),
        (["install"], "there is no command `install`", "that is `modelsync sync`"),
        (["update"], "there is no command `update`", "that is `modelsync lock --upgrade`"),
        (["cache", "prone"], "there is no command `prone`; did you mean `prune`?", None),
        (["sync", "--lockd"], "`modelsync sync` has no option `--lockd`; did you mean `--locked`?", None),
        (
            ["add", "x"],
            "`modelsync add` needs URI",
            "for example `modelsync add llama3 hf:user/model:Q4_K_M`",
        ),
        (["sync", "--jobs", "many"], "--jobs takes a number from 1 to 64, not `many`", None),
        (["list", "--color", "blue"], "--color takes auto, always or never, not `blue`", None),
        (["doctor", "extra\x1b[31m"], r"`modelsync doctor` takes no `extra\x1b[31m`", None),
        (["--directory", "nowhere", "list"], "cannot enter nowhere: No such file or directory", None),
    ],
)
def test_a_line_that_makes_no_sense(cli: Cli, words: list[str], message: str, hint: str | None) -> None:
    """Says what is wrong in our words, with the nearest right one, and ends with 2; as an object where asked for."""
    text = cli(*words, status=2)
    assert text.out == ""
    lines = text.err.splitlines()
    assert lines[0].startswith(f"error: {message}")
    assert lines[1].startswith("hint: ")
    assert hint is None or lines[1] == f"hint: {hint}"
    error = cli(*words, "--format", "json", status=2).json["error"]
    assert error["code"] == "usage"
    assert f"error: {error['message']}\nhint: {error['hint']}\n" == text.err


def test_errors_are_objects_wherever_that_was_asked_for(cli: Cli) -> None:
    """Before a word that makes no sense, behind it, or by the variable."""
    lines: list[tuple[list[str], dict[str, str]]] = [
        (["--format=json", "snyc"], {}),
        (["sync", "--bad", "--format=json"], {}),
        (["snyc"], {"MODELSYNC_FORMAT": "json"}),
    ]
    for words, variables in lines:
        assert cli(*words, status=2, variables=variables).json["error"]["code"] == "usage"


def test_no_command_shows_the_help(cli: Cli) -> None:
    """On stderr, with status 2; for programs an error."""
    assert "Make this machine hold" in cli(status=2).err
    assert cli(status=2, MODELSYNC_FORMAT="json").json["error"]["message"] == "there is no command"


@pytest.mark.parametrize("width", [80, 200])
def test_help_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page, at 80 columns and at 200, where lines stay short enough to read; no summary is cut off."""
    monkeypatch.setenv("COLUMNS", str(width))
    for path, command in {(): program, **commands()}.items():
        parent = click.Context(program, info_name="modelsync", max_content_width=100)
        page = command.get_help(click.Context(command, parent, info_name=" ".join(path)) if path else parent)
        assert max(map(len, page.splitlines())) <= min(width, 100), page
        assert "..." not in "".join(line for line in page.splitlines() if not line.startswith("Usage")), page
        assert "Global options" in page


def test_help_and_version_come_from_the_program(empty: Cli) -> None:
    """`-h`, `--help`, `--version`, on stdout."""
    assert empty("-h").out.splitlines()[0] == empty("--help").out.splitlines()[0]
    assert re.match(r"Usage: modelsync sync .+\n", empty("sync", "-h").out)
    assert re.fullmatch(r"modelsync \d+\.\d+\.\d+.*\n", empty("--version").out)


# --- the plainest lines, which are read without click ------------------------------------------------


def variables_of_options() -> set[str]:
    """Every variable that stands for an option, as click knows them."""
    found = set()
    for command in [program, *commands().values()]:
        for parameter in command.params:
            names = parameter.envvar or ()
            found |= {names} if isinstance(names, str) else set(names)
    return found


def test_plain_lines_are_left_to_the_program_where_a_variable_stands_for_an_option() -> None:
    """No option's variable is overlooked by the quick way."""
    assert len(variables_of_options()) >= 10
    assert fast.read(["sync"], {"MODELSYNC_STORE": "x", "MODELSYNC_PATH_A": "y", "HOME": "z"}) is not None
    for name in variables_of_options() | {"_MODELSYNC_COMPLETE"}:
        assert fast.read(["sync"], {name: "1"}) is None


@pytest.mark.parametrize(
    "words",
    [["sync", "--help"], ["sync", "-v"], ["sync", "--dir", "x"], ["path"], ["path", "a", "b"], ["path", "hf:u/m"],
     ["path", "--locked", "a"], ["verify", "--full"], ["verify", "--locked"], ["list"], [], ["--", "sync"],
     ["sync", "a=b"], ["sync", "*"]],
)  # fmt: skip
def test_whatever_is_not_plain_is_left_to_the_program(words: list[str]) -> None:
    """Only names and a few flags are read quickly."""
    assert fast.read(words, {}) is None


def test_the_quick_way_says_what_the_program_says(synced: Cli) -> None:
    """Read either way, a plain line comes to the same."""
    for line, status in {
        "sync": 0,
        "-q sync --locked": 0,
        "sync tiny --frozen": 0,
        "sync tinny": 1,
        "sync --locked --frozen": 2,
        "path tiny -q": 0,
        "path tinny": 1,
        "verify -q": 0,
        "-qq verify tinny": 1,
    }.items():
        words = line.split()
        assert fast.read(words, {}) is not None
        assert synced(*words, status=status) == synced(*words, "--color", "auto", status=status)


def test_a_sync_with_nothing_to_do_does_without_click(synced: Cli) -> None:
    """A no-op sync and a path that is here import neither click nor anything that is heavy; verify only what hashes."""
    for words in ("'sync'", "'path', 'tiny'", "'-q', 'verify'"):
        code = (
            f"import sys; sys.argv = ['modelsync', {words}]\nfrom modelsync.__main__ import main\n"
            "try: main()\nexcept SystemExit as end: assert not end.code\n"
            "print({'click', 'rich', 'httpx2', 'tomlkit', 'filelock', 'blake3', 'json.tool'} & sys.modules.keys())"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=synced.folder, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == ("{'blake3'}" if "verify" in words else "set()"), done


@pytest.mark.skipif(os.name == "nt", reason="on Windows a closed pipe is another error")
def test_nobody_reads_any_more(synced: Cli) -> None:
    """A closed pipe ends a command quietly, whichever stream it is."""
    for words, closed in ((["list"], "stdout"), (["cache", "list", "-v"], "stdout"), (["sync"], "stderr")):
        reader, writer = os.pipe()
        os.close(reader)
        streams: dict[str, int] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, closed: writer}
        process = subprocess.Popen([*COMMAND, *words], cwd=synced.folder, **streams)  # type: ignore[call-overload]
        os.close(writer)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out or b"", err or b"") == (1, b"", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_stdout_is_an_error_with_words(synced: Cli, unbuffered: str) -> None:
    """What the system says about stdout is told on stderr, with the disk's status, whenever Python writes it out."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "list"],
            cwd=synced.folder,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write to standard output: No space left on device\nhint: ")
    assert len(done.stderr.splitlines()) == 2


def test_the_endpoint_of_the_command_line_wins(synced: Cli) -> None:
    """`--endpoint` is asked, not what the environment names."""
    wrong = "http://127.0.0.1:9"
    synced.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    assert " ~ tiny" in synced("lock", "-U", "--endpoint", synced.hub.endpoint, HF_ENDPOINT=wrong).err


def test_options_are_shared_and_not_copied() -> None:
    """Every command takes every global option."""
    for command in [program, *commands().values()]:
        assert set(global_options.GLOBAL) <= set(command.params)
