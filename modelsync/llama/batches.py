"""The batch sizes of a model that makes a vector or a score of a text, or is not causal. Pure.

llama.cpp computes a text of a model that is not causal at once, and ends the process where `n_ubatch` is less than the
text has tokens. llama-cpp-python cuts a text to `n_batch` tokens and does not say so. So both follow the context.
Sources: `llama-context.cpp` (`encode`, `decode`, `graph_reserve`), `Llama.embed` of llama-cpp-python 0.3.36.
"""

from collections.abc import Mapping
from typing import Any

from modelsync.errors import UsageError
from modelsync.llama.traits import Traits

CONTEXT = 512  # llama_cpp.Llama's default `n_ctx`, in tokens
# llama-cpp-python allows as many texts in one batch as tokens, up to 256, and llama.cpp ends the process where the
# tokens are no multiple of the texts. A context is rounded up to a multiple of 256 by llama.cpp itself.
STEP = 256
_NON_CAUSAL = 1  # LLAMA_ATTENTION_TYPE_NON_CAUSAL
_MEAN = 1  # LLAMA_POOLING_TYPE_MEAN


def with_batches(settings: Mapping[str, Any], model: Traits, context: int = CONTEXT) -> dict[str, Any]:
    """The settings, with `n_batch` and `n_ubatch` where the model needs others than the defaults.

    Args:
        settings: Keywords for `llama_cpp.Llama`; `n_ctx` may be `max`.
        model: Traits of the model.
        context: `n_ctx` where the settings have none, in tokens; 0: the trained context.

    Raises:
        UsageError: both are given, and llama.cpp would end the process.
    """
    made = dict(settings)
    causal = model.causal and settings.get("attention_type") != _NON_CAUSAL
    if causal and model.task == "generate" and not settings.get("embedding"):
        return made
    asked = settings.get("n_ctx", context)
    cells = asked if isinstance(asked, int) and asked > 0 else model.context or CONTEXT
    tokens = min(cells, model.positions or cells)
    batch, ubatch = settings.get("n_batch") or tokens, settings.get("n_ubatch") or None
    at_once = not causal or settings.get("pooling_type", model.pooling) == _MEAN
    if not at_once:
        made["n_batch"] = batch
        return made
    if "n_batch" in settings and ubatch is not None and min(batch, tokens) > ubatch:
        raise UsageError(
            f"`n_ubatch = {ubatch}` is less than `n_batch = {batch}`, and the model computes a text at once",
            hint="leave `n_ubatch` out, or make it as large as `n_batch`",
        )
    size = min(batch, ubatch or batch, tokens)
    whole = rounded_up(size)
    made["n_batch"] = made["n_ubatch"] = whole if whole <= (model.positions or whole) else size // STEP * STEP
    if "n_ctx" in settings and asked != "max":
        made["n_ctx"] = rounded_up(cells)
    return made


def rounded_up(tokens: int) -> int:
    """A number of tokens that llama.cpp computes as several texts: one up to 256, or a multiple of that."""
    return tokens if tokens <= STEP else -(-tokens // STEP) * STEP
