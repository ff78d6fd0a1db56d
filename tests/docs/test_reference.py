"""The manual's reference is made from the code: nothing is left out, and every page has its place."""

import importlib.util
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import modelsync
from modelsync import settings
from modelsync.cli.app import program
from modelsync.cli.command import Group
from modelsync.errors import ModelsyncError
from modelsync.net import config
from modelsync.spec.manifest import keys

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The pages by their names, as `make docs` writes them."""
    spec = importlib.util.spec_from_file_location("reference_pages", ROOT / "tools" / "reference_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: dict[str, Callable[[], str]] = module.PAGES
    return {name: page() for name, page in made.items()}


def commands(found: click.Command, context: click.Context) -> Iterator[click.Context]:
    """A command's context, and those of all below it."""
    yield context
    if not isinstance(found, Group):
        return
    for name in found.places:
        below = found.get_command(context, name)
        assert below is not None
        yield from commands(below, click.Context(below, parent=context, info_name=name))


def test_every_command_and_option_has_its_place(pages: dict[str, str]) -> None:
    """With every flag that its page in the terminal has."""
    text = pages["cli.md"].replace("&#124;", "|")
    for context in commands(program, click.Context(program, info_name="modelsync")):
        assert context.parent is None or f"### {context.command_path}\n" in text
        for option in context.command.params:
            for flag in option.opts if isinstance(option, click.Option) and not option.hidden else ():
                assert flag in text, (context.command_path, flag)


def test_every_key_is_there(pages: dict[str, str]) -> None:
    """Of models.toml and of config.toml."""
    for key in (*keys.PROJECT_KEYS, *keys.ENTRY_KEYS):
        assert f"| `{key}` |" in pages["manifest.md"]
    for key in config.KEYS:
        assert f"| `{key}` |" in pages["configuration.md"]


def test_the_example_of_the_users_file_is_right() -> None:
    """It is TOML that the reader takes, with every key."""
    assert tomllib.loads(config.EXAMPLE).keys() == config.KEYS.keys()


def test_every_variable_is_there(pages: dict[str, str]) -> None:
    """Those that settings read, and those that are read elsewhere."""
    for name in (*settings.VARIABLES, *settings.ELSEWHERE):
        assert f"`{name}`" in pages["configuration.md"]


def kinds(kind: type[ModelsyncError]) -> Iterator[type[ModelsyncError]]:
    """A class of errors and all below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def test_every_error_code_is_there(pages: dict[str, str]) -> None:
    """Each under the status that a command ends with."""
    for kind in kinds(ModelsyncError):
        if kind.__module__ == "modelsync.errors" and "code" in vars(kind) and kind is not ModelsyncError:
            _, _, below = pages["errors.md"].partition(f"## Errors with {kind.exit_code}")
            assert f"| `{kind.code}` |" in below.partition("\n## ")[0], kind


def test_every_public_name_is_there(pages: dict[str, str]) -> None:
    """The site writes each out from its docstring."""
    for name in modelsync.__all__:
        assert name == "__version__" or f".{name}\n" in pages["python.md"]


def test_what_the_readme_links_to_is_there() -> None:
    """The manual's own links are held by its build; those of README.md lead into the repository."""
    links = re.findall(r"\]\(([^)#]+)", (ROOT / "README.md").read_text("utf-8"))
    assert len(links) > 20
    assert [each for each in links if ":" not in each and not (ROOT / each).exists()] == []


def test_the_readmes_figure_is_the_benchs() -> None:
    """What an update of metadata and a repair made a server send, as a part of the file."""
    if not (ROOT / "bench" / "results.md").is_file():
        pytest.skip("there is no bench beside these tests")
    assert "[under 1 % of the file](bench/results.md)" in (ROOT / "README.md").read_text("utf-8")
    rows = (ROOT / "bench" / "results.md").read_text("utf-8").splitlines()
    for what in ("update: metadata alone changed", "repair: one bit"):
        (row,) = (row for row in rows if row.startswith(f"| {what}"))
        assert 0 < float(row.split("|")[4]) < 0.01


@pytest.mark.parametrize("name", ["cli.md", "manifest.md", "configuration.md", "errors.md"])
def test_markdown_takes_nothing_from_the_words(pages: dict[str, str], name: str) -> None:
    """A place like <dir>/<name> is no HTML, and a glob or an underscore makes nothing slanted."""
    text = re.sub(r"```.*?```|<code>.*?</code>|`[^`]*`", "", pages[name], flags=re.DOTALL)
    assert not re.search(r"<\w|(?<!\\)\*|(?<![\w\\])_|(?<!\\)_(?!\w)", text)


def test_a_place_in_a_description_is_shown(pages: dict[str, str]) -> None:
    """With the angle brackets that it has in the terminal."""
    assert "&lt;dir>/&lt;name>/&lt;file>" in pages["manifest.md"]


def named(nav: Any) -> Iterator[str]:
    """The pages of a navigation."""
    for entry in nav:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from named(value)


def test_every_page_is_in_the_navigation(pages: dict[str, str]) -> None:
    """And nothing is there that is no page."""
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    listed = list(named(tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]))
    assert sorted(listed) == sorted(there | {f"reference/{name}" for name in pages})
