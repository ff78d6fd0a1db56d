"""Where in a TOML text a key stands."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.spec.locate import line_of, statements
from tests.support.manifests import FULL, manifest_texts
from tests.support.strategies import HOSTILE_TEXTS

TEXT = '''\
top.dotted = 1
# models.b in a comment
[models]  # here
a = "x"

"b.c" = """
[models.fake]
fake = 1
"""
list = [
  # comment
  { k = 1 },
]
[[models.many]]
k = 1
[[models.many]]
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top", "dotted"), 1),
        (("top",), 1),
        (("models",), 3),
        (("models", "a"), 4),
        (("models", "a", "unknown"), 4),
        (("models", "b.c"), 6),
        (("models", "list"), 10),
        (("models", "list", 0, "k"), 10),
        (("models", "many"), 14),
        (("models", "many", 0, "k"), 15),
        (("models", "unknown"), 3),
        (("unknown",), None),
        ((), None),
    ],
)
def test_the_line_of_a_key(path: tuple[str | int, ...], line: int | None) -> None:
    """The statement that says most of a path is its place; a comment or a text that looks like one is not."""
    assert line_of(TEXT, path) == line


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_statements_of_several_lines(ending: str) -> None:
    """A statement reaches from its first line to its last, with either line ending."""
    found = [(one.first, one.last, one.path) for one in statements(TEXT.replace("\n", ending))]
    assert (6, 9, ("models", "b.c")) in found
    assert (10, 13, ("models", "list", "k")) in found
    assert [(first, path) for first, _, path in found if path in (("models",), ("models", "many"))] == [
        (3, ("models",)),
        (14, ("models", "many")),
        (16, ("models", "many")),
    ]


def _paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all tables and values."""
    if not isinstance(value, dict):
        return [path]
    return [path, *(found for key, item in value.items() for found in _paths(item, (*path, key)))]


@given(manifest_texts())
def test_each_key_of_a_manifest_is_found_in_its_line(text: str) -> None:
    """The statement in the line that is named does say something of the key."""
    lines = text.split("\n")
    found = {one.first: one for one in statements(text)}
    for path in _paths(tomllib.loads(text))[1:]:
        line = line_of(text, path)
        assert line is not None
        assert path[0] in lines[line - 1] or found[line].path[0] == path[0]
        common = found[line].path[: len(path)]
        assert common == path[: len(common)]


@given(manifest_texts())
def test_the_statements_are_the_text(text: str) -> None:
    """They follow each other, and what is between them is blank or a comment."""
    lines = text.split("\n")
    covered: set[int] = set()
    for one in statements(text):
        own = set(range(one.first, one.last + 1))
        assert covered.isdisjoint(own)
        covered |= own
    rest = [line.strip() for number, line in enumerate(lines, 1) if number not in covered]
    assert all(line == "" or line.startswith("#") for line in rest)


@given(st.one_of(st.text(), HOSTILE_TEXTS, st.text('[]{}"=.#\n a', max_size=60)))
def test_a_text_that_is_no_toml_has_no_places(text: str) -> None:
    """The search for a place ends whatever the text is: it is only made for an error."""
    line_of(text, ("models", "a"))
    line_of(FULL + text, ("models", "llama3"))


def test_a_hostile_text_is_given_up() -> None:
    """A value over very many lines costs no more than some seconds' work, and then has no line."""
    assert line_of('a = """' + "\n" * 100_000 + '"""\n[models]', ("models",)) is None
