"""SECURITY.md promises what a test holds, and nothing else."""

import ast
import re
from functools import cache
from pathlib import Path

TREE = Path(__file__).parent.parent
PAGE = (TREE / "SECURITY.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def defined_in(path: str) -> frozenset[str]:
    """The names of the tests that a file defines; none if it is not there."""
    file = TREE / path
    body = ast.parse(file.read_text("utf-8")).body if file.is_file() else []
    return frozenset(each.name for each in body if isinstance(each, ast.FunctionDef))


def part(title: str) -> str:
    """What stands below a heading of the second level."""
    return re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:][titles().index(title)]


def titles() -> list[str]:
    """The headings of the second level, in order."""
    return re.findall(r"^## (.+)$", PAGE, re.MULTILINE)


def test_every_test_that_is_named_is_there() -> None:
    """A test that is renamed or removed takes its promise with it."""
    named = NAMED.findall(PAGE)
    assert len(named) == PAGE.count("::"), "some names are not written as `tests/file.py::test_name`"
    assert [f"{path}::{name}" for path, name in named if name not in defined_in(path)] == []


def test_every_promise_names_its_test() -> None:
    """Each line of what someone can or cannot do, and each credential."""
    lines = re.findall(r"^- .+(?:\n  .+)*", part("Who is trusted"), re.MULTILINE)
    rows = [row for row in part("Where credentials go").splitlines() if row.startswith("| ")][1:]
    assert lines
    assert rows
    assert [line for line in lines + rows if not NAMED.search(line)] == []
    assert part("Who is trusted").count("\nCan:") == part("Who is trusted").count("\nCannot:")


def test_readers_find_the_page() -> None:
    """README and CONTRIBUTING lead to it, from a clone; an sdist has the page and neither of them need be there."""
    for name in ("README.md", "CONTRIBUTING.md"):
        page = TREE / name
        assert not page.is_file() or "(SECURITY.md)" in page.read_text("utf-8")
