"""Replaces `auto` and `max` in load settings, and refuses a model that does not fit this machine.

When memory runs out, llama.cpp or the system ends the process, so a model that does not fit is refused before it is
loaded. The fast formulas decide most loads. llama.cpp is asked, in another process, if there is a setting to replace,
if GPUs are used, and before a model is refused.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from modelsync.errors import MisfitError, ModelsyncError, NotAModelError
from modelsync.gguf.merge import merge
from modelsync.llama.keywords import AUTO_WORDS
from modelsync.llama.traits import header_of
from modelsync.memory import placement, shape
from modelsync.memory.companions import CompanionHeader
from modelsync.memory.estimate import DeviceUse, Estimate, EstimatedModel, model_of
from modelsync.memory.load_settings import LoadSettings, from_load
from modelsync.spec.names import printable
from modelsync.spec.parts import siblings
from modelsync.system import devices
from modelsync.system.devices import Device

_LOG = logging.getLogger("modelsync")
# If a quarter of the need is missing, the formulas cannot be wrong, and llama.cpp, which is slow, is not asked.
_CERTAIN = 4


def resolve_settings(
    model: Path, mmproj: Path | None, loras: Sequence[Path], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the keywords with numbers in place of `auto` and `max`.

    Args:
        model: The file, or the first part of a split model.
        mmproj: Its projector.
        loras: Its adapters.
        keywords: For `llama_cpp.Llama`; `n_gpu_layers` may be `auto`, and `n_ctx` `max`.

    Raises:
        ModelsyncError: the model does not fit this machine with these settings; the hint says what would.
        UsageError: llama.cpp would refuse the settings.
    """
    open_words = {key for key, word in AUTO_WORDS.items() if keywords.get(key) == word}
    memory = devices.memory()
    try:
        estimated = _read_model(model, mmproj, loras)
    except NotAModelError as error:
        if not open_words:
            return dict(keywords)  # llama.cpp decides about files that our reader refuses
        raise ModelsyncError(
            f"cannot find a number for {_named(open_words)}: {error.message}", hint=error.hint
        ) from error
    if memory is None:
        if not open_words:
            return dict(keywords)
        raise ModelsyncError(
            f"cannot find a number for {_named(open_words)}: the memory of this machine is unknown",
            hint="set a number",
        )
    settings, ram = from_load(keywords), memory.device()
    with ExitStack() as stack:
        found, gpus = _estimate(estimated, settings, ram, stack, exactly=bool(open_words))
        if _is_short(found, keywords, ram.total):
            if found.source == "formula" and (
                found.bound or placement.shortage(found) < found.need // _CERTAIN
            ):
                found, gpus = _estimate(estimated, settings, ram, stack, exactly=True)
            if _is_short(found, keywords, ram.total) and not found.bound:  # an upper bound proves nothing
                remedies = placement.remedies(
                    estimated, found.settings, placement.formula(estimated, ram, gpus)
                )
                raise MisfitError(
                    f"{printable(model.name)} {placement.verdict(found).text}",
                    hint=f"it fits with {remedies[0].text}" if remedies else "a smaller quant needs less",
                )
    resolved = dict(keywords)
    if "n_gpu_layers" in open_words:
        resolved["n_gpu_layers"] = found.settings.gpu_layers
    if "n_ctx" in open_words:
        resolved["n_ctx"] = found.settings.context or estimated.shape.context
    if open_words:
        chosen = ", ".join(f"{key} = {resolved[key]}" for key in sorted(open_words))
        _LOG.info("%s: %s, by %s for this machine", printable(model.name), chosen, found.source)
    return resolved


def _read_model(model: Path, mmproj: Path | None, loras: Sequence[Path]) -> EstimatedModel:
    headers = [header_of(model.with_name(part)) for part in siblings(model.name)]
    header = merge(headers, model.name) if len(headers) > 1 else headers[0]
    shape.check(header, model.name)
    return model_of(
        header,
        [
            *([CompanionHeader("mmproj", header_of(mmproj))] if mmproj is not None else []),
            *(CompanionHeader("lora", header_of(lora)) for lora in loras),
        ],
    )


def _estimate(
    model: EstimatedModel, settings: LoadSettings, ram: Device, stack: ExitStack, *, exactly: bool
) -> tuple[Estimate, Sequence[Device]]:
    """The estimate, and the GPUs that it counts."""
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

    The system can drop mapped weights from memory, and two loads of one file share them. So all must fit into the
    machine's memory, but only the rest into what is free.
    """
    if keywords.get("use_mmap", True) is False or keywords.get("use_mlock"):
        return placement.shortage(found) > 0
    unmapped = [_without_weights(use) if use.device.kind == "ram" else use for use in found.uses]
    ram = next(use for use in found.uses if use.device.kind == "ram")
    return placement.shortage(found._replace(uses=tuple(unmapped))) > 0 or ram.need > total


def _without_weights(use: DeviceUse) -> DeviceUse:
    return use._replace(weights=0)


def _named(keys: set[str]) -> str:
    return " and ".join(f'`{key} = "{AUTO_WORDS[key]}"`' for key in sorted(keys))
