"""How options travel: as values, from the command line or a call's keywords to the place that uses them."""

import ast
import inspect
import os
import sys
from collections import defaultdict
from pathlib import Path

import click
import pytest

import modelsync
from modelsync.cli.app import program
from modelsync.cli.commands.cache import cache
from tests.hub import Hub
from tests.support.command_line import python
from tests.support.project import REPO

MOST = 9  # arguments of a function
PACKAGE = Path(modelsync.__file__).parent
PUBLIC = (
    "estimate",
    "files",
    "inspect",
    "licenses",
    "load",
    "lock",
    "path",
    "pull",
    "push",
    "sync",
    "verify",
)

COUNTED = """
import sys
opened = []

def told():
    for name in ("models.toml", "models.lock"):
        print(name, sum(path.endswith(name) for path in opened), file=sys.stderr, flush=True)

def heard(event, args):
    if event == "open":
        opened.append(str(args[0]))
    elif event == "os.exec":
        told()

sys.addaudithook(heard)
from modelsync.__main__ import main
sys.argv = ["modelsync", "-q", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
told()
"""
ONCE = {"models.toml": 1, "models.lock": 1}
LOCK_WRITTEN = {"models.toml": 1, "models.lock": 2}  # compared once more just before it is replaced
BOTH_WRITTEN = {"models.toml": 2, "models.lock": 2}


def arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many a caller can give: without a method's `self`."""
    given = function.args
    positional = [each.arg for each in (*given.posonlyargs, *given.args)]
    named = len(positional) - (positional[:1] == ["self"]) + len(given.kwonlyargs)
    return named + (given.vararg is not None) + (given.kwarg is not None)


def test_no_function_takes_ten_arguments() -> None:
    """Public functions are written out for `help()`; everything else takes values."""
    wide = []
    for path in sorted(PACKAGE.rglob("*.py")):
        public = path.parent.name == "api"
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or arguments(node) <= MOST:
                continue
            if not (public and node.name in modelsync.__all__):
                wide.append(f"{path.relative_to(PACKAGE)}: {node.name} takes {arguments(node)}")
    assert wide == []


def test_each_option_of_a_command_has_a_name_of_its_own() -> None:
    """Values are filled by the names of options: of two with one name, one would be lost without a word."""
    context = click.Context(program)
    for group in (program, cache):
        for word in group.places:
            command = group.get_command(context, word)
            assert command is not None
            names = [parameter.name for parameter in command.params]
            assert len(names) == len(set(names)), (word, names)


def test_public_functions_share_their_keywords() -> None:
    """A keyword that several public functions have is of one kind, type and default in all of them."""
    assert set(PUBLIC) == {name for name in modelsync.__all__ if inspect.isfunction(getattr(modelsync, name))}
    found: dict[str, dict[tuple[object, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in PUBLIC:
        for keyword in inspect.signature(getattr(modelsync, name)).parameters.values():
            if keyword.kind is inspect.Parameter.KEYWORD_ONLY:
                found[keyword.name][keyword.annotation, keyword.default].append(name)
    shared = {keyword: dict(kinds) for keyword, kinds in found.items() if sum(map(len, kinds.values())) > 1}
    assert {"manifest", "package", "variant", "token", "offline", "max_rate", "cancel"} <= shared.keys()
    assert {keyword: kinds for keyword, kinds in shared.items() if len(kinds) > 1} == {}


@pytest.fixture
def project(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, tiny_gguf: Path) -> Path:
    """A project with a variant; nothing is locked yet."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": tiny_gguf, "tiny-Q8_0.gguf": tiny_gguf})
    (tmp_path / "models.toml").write_text(
        f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nload = {{ n_ctx = 64 }}\n'
        f'[models.tiny.variants.large]\nuri = "hf:{REPO}:Q8_0"\n'
    )
    return tmp_path


def reads(folder: Path, *words: str) -> dict[str, int]:
    """How often a command opens the manifest and the lock."""
    done = python("-c", COUNTED, *words, folder=folder, variables=os.environ)
    assert done.status == 0, done.err
    lines = [line.split() for line in done.err.splitlines() if line.startswith("models.")]
    return {name: int(count) for name, count in lines}


def test_a_lock_reads_each_file_once(project: Path) -> None:
    """Whether it writes the lock or finds it up to date."""
    assert reads(project, "lock") == LOCK_WRITTEN
    assert reads(project, "lock") == ONCE
    assert reads(project, "lock", "--check") == ONCE
    assert reads(project, "lock", "--upgrade") == ONCE


def test_a_sync_reads_each_file_once(project: Path) -> None:
    """One that locks and one that does not; after a whole one the memo answers, and neither file is read."""
    assert reads(project, "sync", "tiny", "--variant", "large") == LOCK_WRITTEN
    assert reads(project, "sync") == ONCE
    assert reads(project, "sync") == {"models.toml": 0, "models.lock": 0}
    assert reads(project, "path", "tiny") == {"models.toml": 0, "models.lock": 0}
    (project / "models.lock").unlink()
    assert reads(project, "sync") == LOCK_WRITTEN
    assert reads(project, "sync") == {"models.toml": 0, "models.lock": 0}


@pytest.mark.parametrize(
    "words",
    [
        ("path", "tiny"),
        ("path", "tiny", "--variant", "auto"),
        ("run", "--variant", "large", "--", sys.executable, "-c", ""),
        ("run", "--no-sync", "--", sys.executable, "-c", ""),
        ("verify",),
        ("verify", "--repair"),
        ("estimate", "tiny"),
        ("export", "--to", "json"),
        ("list",),
        ("outdated",),
        ("add", "other", f"hf:{REPO}:Q8_0"),
        ("remove", "tiny"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_command_reads_each_file_once(project: Path, words: tuple[str, ...]) -> None:
    """What one step of a command has read is handed to the next."""
    reads(project, "sync", "tiny")  # a part: no memo answers
    assert reads(project, *words) == (BOTH_WRITTEN if words[0] in ("add", "remove") else ONCE)


def test_a_repair_reads_each_file_once(project: Path) -> None:
    """One that has something to repair, too."""
    assert reads(project, "lock") == LOCK_WRITTEN
    assert reads(project, "verify", "--repair") == ONCE
