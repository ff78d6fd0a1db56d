"""Files that a folder model needs by what its own files say: shards of an index, parts of a pipeline. Pure.

Read are `*.index.json` of transformers and diffusers (`weight_map`), `modules.json` of sentence-transformers,
`model_index.json` of diffusers, ONNX models with their data beside them, and parts of a split GGUF model.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from modelsync.errors import RefusedError
from modelsync.spec.globs import Globs, literal, takes
from modelsync.spec.names import file_name, listed, printable
from modelsync.spec.parts import siblings

_MOST_NAMES = 100_000  # of one index
_MOST_GLOBS = 4  # in one note
_SHARD = re.compile(r"-\d{5}-of-\d{5}")
_DATA = re.compile(r"(?:_data|\.data|\.onnx_data)(?:[_.-]?\d+)?")


class Needed(NamedTuple):
    """What one file of a folder model needs and the globs leave out.

    Attributes:
        path: The file that says so.
        files: Paths in the repo.
        globs: What takes them.
    """

    path: str
    files: tuple[str, ...]
    globs: tuple[str, ...]


def is_index(path: str) -> bool:
    """Whether a file's text may name others."""
    name = file_name(path)
    return name in ("modules.json", "model_index.json") or name.endswith(".index.json")


def needed(files: Sequence[str], left_out: Sequence[str], document: Callable[[str], Any]) -> Iterator[Needed]:
    """What the files of a folder model need of those that its globs leave out.

    Args:
        files: The paths of the model's files.
        left_out: The repo's other paths.
        document: Returns the JSON document of an index by its path; None if it cannot be had.
    """
    if not left_out:
        return
    rest, chosen = frozenset(left_out), frozenset(files)
    for path in files:
        folder = path[: -len(file_name(path))]
        found: list[str] = []
        globs: list[str] = []
        if is_index(path):
            said = document(path)
            shards = [folder + name for name in _shards(said)]
            found += [name for name in shards if name in rest]
            globs += [_SHARD.sub("-*", literal(name)) for name in found]
            for part in _components(path, said):
                inside = [name for name in left_out if name.startswith(f"{folder}{part}/")]
                if inside and not any(name.startswith(f"{folder}{part}/") for name in chosen):
                    found += inside
                    globs.append(f"{literal(folder + part)}/*")
                elif f"{folder}{part}/config.json" in rest:
                    found.append(f"{folder}{part}/config.json")
                    globs.append(literal(found[-1]))
        elif path.endswith(".onnx"):
            stem = path.removesuffix(".onnx")
            beside = [name for name in left_out if name.startswith(stem)]
            found += [
                name
                for name in beside
                if _DATA.fullmatch(name.removeprefix(path)) or _DATA.fullmatch(name.removeprefix(stem))
            ]
            globs += map(literal, found)
        else:
            found += [name for name in _parts(path) if name in rest]
            globs += [_SHARD.sub("-*", literal(name)) for name in found]
        if found:
            yield Needed(path, tuple(dict.fromkeys(found)), tuple(dict.fromkeys(globs)))


def note(missing: Needed, globs: Globs) -> str:
    """What a person is told of it, with the glob to add, or the one that takes the files away."""
    what = f"{printable(missing.path)} needs {listed(missing.files)}, which the globs leave out"
    for glob in globs.exclude:
        if any(takes(glob, path) for path in missing.files):
            return f"{what}: `exclude` has `{printable(glob)}`"
    added = ", ".join(f'"{printable(glob)}"' for glob in missing.globs[:_MOST_GLOBS])
    return f"{what}; add {added} to `include`"


def _shards(document: Any) -> Collection[str]:
    """The files of a `weight_map`."""
    names = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(names, dict) or len(names) > _MOST_NAMES:
        return ()
    return dict.fromkeys(name for name in names.values() if isinstance(name, str))


def _components(path: str, document: Any) -> Iterator[str]:
    """The folders of the parts of a pipeline."""
    name = file_name(path)
    if name == "modules.json" and isinstance(document, list):
        parts = [module.get("path") for module in document[:1000] if isinstance(module, dict)]
    elif name == "model_index.json" and isinstance(document, dict):
        parts = [
            key for key, value in list(document.items())[:1000] if isinstance(value, list) and any(value)
        ]
    else:
        parts = []
    yield from (part.strip("/") for part in parts if isinstance(part, str) and part.strip("/"))


def _parts(path: str) -> tuple[str, ...]:
    try:
        return siblings(path)
    except RefusedError:
        return ()
