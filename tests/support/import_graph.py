"""Which modules of a package import which, read from their syntax trees."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path


def import_graph(package: Path) -> dict[str, set[str]]:
    """The modules of a package with the modules of it that they import, inside functions too.

    What stands under `if TYPE_CHECKING:` is for type checkers alone and does not count.
    """
    paths = {_name(path, package): path for path in sorted(package.rglob("*.py"))}
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        parent = module if path.name == "__init__.py" else module.rpartition(".")[0]
        named = _imported(ast.parse(path.read_text()), parent)
        # `from a import b` names the module a.b where there is one, else something of the module a.
        found = {name if name in paths else name.rpartition(".")[0] for name in named}
        graph[module] = (found & paths.keys()) - {module}
    return graph


def circle(graph: Mapping[str, set[str]]) -> str:
    """A circle of imports as `a -> b -> a`, where each module imports the next; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " -> ".join(reversed(error.args[1]))
    return ""


def _name(path: Path, package: Path) -> str:
    words = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(words).removesuffix(".__init__")


def _imported(node: ast.AST, parent: str) -> Iterator[str]:
    """The dotted names that a module's imports may mean."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                above = parent.split(".")[: len(parent.split(".")) - child.level + 1]
                base = ".".join((*above, *filter(None, [child.module])))
            yield from (f"{base}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and ast.unparse(child.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        ):
            for other in child.orelse:
                yield from _imported(ast.Module([other], []), parent)
        else:
            yield from _imported(child, parent)
