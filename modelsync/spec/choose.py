"""Chooses a model's files in a repo: llama.cpp's rules, with two corrections.

llama.cpp takes the first name in which a word ends with the quant, so that `F16` finds `BF16`, and may take another
quant where there is none. Here a quant is a whole word, and a missing one is an error.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modelsync.errors import NotFoundError
from modelsync.spec.names import did_you_mean, file_name, printable
from modelsync.spec.parts import part_of, siblings
from modelsync.spec.uri_forms import is_model_file

DEFAULT_QUANTS = ("Q4_K_M", "Q8_0")

# Base names with one of these are no models by themselves: projectors, calibration data, draft heads.
_COMPANIONS = ("mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-")
_LEVEL = r"(?:XXS|XS|XL|S|M|L|NL|K(?:SS|S|T|V|L)?|[0-9]|R[0-9])"
_QUANT = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:UD|i1)-)?"
    rf"(?:(?:[IT]?Q[0-9](?:_{_LEVEL})*)|BF16|F16|F32|F64|FP16|FP32|FP8|FP4|MXFP4(?:_MOE)?|NVFP4)"
    r"(?:-imat)?(?![A-Za-z0-9])",
    re.IGNORECASE | re.ASCII,
)
_AROUND = re.compile(r"^(?:UD|i1)-|-imat$", re.IGNORECASE)


class Choice(NamedTuple):
    """The files of a repo that are one model.

    `joined`: they are pieces of one file; otherwise several files are the parts of a split model. `note` tells people
    of a choice that was made for them.
    """

    files: tuple[str, ...]
    joined: bool
    note: str | None
    quant: str | None


def choose_model(paths: Sequence[str], *, quant: str | None, path: str | None, repo: str) -> Choice:
    """Chooses a model among the files of a repo.

    Args:
        paths: All the repo's paths.
        quant: The quant that was asked for, in any case.
        path: The file that was asked for; it wins over `quant`.
        repo: `user/model`, for messages.

    Raises:
        NotFoundError: there is no such file or quant, or a part of it is missing.
    """
    if path is not None:
        return _whole(path, paths, repo)
    firsts = _candidates(paths)
    if not firsts:
        raise NotFoundError(
            f"{repo} has no GGUF model",
            hint="it may hold another format: look for a repo with GGUF in its name",
        )
    if quant is not None:
        found = _with_quant(firsts, quant)
        if not found:
            there = quants(paths)
            raise NotFoundError(
                f"{repo} has no quant {printable(quant)}{did_you_mean(quant.upper(), there)}",
                hint=f"it has {printable(', '.join(there), 600)}" if there else _these(firsts),
            )
        note = (
            f"{len(found)} files of {repo} are {quant}; took {printable(found[0])}"
            if len(found) > 1
            else None
        )
        return _whole(found[0], paths, repo, note)
    preferred = (found[0] for name in DEFAULT_QUANTS if (found := _with_quant(firsts, name)))
    taken = next(preferred, firsts[0])
    note = f"{repo} has {len(firsts)} models; took {printable(taken)}" if len(firsts) > 1 else None
    return _whole(taken, paths, repo, note)


def choose_mmproj(paths: Sequence[str], model_path: str, repo: str) -> str:
    """Chooses the projector beside a model: the deepest folder in common, then the nearest bit width.

    Raises:
        NotFoundError: the repo has none.
    """
    found = [path for path in paths if path.endswith(".gguf") and "mmproj" in file_name(path).lower()]
    if not found:
        raise NotFoundError(
            f"{repo} has no projector (a file with mmproj in its name)", hint='give its URI: mmproj = "hf:…"'
        )
    quant = (quant_of(model_path) or "").upper()

    def distance(path: str) -> tuple[int, int, bool, int, str]:
        own = (quant_of(path) or "").upper()
        width = abs(bits(own) - bits(quant))
        return -_folders_in_common(path, model_path), width, own != quant, path.count("/"), path

    return min(found, key=distance)


def quants(paths: Sequence[str]) -> tuple[str, ...]:
    """The quants that a repo has, from small to large."""
    found = {quant for path in _candidates(paths) if (quant := quant_of(path))}
    return tuple(sorted(found, key=lambda quant: (bits(quant), quant)))


def quant_of(path: str) -> str | None:
    """The quant that a path names, as its maker wrote it: in the file's name, else in that of a folder."""
    for segment in reversed(_stem(path).split("/")):
        words = _QUANT.findall(segment)
        if words:
            return str(words[-1])
    return None


def bits(quant: str) -> int:
    """About how many bits a weight has, by the quant's name; 0 if unknown."""
    digits = re.search(r"[0-9]+", _AROUND.sub("", quant))
    return int(digits[0]) if digits else 0


def _candidates(paths: Iterable[str]) -> list[str]:
    """The models of a repo, in a fixed order; a split model by its first part that is there."""
    models: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: (path.count("/"), path)):
        if is_model_file(path) and not any(word in file_name(path).lower() for word in _COMPANIONS):
            part = part_of(path)
            models.setdefault(part.sibling(1) if part else path, path)
    return list(models.values())


def _with_quant(paths: Sequence[str], quant: str) -> list[str]:
    """The paths of that quant: exact matches, else without prefix and suffix, else the only one with the word."""
    wanted = quant.upper()
    word = re.compile(rf"(?<![A-Z0-9_]){re.escape(wanted)}(?![A-Z0-9_])")
    ranks: list[list[str]] = [[], [], []]
    for path in paths:
        stem = _stem(path).upper()
        own = quant_of(stem)
        if own == wanted:
            ranks[0].append(path)
        elif own is not None and _AROUND.sub("", own) == wanted:
            ranks[1].append(path)
        elif wanted in _QUANT.findall(stem) or word.search(stem):
            ranks[2].append(path)
    if len(ranks[2]) > 1:  # a word in many names distinguishes none
        ranks.pop()
    return next((rank for rank in ranks if rank), [])


def _whole(path: str, paths: Sequence[str], repo: str, note: str | None = None) -> Choice:
    """The choice of `path` with all its parts or pieces.

    Raises:
        NotFoundError: it, or one of them, is not there.
    """
    there = frozenset(paths)
    needed = siblings(path)
    missing = [sibling for sibling in needed if sibling not in there]
    if path not in there and len(missing) == len(needed):
        models = [other for other in paths if is_model_file(other)]
        near = did_you_mean(path, models)
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


def _stem(path: str) -> str:
    """The path without the ending of a part, a piece or `.gguf`."""
    part = part_of(path)
    return (part.prefix if part else path).removesuffix(".gguf")


def _folders_in_common(path: str, other: str) -> int:
    count = 0
    for one, two in zip(path.split("/")[:-1], other.split("/")[:-1], strict=False):
        if one != two:
            break
        count += 1
    return count
