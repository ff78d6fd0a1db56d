"""What holds the house up and import-linter does not see: no circle between two modules, no test that is a library."""

from pathlib import Path

import pytest

import modelsync
from tests.support.import_graph import circle, import_graph

PACKAGE = Path(modelsync.__file__).parent


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    """No circle between modules of the package: imports inside functions and the lazy front door count."""
    graph = import_graph(PACKAGE)
    graph["modelsync"] |= set(modelsync._MODULES.values())
    assert len(graph) > 200
    assert "modelsync.context.connect" in graph["modelsync.context.context"]
    assert not circle(graph), f"a circle of imports: {circle(graph)}"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": "import p.b", "b": "import p.a"}, "p.a -> p.b -> p.a"),
        ({"a": "from p import b", "b": "from p.c import x", "c": "from p.a import y"}, "p.a -> p.b -> p.c"),
        ({"a": "def f():\n    from p.b import x", "b": "from p.a import f"}, "p.a -> p.b -> p.a"),
        ({"a": "from . import b", "b": "from .a import x"}, "p.a -> p.b -> p.a"),
        ({"__init__": "from p.a import x", "a": "from p import y"}, "p -> p.a -> p"),
        ({"q/__init__": "from .a import x", "q/a": "from ..b import y", "b": "import p.q"}, "p.q -> p.q.a"),
        ({"a": "if TYPE_CHECKING:\n    pass\nelse:\n    import p.b", "b": "import p.a"}, "p.a -> p.b -> p.a"),
        ({"a": "try:\n    import p.b\nexcept E:\n    pass", "b": "import p.a"}, "p.a -> p.b -> p.a"),
        ({"a": "if TYPE_CHECKING:\n    import p.b", "b": "import p.a"}, ""),
        ({"a": "if typing.TYPE_CHECKING:\n    from p.b import x", "b": "from p import a"}, ""),
        ({"a": "import p.b, p.c", "b": "import p.c", "c": "import os"}, ""),
    ],
)
def test_a_circle_is_found_and_named(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    """The check can fail: it names the modules of a circle in the order in which they import each other."""
    package = tmp_path / "p"
    for name, text in {"__init__": "", **files}.items():
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = circle(import_graph(package))
    assert bool(found) == bool(expected)
    steps = set(zip(found.split(" -> "), found.split(" -> ")[1:], strict=False))
    assert set(zip(expected.split(" -> "), expected.split(" -> ")[1:], strict=False)) <= steps


def test_no_test_module_is_a_library() -> None:
    """What several test modules need is made in tests/support/: none imports another, or a conftest."""
    for module, imported in import_graph(PACKAGE.parent / "tests").items():
        libraries = [name for name in imported if name.rpartition(".")[2].startswith(("test_", "conftest"))]
        assert not libraries, f"{module} imports {libraries}"
