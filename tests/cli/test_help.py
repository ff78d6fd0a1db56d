"""Pages of help: examples that are right, topics that leave nothing out, and words of other tools."""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

import modelsync
from modelsync import settings
from modelsync.cli import elsewhere
from modelsync.cli.app import program
from modelsync.cli.command import Command, Group
from modelsync.cli.global_options import GLOBAL
from modelsync.cli.help_page import GLOBAL_LINE, Documented
from modelsync.errors import EXIT_CODES, ModelsyncError
from tests.support.command_line import Here
from tests.support.commands import commands, parse

COLOR = "\x1b["


@pytest.fixture
def typed(here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Here:
    """Runs a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return here


def test_every_command_has_examples_that_it_takes() -> None:
    """Two or three of each, and each is a line that the command itself reads."""
    for path, command in {(): program, **commands()}.items():
        assert isinstance(command, Documented)
        assert 2 <= len(command.examples) <= 4, path
        for line, meaning in command.examples:
            assert meaning
            found = re.search(r"modelsync( [^)|<]*)?", line)
            assert found is not None, line
            words = shlex.split(re.sub(r'"$', "", found[0]) if line.count('"$(') else found[0])
            read = parse(words[1:])
            if path:
                assert read.command is command or isinstance(command, Group), line


def test_a_page_points_to_the_global_options_in_one_line(typed: Here) -> None:
    """Every page ends its options with it; the topic has them all, each with its variables."""
    for words in (["--help"], ["cache", "-h"], ["cache", "rm", "--help"], ["sync", "--help"]):
        page = typed(*words).out
        assert page.count(GLOBAL_LINE) == 1
        assert "--package" not in page
    assert len(GLOBAL_LINE) < 80
    for word in re.findall(r"-[-a-z]+", GLOBAL_LINE.partition(":")[0]):
        assert any(word in option.opts for option in GLOBAL), word
    told = typed("help", "options").out
    for option in GLOBAL:
        assert all(name in told for name in option.opts)
    assert re.search(r"MODEL_ENDPOINT,\s+HF_ENDPOINT", told)


def test_the_short_page_of_a_command_is_one_screen(typed: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option is one line, those for special cases are names; none is left out, and the whole page is pointed to."""
    for path, command in {(): program, **commands()}.items():
        page = typed(*path, "-h").out
        lines = page.splitlines()
        assert len(lines) <= (32 if path else 45), path
        assert max(map(len, lines)) <= 80, path
        assert lines[0] == typed(*path, "--help").out.splitlines()[0]
        assert lines[-1] == f"All of this page: {' '.join(('modelsync', *path))} --help"
        assert GLOBAL_LINE in lines
        assert "env var" not in page
        for option in command.params:
            if isinstance(option, click.Option) and option not in GLOBAL:
                for name in (max(option.opts, key=len), *option.secondary_opts):
                    assert re.search(rf"(?<![\w-]){name}(?![\w-])", page), (path, name)
        assert isinstance(command, Documented)
        assert [line for line, _ in command.examples[:2] if line not in page] == []
    monkeypatch.setenv("MODELSYNC_COLOR", "always")
    assert COLOR in typed("sync", "-h").out


def test_help_has_both_its_names_in_any_context() -> None:
    """A page that was first made in a bare context, as the manual's are, takes nothing from the command."""
    made = Command("made")
    shown = made.get_params(click.Context(made))[-2:]
    assert [name for option in shown for name in option.opts] == ["-h", "--help"]


def test_help_shows_the_page_of_a_command(typed: Here) -> None:
    """The page that `--help` shows, of commands in groups too; for programs as an object."""
    assert typed("help").out == typed("--help").out
    for path in commands():
        assert typed("help", *path).out == typed(*path, "--help").out
    value = typed("help", "sync", "--format", "json").json
    assert value["text"] in typed("sync", "--help").out


def test_an_unknown_page_names_the_nearest(typed: Here) -> None:
    """A command, a topic, or what another tool's word means here."""
    for words, message, hint in (
        ("snyc", "there is no page `snyc`; did you mean `sync`?", "`modelsync --help` lists the commands"),
        ("enviroment", "there is no page `enviroment`; did you mean `environment`?", None),
        ("cache prone", "there is no page `prone`; did you mean `prune`?", None),
        ("lock all", "`modelsync lock` has no commands of its own", None),
        ("update", "there is no command `update`", "that is `modelsync lock --upgrade`"),
    ):
        done = typed("help", *words.split())
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith(f"error: {message}\nhint: {hint or ''}")


def test_a_misspelt_word_of_another_tool_is_told_what_it_means(typed: Here) -> None:
    """Not what merely looks like it here."""
    done = typed("instal")
    assert done.status == 2
    assert done.err == (
        "error: there is no command `instal`; did you mean `install`?\nhint: that is `modelsync sync`\n"
    )


def test_the_top_page_ends_with_the_exit_codes(typed: Here) -> None:
    """Those of the table of errors, and the topic has each error's code."""
    page = typed("--help").out
    codes = page.partition("Exit codes:\n")[2]
    assert re.findall(r"^  (\d+)", codes, re.MULTILINE) == list(map(str, EXIT_CODES))
    told = typed("help", "exit-codes").out

    def kinds(kind: type[ModelsyncError]) -> list[type[ModelsyncError]]:
        return [kind, *(below for each in kind.__subclasses__() for below in kinds(each))]

    for kind in kinds(ModelsyncError):
        if kind.__module__.startswith("modelsync."):
            assert kind.exit_code in EXIT_CODES
            section = told.partition(f"Errors with {kind.exit_code}, ")[2].partition("\nErrors with ")[0]
            assert kind.code == "error" or f"  {kind.code} " in section, kind


def test_the_page_of_the_environment_leaves_no_variable_out(typed: Here) -> None:
    """Each that the code reads: by its settings, by an option, or by name where it is needed."""
    told = typed("help", "environment").out
    for name in settings.VARIABLES:
        assert name in told
    for command in [program, *commands().values()]:
        for parameter in command.params:
            assert parameter.envvar is None or f"  {parameter.envvar} " in told
    read = set()
    for path in Path(modelsync.__file__).parent.rglob("*.py"):
        read |= {name for name in _names_read(path) if name not in NOT_TOLD}
    assert len(read) > 20
    assert [name for name in sorted(read) if name not in told] == []
    for field, each in settings.VARIABLES_OF.items():
        assert (
            each.help
            or field in ("endpoint", "variant")
            or any(
                parameter.envvar in each.names
                for command in [program, *commands().values()]
                for parameter in command.params
            )
        ), each


# What is looked at to know the system, and no setting of this program or its like.
NOT_TOLD = {
    "COMP_WORDS",
    "COMP_CWORD",
    "TERM",
    "PATH",
    "ANDROID_DATA",
    "LOCALAPPDATA",
    "GGML_NO_BACKTRACE",
    "VERSION",
}


def _names_read(path: Path) -> set[str]:
    """The names that a module reads from something called an environment; of other tools' caches, all in capitals."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if path.parent.name == "caches" and isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} if re.fullmatch("[A-Z][A-Z_]{5,}", node.value) else set()
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("get", "getenv")
        ):
            of, names = ast.unparse(node.func.value), node.args[:1]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "get":
            of, names = "environ", node.args[:1]
        elif isinstance(node, ast.Subscript):
            of, names = ast.unparse(node.value), [node.slice]
        elif isinstance(node, ast.Compare):
            of, names = ast.unparse(node.comparators[0]), [node.left]
        else:
            continue
        if re.search(r"(^|\W|_)env(iron)?$|variables$", of):
            found |= {
                name.value
                for name in names
                if isinstance(name, ast.Constant) and isinstance(name.value, str) and name.value.isupper()
            }
    return found


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            "add",
            "`modelsync add` needs NAME and URI",
            "for example `modelsync add llama3 hf:user/model:Q4_K_M`",
        ),
        ("export", "`modelsync export` needs --to FORMAT", "--to is llama-server, ollama, env, "),
        ("completion", "`modelsync completion` needs SHELL", "SHELL is bash, zsh, fish or powershell"),
        ("sync --jobs 65", "--jobs takes a number from 1 to 64, not `65`", "`modelsync sync --help` lists "),
        ("sync --jobs", "--jobs needs a value", "--jobs N"),
        ("sync --link-mode", "--link-mode needs a value", "--link-mode is auto, reflink, hardlink, "),
        ("chat tiny --max-tokens=0", "--max-tokens takes a number from 1 on, not `0`", ""),
        ("sync --check=yes", "--check takes no value", "`modelsync sync --help` lists what it takes"),
        ("-vq=1", "`modelsync` has no option `-=`", ""),
        ("sync --events /", "--events: / is not a file", ""),
        ("list --format jsn", "--format takes text or json, not `jsn`; did you mean `json`?", ""),
        ("list --format it's\\n", "--format takes text or json, not `it's\\n`", ""),
        ("doctor a b", "`modelsync doctor` takes no `a`, `b`", ""),
        ("cache size x", "`modelsync cache size` takes no `x`", ""),
    ],
)
def test_a_line_that_makes_no_sense_is_told_in_our_words(
    typed: Here, words: str, message: str, hint: str
) -> None:
    """What is taken there instead, in one line without escapes, and where to read on."""
    done = typed(*words.split())
    assert (done.status, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first == f"error: {message}"
    assert second.startswith(f"hint: {hint}")


def test_a_variable_with_a_wrong_value_is_named(typed: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the option that it stands for."""
    for name, value, words in (
        ("MODELSYNC_JOBS", "0", "(--jobs) takes a number from 1 to 64, not `0`"),
        ("MODELSYNC_OFFLINE", "maybe", "(--offline) takes 1 or 0, not `maybe`"),
        ("MODELSYNC_COLOR", "blue", "(--color) takes auto, always or never, not `blue`"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert typed("sync", "-q").err.startswith(f"error: {name} {words}\n")


@pytest.mark.parametrize(
    "words",
    [
        "update",
        "version",
        "tree",
        "show",
        "login",
        "config",
        "cache info",
        "cache clear",
        "cache delete",
        "search",
    ],
)
def test_a_word_of_another_tool_is_told_what_it_is_here(typed: Here, words: str) -> None:
    """One answer, and no other word that merely looks like it."""
    done = typed(*words.split())
    assert done.status == 2
    first, second = done.err.splitlines()
    assert first == f"error: there is no command `{words.split()[-1]}`"
    assert second.startswith("hint: ")


def test_what_other_words_mean_is_there() -> None:
    """Each command that is named for them can be typed, with its options."""
    for prefix, table in (((), elsewhere.PROGRAM), (("cache",), elsewhere.CACHE)):
        group: click.Command = program
        for name in prefix:
            assert isinstance(group, Group)
            found = group.get_command(click.Context(group), name)
            assert found is not None
            group = found
        assert isinstance(group, Group)
        for word, meant in table.items():
            assert word not in group.places
            lines = re.findall(r"`modelsync ([^`]*)`", meant)
            if meant.split()[0] in group.places:
                lines = [" ".join((*prefix, meant))]
            for line in lines:
                context = click.Context(program, resilient_parsing=True)
                rest = line.split()
                command: click.Command = program
                while isinstance(command, Group) and rest and not rest[0].startswith("-"):
                    found = command.get_command(context, rest.pop(0))
                    assert found is not None, line
                    command = found
                options = {name for parameter in command.get_params(context) for name in parameter.opts}
                assert all(part in options for part in rest if part.startswith("-")), line


def test_nothing_points_from_one_model_to_all_of_them(typed: Here) -> None:
    """What removes a model elsewhere is never answered with what empties the store alone."""
    for words in (
        "cache clear x",
        "cache delete x",
        "cache remove x",
        "cache purge x",
        "cache rmm x",
        "cache rm x",
    ):
        hint = typed(*words.split()).err.splitlines()[-1]
        assert "clean" not in hint or "cache rm" in hint


def test_pages_have_colours_where_these_are_shown(typed: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headings and what is typed, wherever `--color` stands; none in a pipe, or where NO_COLOR says so."""
    plain = typed("sync", "--help").out
    assert COLOR not in plain
    for words in (["--color", "always", "sync", "--help"], ["sync", "--help", "--color=always"]):
        shown = typed(*words).out
        assert "\x1b[32m\x1b[1mOptions:\x1b[0m" in shown
        assert "\x1b[36m\x1b[1m--locked\x1b[0m" in shown
        assert click.unstyle(shown) == plain
    monkeypatch.setenv("MODELSYNC_COLOR", "always")
    assert COLOR in typed("sync", "--help").out
    assert COLOR in typed("help", "options").out
    assert COLOR not in typed("sync", "--help", "--color", "never").out
    assert COLOR in typed().err  # no command: the page, on stderr


def test_only_one_command_may_be_called_as_another_tool_does() -> None:
    """Every command of ours declares itself by our class, so that none lacks the line and the examples."""
    assert all(isinstance(command, Command | Group) for command in commands().values())
