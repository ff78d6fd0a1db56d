"""What the files of a repo are, by their names: models, projectors, draft heads, calibration data.

llama.cpp leaves out each name with one of these words anywhere in it. Published repos have whole models called
`…-MTP-Q4_K_M.gguf` and `…-v2-imatrix.gguf`, and heads called `…-assistant.Q4_K_M.gguf`: so where the word stands counts
here, and what lies beside the file.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from modelsync.spec.labels import quant_of, stem_of, words_of
from modelsync.spec.names import file_name
from modelsync.spec.parts import part_of
from modelsync.spec.uri_forms import is_model_file

HEAD_WORDS = ("mtp", "dspark", "dflash", "eagle3")  # in the order in which llama.cpp prefers them
_ENDINGS = frozenset({"assistant", "eagle3", "dflash", "dspark"})
_HEAD_START = re.compile(rf"(?:{'|'.join(HEAD_WORDS)})(?![a-z0-9])", re.IGNORECASE | re.ASCII)
_SMALLER = 4  # calibration data is less than this part of the largest model beside it


class FilesByKind(NamedTuple):
    """The GGUF files of a repo, each kind in a fixed order; a split model by its first part that is there.

    Attributes:
        models: What a URI may mean that names no file.
        projectors: Of vision and audio models.
        heads: Draft heads, for speculative decoding. They are among `models` too where there is no other.
    """

    models: tuple[str, ...]
    projectors: tuple[str, ...]
    heads: tuple[str, ...]


def by_kind(paths: Iterable[str], sizes: Mapping[str, int] | None = None) -> FilesByKind:
    """Sorts the GGUF files of a repo by what their names say they are; other files are left out.

    Args:
        paths: All the repo's paths.
        sizes: Bytes of files, where they are known: calibration data is small beside a model.
    """
    found: dict[str, str] = {}
    whole: dict[str, int] = {}
    for path in sorted(paths, key=lambda path: (path.count("/"), path)):
        if is_model_file(path):
            part = part_of(path)
            first = found.setdefault(part.sibling(1) if part else path, path)
            whole[first] = whole.get(first, 0) + ((sizes or {}).get(path) or 0)
    projectors = tuple(path for path in found.values() if is_projector(path))
    rest = [path for path in found.values() if path not in projectors]
    stated = [path for path in rest if _begins_as_head(path)]
    others = [path for path in rest if path not in stated]
    plain = {tuple(words_of(path)) for path in others}
    heads = {*stated, *(path for path in others if _ends_as_head(path, plain))}
    others = [path for path in others if path not in heads]
    largest = max((whole[path] for path in others), default=0)
    models = tuple(path for path in others if not _is_calibration(path, whole[path], largest, others))
    if not models:
        models = tuple(path for path in rest if not _is_only_imatrix(path))
    return FilesByKind(models, projectors, tuple(path for path in rest if path in heads))


def is_projector(path: str) -> bool:
    """Whether the path is that of a projector: the word may stand anywhere in it."""
    return is_model_file(path) and "mmproj" in path.lower()


def _begins_as_head(path: str) -> bool:
    """Whether the file's name, or that of a folder, begins with a word for draft heads."""
    return any(_HEAD_START.match(segment) for segment in path.split("/"))


def _ends_as_head(path: str, plain: Iterable[tuple[str, ...]]) -> bool:
    """Whether the name ends with a word for draft heads, and a model has the name without it."""
    words = words_of(path)
    return bool(words) and words[-1] in _ENDINGS and tuple(words[:-1]) in plain


def _is_calibration(path: str, size: int, largest: int, others: Iterable[str]) -> bool:
    """Whether it is the data that a quant was calibrated with: the word is in its name, and models are beside it."""
    if _is_only_imatrix(path):
        return True
    if "imatrix" not in words_of(path) or all("imatrix" in words_of(other) for other in others):
        return False
    return size * _SMALLER < largest if size else quant_of(file_name(path)) is None


def _is_only_imatrix(path: str) -> bool:
    """Whether the name says calibration data and nothing of a model."""
    name = file_name(stem_of(path)).lower()
    return name.startswith("imatrix") and quant_of(name) is None
