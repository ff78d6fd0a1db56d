"""What `.gitattributes` says of the lock: its diff has to be seen in code reviews."""

from pathlib import Path

import pytest

from modelsync.ops import edit
from modelsync.project import attributes
from tests.support.command_line import Cli


def test_init_writes_line_endings_alone(tmp_path: Path) -> None:
    """Nothing that lets a code review fold the lock's diff, in which a forged digest would stand."""
    assert edit.init(tmp_path).notes == ()
    assert (tmp_path / ".gitattributes").read_text() == "models.lock text eol=lf\n"


@pytest.mark.parametrize(
    "line",
    [
        "models.lock linguist-generated=true text eol=lf",
        "*.lock linguist-generated",
        "/models.lock -diff",
        "* binary",
    ],
)
def test_what_hides_the_diff_is_noted(tmp_path: Path, line: str) -> None:
    """`init` leaves the line, and says what it does."""
    (tmp_path / ".gitattributes").write_text(f"{line}\n")
    (note,) = edit.init(tmp_path).notes
    assert "hides the diff of models.lock" in note
    assert line in (tmp_path / ".gitattributes").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# models.lock linguist-generated",
        "models.lock text eol=lf",
        "poetry.lock linguist-generated",
        "*.lock linguist-generated\nmodels.lock -linguist-generated\n",
        "models.lock linguist-generated=false",
    ],
)
def test_what_hides_nothing_is_not_noted(text: str) -> None:
    """Other files, comments, and a later line that takes it back."""
    assert attributes.hidden_note(text, "models.lock") is None


def test_doctor_notes_it_too(synced: Cli) -> None:
    """A note: nothing is wrong with this machine."""
    (synced.folder / ".gitattributes").write_text("models.lock linguist-generated=true\n")
    assert "linguist-generated" in synced("doctor", "--offline").err + synced("doctor", "--offline").out
