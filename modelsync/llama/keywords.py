"""Checks keywords against the signature of the installed `llama_cpp.Llama`.

`Llama` ignores keywords that it does not know, so a misspelt one would be lost silently.
"""

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelsync.spec.names import did_you_mean, printable

if TYPE_CHECKING:
    from llama_cpp import Llama

# Words that stand for a number which depends on this machine's memory.
AUTO_WORDS = {"n_gpu_layers": "auto", "n_ctx": "max"}

_KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a word"}


def signature(llama: "type[Llama]") -> Mapping[str, frozenset[str]]:
    """The keywords of `Llama`, each with the type names of its annotation; without `model_path`."""
    parameters = inspect.signature(llama.__init__).parameters.values()
    return {
        each.name: frozenset(re.findall(r"\b(?:bool|int|float|str|List)\b", str(each.annotation)))
        for each in parameters
        if each.kind is each.KEYWORD_ONLY
    }


def unknown(key: str, known: Mapping[str, frozenset[str]]) -> str | None:
    """The error for an unknown keyword; None if it is known."""
    if key in known:
        return None
    return f"llama_cpp.Llama takes no `{printable(key)}`{did_you_mean(key, tuple(known))}"


def type_error(key: str, value: object, known: Mapping[str, frozenset[str]]) -> str | None:
    """The error for a manifest's value of a known keyword; None if its type fits."""
    kinds = known[key]
    if not kinds or AUTO_WORDS.get(key) == value:
        return None
    if isinstance(value, bool):
        fits = "bool" in kinds
    elif isinstance(value, int):
        fits = bool(kinds & {"int", "float"}) and "List" not in kinds
    elif isinstance(value, float):
        fits = "float" in kinds and "List" not in kinds
    elif isinstance(value, str):
        fits = "str" in kinds
    else:
        fits = "List" in kinds
    if fits:
        return None
    wanted = "a list of numbers" if "List" in kinds else " or ".join(_KINDS[kind] for kind in sorted(kinds))
    return f"{wanted} is expected, not `{printable(str(value), 80)}`"
