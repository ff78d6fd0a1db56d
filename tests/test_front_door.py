"""The front door, `import modelsync`: the same names for programs, for `dir()` and for type checkers."""

import ast
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import modelsync

RIGHT = """
from pathlib import Path

import modelsync
from modelsync import path

here: Path = path("llama3")
report: modelsync.SyncReport = modelsync.sync("llama3", locked=True)
rows = modelsync.verify(full=True)
version: str = modelsync.__version__


def hear(event: modelsync.Event) -> None:
    print(event.done, rows, report.changes)


try:
    modelsync.pull("hf:user/model:Q4_K_M", on_progress=hear)
except modelsync.ModelsyncError as error:
    print(error.hint)
"""
WRONG = """
import modelsync
from modelsync import pth

modelsync.syncc()
print(pth)
modelsync.path("llama3", downlaod=False)
modelsync.path(3)
"""
WRONG_LINES = {3, 5, 7, 8}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A user's folder with a script that is right and one that is not."""
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    return tmp_path


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_sees_which_names_there_are(scripts: Path) -> None:
    """A strict mypy passes a right script, and reports a misspelt name, keyword or type."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "right.py", "wrong.py"],
        cwd=scripts,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line.split(":", 3) for line in done.stdout.splitlines() if ": error:" in line]
    assert {file for file, *_ in found} == {"wrong.py"}, done
    assert {int(line) for _, line, *_ in found} == WRONG_LINES, done
    assert any('no attribute "syncc"' in words for *_, words in found), done
    assert any('no attribute "pth"' in words for *_, words in found), done


@pytest.mark.skipif(find_spec("basedpyright") is None, reason="basedpyright is not installed")
def test_pyright_sees_which_names_there_are(scripts: Path) -> None:
    """Pyright says the same; basedpyright is the distribution of it that brings its own node."""
    (scripts / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=scripts,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    assert {Path(each["file"]).name for each in found} == {"wrong.py"}, done
    assert {each["range"]["start"]["line"] + 1 for each in found} == WRONG_LINES, done
    rules = {each["range"]["start"]["line"] + 1: each["rule"] for each in found}
    assert rules[3] == rules[5] == "reportAttributeAccessIssue"


def test_the_lists_of_public_names_agree() -> None:
    """`__all__`, `dir()`, the lazy imports, and what a checker reads are one list, from the same modules."""
    tree = ast.parse(Path(modelsync.__file__).read_text())
    (checked,) = (
        node for node in tree.body if isinstance(node, ast.If) and not node.orelse and _for_checkers(node)
    )
    seen = {
        alias.name: node.module
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == modelsync._MODULES
    assert sorted(modelsync.__all__) == sorted(modelsync._MODULES) == dir(modelsync)
    (listed,) = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and _names(node) == ["__all__"]
    )
    assert ast.literal_eval(listed) == modelsync.__all__  # checkers understand literal lists alone


@pytest.mark.parametrize("name", modelsync.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Each name of `__all__` can be had."""
    assert getattr(modelsync, name) is not None


def _for_checkers(node: ast.If) -> bool:
    return ast.unparse(node.test) == "TYPE_CHECKING"


def _names(node: ast.Assign) -> list[str]:
    return [ast.unparse(target) for target in node.targets]
