"""Chooses a model's files in a repo: llama.cpp's rules, with the faults mended that published repos show.

llama.cpp takes the first name in which a word ends with the quant, so that `F16` finds `BF16`, and may take another
quant where there is none. Here a quant is a whole word, and a missing one is an error. What is a model at all is told
by `file_kinds`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from modelsync.errors import NotFoundError
from modelsync.spec.file_kinds import by_kind
from modelsync.spec.labels import bits, labels, plain_quant, quant_of, quants_in, stem_of, words_of
from modelsync.spec.names import did_you_mean, printable
from modelsync.spec.parts import part_of, siblings
from modelsync.spec.uri_forms import is_model_file

_OTHER_PIECE = re.compile(r"\.gguf[-._](?:split-)?[a-z]{1,2}$", re.IGNORECASE)  # `x.gguf-split-a`, `x.gguf.a`
DEFAULT_QUANTS = ("Q4_K_M", "Q8_0")
MAX_COMPARED = 2000  # paths among which a misspelt one is looked for


class Choice(NamedTuple):
    """The files of a repo that are one model.

    `joined`: they are pieces of one file; otherwise several files are the parts of a split model. `note` tells people
    of a choice that was made for them.
    """

    files: tuple[str, ...]
    joined: bool
    note: str | None
    quant: str | None


class RepoModel(NamedTuple):
    """One of the models of a repo.

    Attributes:
        path: Its file; of a split model the first part that is there.
        label: What to call it: its quant as its maker wrote it, or what else tells it from the others.
        by_quant: Whether the label, in the place of a quant, means this one and will go on doing so: the maker's own
            word for its quant. Any other is named by its path.
    """

    path: str
    label: str
    by_quant: bool


def choose_model(
    paths: Sequence[str],
    *,
    quant: str | None,
    path: str | None,
    repo: str,
    sizes: Mapping[str, int] | None = None,
) -> Choice:
    """Chooses a model among the files of a repo.

    Args:
        paths: All the repo's paths.
        quant: The quant that was asked for, in any case.
        path: The file that was asked for; it wins over `quant`.
        repo: `user/model`, for messages.
        sizes: Bytes of files, where they are known: calibration data is told by them.

    Raises:
        NotFoundError: there is no such file or quant, or a part of it is missing.
    """
    if path is not None:
        return _whole(path, paths, repo)
    firsts = by_kind(paths, sizes).models
    if not firsts:
        raise NotFoundError(
            f"{repo} has no GGUF model",
            hint="name a file of it, take several with --include, or look for a repo with GGUF in its name",
        )
    if quant is not None:
        found = _with_quant(firsts, quant)
        if not found:
            there = quants(paths, sizes)
            if cut := [path for path in paths if _OTHER_PIECE.search(path) and _with_quant([path], quant)]:
                raise NotFoundError(
                    f"{repo} has {printable(quant)} only in pieces whose names do not say how many they are",
                    hint=f"join them by hand ({printable(', '.join(cut), 600)}), or take another quant",
                )
            raise NotFoundError(
                f"{repo} has no quant {printable(quant)}{did_you_mean(quant.upper(), there)}",
                hint=f"it has {printable(', '.join(there), 600)}" if there else _these(firsts),
            )
        note = (
            f"{len(found)} files of {repo} are {quant}; took {printable(found[0])}; another: {_uri(repo, found[1])}"
            if len(found) > 1
            else None
        )
        return _whole(found[0], paths, repo, note)
    preferred = (found[0] for name in DEFAULT_QUANTS if (found := _with_quant(firsts, name)))
    taken = next(preferred, firsts[0])
    listed = frozenset(paths)
    whole = (model for model in models(paths, sizes) if listed.issuperset(siblings(model.path)))
    other = next((model for model in whole if model.path != taken), None)
    if other is None:
        return _whole(taken, paths, repo)
    named = f"hf:{repo}:{other.label}" if other.by_quant else _uri(repo, other.path)
    note = f"{repo} has {len(firsts)} models; took {printable(taken)}; another: {named}"
    return _whole(taken, paths, repo, note)


def models(paths: Sequence[str], sizes: Mapping[str, int] | None = None) -> tuple[RepoModel, ...]:
    """The models of a repo, from small to large by their quants; no two have the same label."""
    firsts = by_kind(paths, sizes).models
    found = []
    for path, label in labels(firsts).items():
        own = quant_of(path)
        found.append(RepoModel(path, label, own == label and _with_quant(firsts, label) == [path]))
    return tuple(sorted(found, key=lambda model: (bits(quant_of(model.path) or ""), model.label)))


def quants(paths: Sequence[str], sizes: Mapping[str, int] | None = None) -> tuple[str, ...]:
    """The labels of a repo's models, from small to large."""
    return tuple(model.label for model in models(paths, sizes))


def _with_quant(paths: Sequence[str], quant: str) -> list[str]:
    """The paths of that quant: by the maker's word, by label, by the plain quant, or the only one with the word.

    Of several the plainest is first.
    """
    wanted = quant.upper()
    exact = [path for path in paths if (quant_of(path) or "").upper() == wanted]
    if exact:
        return sorted(exact, key=_plainness)
    labelled = [path for path, label in labels(paths).items() if label.upper() == wanted]
    if labelled:
        return labelled
    plain = [path for path in paths if (own := quant_of(path)) and plain_quant(own) == wanted]
    if plain:
        return sorted(plain, key=_plainness)
    word = re.compile(rf"(?<![A-Z0-9_]){re.escape(wanted)}(?![A-Z0-9_])")
    named = [
        path
        for path in paths
        if wanted in (found.upper() for found in quants_in(path)) or word.search(stem_of(path).upper())
    ]
    return named if len(named) == 1 else []  # a word in many names distinguishes none


def _plainness(path: str) -> tuple[bool, int, int, bool, int]:
    """Sorts a plain model before its twins: one with a draft head in it, `-128K-`, `-fixed`, a split one."""
    words = words_of(path)
    return (
        "mtp" in words,
        path.count("/"),
        len(words) + len(quants_in(path)),
        part_of(path) is not None,
        len(path),
    )


def _uri(repo: str, path: str) -> str:
    return f"hf:{repo}/{printable(path)}"


def _whole(path: str, paths: Sequence[str], repo: str, note: str | None = None) -> Choice:
    """The choice of `path` with all its parts or pieces.

    Raises:
        NotFoundError: it, or one of them, is not there.
    """
    there = frozenset(paths)
    needed = siblings(path)
    missing = [sibling for sibling in needed if sibling not in there]
    if path not in there and len(missing) == len(needed):
        models = [other for other in paths if is_model_file(other)] if is_model_file(path) else list(paths)
        near = did_you_mean(path, models[:MAX_COMPARED])
        raise NotFoundError(
            f"{repo} has no file {printable(path)}{near}", hint=None if near else _these(models)
        )
    if missing:
        raise NotFoundError(
            f"{repo} lacks {len(missing)} of the {len(needed)} parts of {printable(path)}: "
            + printable(", ".join(missing), 600),
            hint="a split model loads only whole; its maker may still be uploading it",
        )
    part = part_of(path)
    return Choice(needed, bool(part and part.joined), note, quant_of(path))


def _these(models: Sequence[str]) -> str | None:
    """A hint that names the models of the repo."""
    if not models:
        return None
    more = f" and {len(models) - 8} more" if len(models) > 8 else ""
    return f"it has {printable(', '.join(models[:8]), 600)}{more}"
