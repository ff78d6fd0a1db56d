"""What `llama_cpp.Llama` takes: its real signature, as it is installed here.

`Llama` swallows keywords that it does not know, so a misspelt one would be lost without a word.
"""

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelsync.spec.names import did_you_mean, printable

if TYPE_CHECKING:
    from llama_cpp import Llama

# Words in the place of a number, which the memory of this machine decides about.
SETTLED_HERE = {"n_gpu_layers": "auto", "n_ctx": "max"}

_KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a word"}


def signature(llama: "type[Llama]") -> Mapping[str, frozenset[str]]:
    """The keywords, each with the names of the types in its annotation; `model_path` is not among them."""
    parameters = inspect.signature(llama.__init__).parameters.values()
    return {
        each.name: frozenset(re.findall(r"\b(?:bool|int|float|str|List)\b", str(each.annotation)))
        for each in parameters
        if each.kind is each.KEYWORD_ONLY
    }


def unknown(key: str, known: Mapping[str, frozenset[str]]) -> str | None:
    """What is wrong with the name of a keyword; None if it is one."""
    if key in known:
        return None
    return f"llama_cpp.Llama takes no `{printable(key)}`{did_you_mean(key, tuple(known))}"


def misfit(key: str, value: object, known: Mapping[str, frozenset[str]]) -> str | None:
    """What is wrong with a manifest's value for a keyword that there is; None if it fits."""
    kinds = known[key]
    if not kinds or SETTLED_HERE.get(key) == value:
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
