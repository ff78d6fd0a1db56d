"""What this machine decides about a load: the words `auto` and `max`, and whether the model fits at all.

llama.cpp ends the process, or the system does, when memory runs out; so a load that cannot fit is refused before.
The formulas are quick and decide most loads. llama.cpp itself is asked, in a process of its own, where something is to
be settled, where GPUs have a part in it, and before a model is refused.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from modelsync.errors import MisfitError, ModelsyncError, NotAModelError
from modelsync.gguf.merge import merge
from modelsync.llama.keywords import SETTLED_HERE
from modelsync.llama.traits import header_of
from modelsync.memory import placement
from modelsync.memory.estimate import Estimate, Model, Use, model_of
from modelsync.memory.load_settings import LoadSettings, from_load
from modelsync.spec.names import printable
from modelsync.spec.parts import siblings
from modelsync.system import devices
from modelsync.system.devices import Device

_LOG = logging.getLogger("modelsync")
_SURE = 4  # a lack of a quarter is more than the formulas are ever wrong by: llama.cpp need not be asked, and is slow


def settle(
    model: Path, mmproj: Path | None, loras: Sequence[Path], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """The keywords with numbers in place of `auto` and `max`.

    Args:
        model: The file, or the first part of a split model.
        mmproj: Its projector.
        loras: Its adapters.
        keywords: For `llama_cpp.Llama`; `n_gpu_layers` may be `auto`, and `n_ctx` `max`.

    Raises:
        ModelsyncError: the model does not fit this machine under these settings; the hint says what would.
        UsageError: llama.cpp would refuse the settings.
    """
    open_words = {key for key, word in SETTLED_HERE.items() if keywords.get(key) == word}
    memory = devices.memory()
    try:
        known = _known(model, mmproj, loras)
    except NotAModelError as error:
        if not open_words:
            return dict(keywords)  # llama.cpp has the last word about what our reader refuses
        raise ModelsyncError(
            f"cannot settle {_named(open_words)}: {error.message}", hint=error.hint
        ) from error
    if memory is None:
        if not open_words:
            return dict(keywords)
        raise ModelsyncError(
            f"cannot settle {_named(open_words)}: this machine does not tell its memory", hint="write numbers"
        )
    settings, ram = from_load(keywords), memory.device()
    with ExitStack() as stack:
        found, gpus = _estimate(known, settings, ram, stack, exactly=bool(open_words))
        if _is_short(found, keywords, ram.total):
            if found.source == "formula" and (found.bound or placement.shortage(found) < found.need // _SURE):
                found, gpus = _estimate(known, settings, ram, stack, exactly=True)
            if _is_short(found, keywords, ram.total) and not found.bound:  # nor for what may be less
                remedies = placement.remedies(known, found.settings, placement.formula(known, ram, gpus))
                raise MisfitError(
                    f"{printable(model.name)} {placement.verdict(found).text}",
                    hint=f"it fits with {remedies[0].text}" if remedies else "a smaller quant needs less",
                )
    settled = dict(keywords)
    if "n_gpu_layers" in open_words:
        settled["n_gpu_layers"] = found.settings.gpu_layers
    if "n_ctx" in open_words:
        settled["n_ctx"] = found.settings.context or known.shape.context
    if open_words:
        chosen = ", ".join(f"{key} = {settled[key]}" for key in sorted(open_words))
        _LOG.info("%s: %s, by %s for this machine", printable(model.name), chosen, found.source)
    return settled


def _known(model: Path, mmproj: Path | None, loras: Sequence[Path]) -> Model:
    headers = [header_of(model.with_name(part)) for part in siblings(model.name)]
    return model_of(
        merge(headers, model.name) if len(headers) > 1 else headers[0],
        [header_of(mmproj)] if mmproj is not None else [],
        [header_of(lora) for lora in loras],
    )


def _estimate(
    model: Model, settings: LoadSettings, ram: Device, stack: ExitStack, *, exactly: bool
) -> tuple[Estimate, Sequence[Device]]:
    """What it needs, and the GPUs that have a part in it."""
    import llama_cpp

    with_gpus = bool(llama_cpp.llama_supports_gpu_offload()) and settings.gpu_layers != 0
    if not exactly and not with_gpus:
        return placement.formula(model, ram)(settings), ()
    from modelsync.llama.breakdown import Breakdown
    from modelsync.llama.breakdown_estimate import estimator, gpus_of

    breakdown = stack.enter_context(Breakdown())
    gpus = gpus_of(breakdown) if with_gpus else ()
    return estimator(model, ram, gpus, breakdown)(settings), gpus


def _is_short(found: Estimate, keywords: Mapping[str, Any], total: int) -> bool:
    """Whether memory would run out.

    Weights that are mapped cost no memory that others could not have back, and two loads of one file share them: they
    must go into what the machine has, and only the rest into what is free.
    """
    if keywords.get("use_mmap", True) is False or keywords.get("use_mlock"):
        return placement.shortage(found) > 0
    unmapped = [_without_weights(use) if use.device.kind == "ram" else use for use in found.uses]
    ram = next(use for use in found.uses if use.device.kind == "ram")
    return placement.shortage(found._replace(uses=tuple(unmapped))) > 0 or ram.need > total


def _without_weights(use: Use) -> Use:
    return use._replace(weights=0)


def _named(keys: set[str]) -> str:
    return " and ".join(f'`{key} = "{SETTLED_HERE[key]}"`' for key in sorted(keys))
