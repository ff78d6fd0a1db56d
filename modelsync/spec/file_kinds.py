"""What the files of a repo are, by their names: models, projectors, draft heads, calibration data.

llama.cpp leaves out each name with one of these words anywhere in it. Published repos have whole models called
`…-MTP-Q4_K_M.gguf` and `…-v2-imatrix.gguf`, and heads called `…-assistant.Q4_K_M.gguf`: so where the word stands counts
here, and what lies beside the file.
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from modelsync.spec.labels import quant_of, stem_of, words_of
from modelsync.spec.names import file_name
from modelsync.spec.parts import part_of
from modelsync.spec.uri_forms import is_model_file

HEAD_ENDINGS = frozenset({"assistant", "eagle3", "dflash", "dspark", "draft", "drafter", "nextn"})
_HEAD_START = re.compile(r"(?:(?:mtp|dspark|dflash)[0-9]*|eagle3)(?![a-z0-9])", re.IGNORECASE | re.ASCII)
_FOLDERS = frozenset({"mtp", "eagle3", "dflash", "dspark"})
_SMALL_WORDS = frozenset({"imatrix", "lora", "qlora", "adapter"})  # a merged model has `lora` in its name too
_PART_WORDS = frozenset({"tokenizer", "wavtokenizer", "vocoder", "audiodecoder", "vocab"})
_AID_ENDINGS = frozenset({"be", "audio", "tts"})
_SMALLER = 4  # calibration data and adapters are less than this part of the largest model beside them


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
    names = {tuple(words_of(path)) for path in found.values()}
    projectors = tuple(
        path for path in found.values() if is_projector(path) or _ends_with(path, {"vision"}, names)
    )
    rest = [path for path in found.values() if path not in projectors]
    others = [path for path in rest if not _begins_as_head(path)]
    plain = {tuple(words_of(path)) for path in others}
    others = [path for path in others if not _ends_with(path, HEAD_ENDINGS, plain)]
    heads = tuple(path for path in rest if path not in others)
    models = tuple(path for path in others if not _is_aid(path, whole, others, plain))
    if not models:
        models = tuple(path for path in rest if not _is_only_imatrix(path))
    return FilesByKind(models, projectors, heads)


def is_projector(path: str) -> bool:
    """Whether the path is that of a projector: the word may stand anywhere in it."""
    return is_model_file(path) and "mmproj" in path.lower()


def _begins_as_head(path: str) -> bool:
    """Whether the file's name begins with a word for draft heads, or that word is the name of a folder."""
    *folders, name = path.split("/")
    return _HEAD_START.match(name) is not None or any(folder.lower() in _FOLDERS for folder in folders)


def _ends_with(path: str, endings: Container[str], plain: Container[tuple[str, ...]]) -> bool:
    """Whether the name without its quant ends with such words, and a file has the name without them."""
    words = words_of(path)
    while words and words[-1] in endings:
        words.pop()
        if tuple(words) in plain:
            return True
    return False


def _is_aid(
    path: str, whole: Mapping[str, int], others: Sequence[str], plain: Container[tuple[str, ...]]
) -> bool:
    """Whether it is no model beside the others: calibration data, an adapter, a tokenizer, a voice."""
    if _is_only_imatrix(path) or _ends_with(path, _AID_ENDINGS, plain):
        return True
    words = _aid_words(path)
    beside = [other for other in others if not _aid_words(other)]
    if not words or not beside:
        return False
    if not words.isdisjoint(_PART_WORDS):
        return True
    largest = max(whole[other] for other in beside)
    return whole[path] * _SMALLER < largest if whole[path] else quant_of(file_name(path)) is None


def _aid_words(path: str) -> frozenset[str]:
    return (_SMALL_WORDS | _PART_WORDS).intersection(words_of(path))


def _is_only_imatrix(path: str) -> bool:
    """Whether the name says calibration data and nothing of a model."""
    name = file_name(stem_of(path)).lower()
    return name.startswith("imatrix") and quant_of(name) is None
