"""docs/guides/fleet.md: what is modelled there is what its formula gives, and what it points to is there."""

import re
from pathlib import Path

import pytest

TREE = Path(__file__).parent.parent
PLACE = TREE / "docs" / "guides" / "fleet.md"
PAGE = PLACE.read_text("utf-8") if PLACE.is_file() else ""
SIZE, NODE, REGISTRY = 4.9e9, 125e6, 1.25e9  # bytes, and bytes a second, as the page says

pytestmark = pytest.mark.skipif(not PAGE, reason="there is no such page beside these tests")


def told(seconds: float) -> str:
    """As the page writes a time, to two digits."""
    if seconds < 60:
        return f"{round(seconds, -1):.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"


def part(title: str) -> str:
    """What stands below a heading."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_model_gives_the_table() -> None:
    """Each cell is the larger of what a node takes and what the registry gives."""
    assert "max(S / r, N * S / B)" in part("Modelled")
    rows = re.findall(r"^\| ([\d,]+) \| (.+?) \| (.+?) \|$", part("Modelled"), re.MULTILINE)
    assert len(rows) == 4
    for nodes, *cells in rows:
        count = int(nodes.replace(",", ""))
        for factor, cell in zip((1, 10), cells, strict=True):
            assert cell == told(max(SIZE / NODE, count * SIZE / (REGISTRY * factor))), (nodes, factor)


def test_what_was_measured_says_under_which_conditions() -> None:
    """Tables with the clients of the bench, and what it was measured on; what is modelled stands apart."""
    measured = part("Measured")
    clients = re.findall(r"^\| (\d+) \|", measured, re.MULTILINE)
    assert clients
    assert clients == ["1", "4", "16", "64"] * (len(clients) // 4)  # a table for each way
    assert re.search(r"\d+ cores", measured)
    assert "Nothing in this part was measured" in part("Modelled")


def test_what_it_points_to_is_there() -> None:
    """Files of this project."""
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGE):
        assert (PLACE.parent / link).is_file(), link
