"""The `load` table: arguments of `llama_cpp.Llama` that a repository may set.

Anyone may have written the repository that a manifest comes with. So values are numbers, booleans and words; keys that
could name a file, a server or code are refused, and so are values that look like a path.
"""

import re
from typing import Any, TypeAlias

from modelsync.errors import UsageError
from modelsync.spec.names import printable

LoadValue: TypeAlias = bool | int | float | str | tuple[float, ...]

MAX_NUMBERS = 1024
MAX_WORD = 200  # characters
KEY = "[a-z][a-z0-9_]{0,63}"
REFUSED_KEY = (
    r"model|.*_(?:path|paths|file|files|dir|handler|callback|processor|criteria|grammar|servers|overrides|url)"
    r"|chat_handler|draft_model|model_path|tokenizer|lora_base|grammar|stopping_criteria|rpc_servers|devices?"
)


def load_value(key: str, value: Any) -> LoadValue:
    """Checks a value of a `load` table; returns it as `llama_cpp.Llama` takes it, a list as a tuple.

    Raises:
        UsageError: the key or the value is not allowed in a manifest.
    """
    if not re.fullmatch(KEY, key):
        raise UsageError("is no argument of llama_cpp.Llama")
    if re.fullmatch(REFUSED_KEY, key):
        raise UsageError(
            "may name a path or code, which a manifest may not",
            hint=f"pass {key}= to modelsync.load() in the program",
        )
    if isinstance(value, list):
        if len(value) > MAX_NUMBERS or not all(map(_is_number, value)):
            raise UsageError(f"a list here has at most {MAX_NUMBERS} elements, all numbers")
        return tuple(value)
    if isinstance(value, str):
        if "/" in value or "\\" in value or len(value) > MAX_WORD or not value.isprintable():
            raise UsageError(f"`{printable(value, 80)}` may be a path or code, which a manifest may not name")
        return value
    if isinstance(value, bool) or _is_number(value):
        return value  # type: ignore[no-any-return]
    raise UsageError("a boolean, a number, a word or a list of numbers is expected")


def _is_number(value: object) -> bool:
    """Whether it is a finite number that C can hold; a boolean is none."""
    if isinstance(value, float):
        return value - value == 0  # neither infinite nor NaN
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
