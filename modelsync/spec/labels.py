"""Quants by the names that makers give them, and the words of a file's name."""

import re
from collections.abc import Iterable, Mapping, Sequence

from modelsync.spec.names import MAX_PATH, file_name, printable
from modelsync.spec.parts import part_of

# A level that no list knows is one in capitals (`Q4_K_HIFI`): in small letters it is more often a word of the name.
_LEVEL = (
    r"(?:XXS|XS|XXL|XL|NL|K(?:SS|S|T|V|L|M)?|R[0-9]|G[0-9]+|[0-9]|[A-Z](?![A-Z0-9])"
    r"|(?-i:[A-Z][A-Z0-9]{1,4}(?![A-Za-z0-9])))"
)
_QUANT = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:UD|i1|smol)-)?"
    rf"(?:Q[0-9][-.]K(?:[-._][SML])?|[IT]?Q[0-9](?:_{_LEVEL})*|Q[0-9]K[SML]?|IQ[0-9](?:XXS|XS|NL|[SM])"
    rf"|Q[0-9]F(?:16|32)|I[28]_S|TL[12]|BF16|F16|F32|F64|FP16|FP32|FP8|FP4|(?:MX|NV)FP4(?:_{_LEVEL})*"
    r"|[0-9]+\.[0-9]+bpw)"
    r"(?:[-_][0-9]+(?:\.[0-9]+)?bpw)?(?:-imat(?:rix)?)?(?![A-Za-z0-9])",
    re.IGNORECASE | re.ASCII,
)
# A quant behind one of these words is that of some tensors, or of the file it was made from.
_OF_A_PART = re.compile(
    r"(?:^|[^A-Za-z0-9])(?:from|kv|cache|(?:token[-_])?embd?|embed(?:ding)?s?|out(?:put)?s?|head|router|gate|emb"
    r"|(?:attn|ffn)(?:[-_][a-z]{1,5})?|exps?|experts?|shexp)[-_. ]$",
    re.IGNORECASE,
)
_AROUND = re.compile(r"^(?:UD|i1|smol)-|(?:[-_][0-9.]+bpw)?(?:-imat(?:rix)?)?$", re.IGNORECASE)
_SPELT = re.compile(r"(Q[0-9])[-._]?(K)(?:[-._]?([SML]))?|(IQ[0-9])(XXS|XS|NL|S|M)", re.IGNORECASE)
_BETWEEN = re.compile(r"[-_\s]+|\.(?![0-9])|(?<![0-9])\.")


def stem_of(path: str) -> str:
    """The path without the ending of a part, a piece or `.gguf`."""
    part = part_of(path)
    stem = part.prefix if part else path
    return stem[:-5] if stem[-5:].lower() == ".gguf" else stem


def quant_of(path: str) -> str | None:
    """The quant that a path names, as its maker wrote it: in the file's name, else in that of a folder."""
    for segment in reversed(stem_of(path).split("/")):
        found = list(_QUANT.finditer(segment))
        whole = [match for match in found if not _OF_A_PART.search(segment[: match.start()])]
        if found:
            return (whole or found)[-1][0]
    return None


def quants_in(path: str) -> list[str]:
    """All quants that a path names, in its order."""
    return [str(word) for word in _QUANT.findall(stem_of(path))]


def plain_quant(quant: str) -> str:
    """The quant in capitals without what its maker put around it: `Q4_K_M` of `UD-q4_k_m` and of `Q4-K-M`."""
    bare = _AROUND.sub("", quant).upper()
    spelt = _SPELT.fullmatch(bare)
    return "_".join(filter(None, spelt.groups())) if spelt else bare


def bits(quant: str) -> int:
    """About how many bits a weight has, by the quant's name; 0 if unknown."""
    digits = re.search(r"[0-9]+", _AROUND.sub("", quant))
    return int(digits[0]) if digits else 0


def words_of(path: str) -> list[str]:
    """The words of the file's name in small letters, without its quants."""
    name = _QUANT.sub(" ", file_name(stem_of(path)))
    return [word.lower() for word in _BETWEEN.split(name) if word]


def labels(models: Sequence[str]) -> Mapping[str, str]:
    """What to call each of a repo's models: no two have the same label, whatever the case.

    The label is the quant that the maker wrote. A name without one, or with that of another file too, is told by what
    follows the words that all names begin with; where that tells nothing, by the path without its ending, or whole.
    """
    quants = {path: quant_of(path) for path in models}
    start = _common_start([file_name(stem_of(path)) for path in models])
    rests = {path: file_name(stem_of(path))[start:] or file_name(stem_of(path)) for path in models}
    once = _once(quants.values())
    first = {
        path: quant if quant and quant.lower() in once else rests[path] for path, quant in quants.items()
    }
    for fallback in (stem_of, str):
        once = _once(first.values())
        first = {path: label if label.lower() in once else fallback(path) for path, label in first.items()}
    return {path: printable(label, MAX_PATH) for path, label in first.items()}


def _once(texts: Iterable[str | None]) -> frozenset[str]:
    """The texts that are there once, in small letters."""
    seen: set[str] = set()
    again: set[str] = set()
    for text in texts:
        if text is not None:
            (again if text.lower() in seen else seen).add(text.lower())
    return frozenset(seen - again)


def _common_start(names: Sequence[str]) -> int:
    """How many characters the names have in common at their start, up to the end of a word and before a quant."""
    if len(names) < 2:
        return 0
    first, last = min(names), max(names)
    same = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), None)
    shorter = min(len(first), len(last))
    same = shorter if same is None else same
    ends = [match.end() for match in _BETWEEN.finditer(first) if match.end() <= same]
    end = ends[-1] if ends else 0
    return next((match.start() for match in _QUANT.finditer(first) if match.start() < end < match.end()), end)
