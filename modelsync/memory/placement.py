"""Decides whether a model fits, the largest context that does, and what would make it fit. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from modelsync.errors import UsageError
from modelsync.memory.cache import check_cache_types
from modelsync.memory.estimate import DeviceUse, Estimate, EstimatedModel
from modelsync.memory.estimate import estimate as reckon
from modelsync.memory.load_settings import ALL_LAYERS, CELL_STEP, LoadSettings, cache_type
from modelsync.sizes import size
from modelsync.system.devices import Device

VerdictWord: TypeAlias = Literal["fits-gpu", "fits-partly", "fits-ram", "tight", "does-not-fit"]
Estimator: TypeAlias = Callable[[LoadSettings], Estimate]

_MARGIN = 1 << 30  # bytes that llama.cpp's `--fit` leaves free on each device
_LEAST_CONTEXT = 4096  # tokens; no context is cut below this
_TIGHT = 0.05  # share of a device's free memory that should stay free
_TIGHT_BYTES = 512 << 20  # bytes that are enough on any device
_MOST_CONTEXT = 1 << 20  # tokens, if the header does not give the trained context

_GIB = 1 << 30


class Verdict(NamedTuple):
    """Whether a model fits: one word for programs, and a sentence for people."""

    word: VerdictWord
    text: str

    @property
    def fits(self) -> bool:
        """Whether the model can run."""
        return self.word != "does-not-fit"


class Remedy(NamedTuple):
    """A change of settings under which the model fits."""

    text: str
    settings: LoadSettings
    estimate: Estimate


def verdict(estimate: Estimate) -> Verdict:
    """The verdict on an estimate."""
    short = shortage(estimate)
    if short > 0:
        return Verdict("does-not-fit", f"does not fit: {size(short)} too much")
    on_gpu, several = estimate.gpu_layers, len(estimate.uses) > 2
    word: VerdictWord
    if on_gpu == 0:
        word, text = "fits-ram", f"fits the memory{', all on the CPU' if len(estimate.uses) > 1 else ''}"
    elif on_gpu == estimate.layers:
        word, text = "fits-gpu", f"fits the GPU{'s' if several else ''}"
    else:
        word, text = (
            "fits-partly",
            f"fits with {on_gpu} of {estimate.layers} layers on the GPU{'s' if several else ''}",
        )
    if any(use.need and left < min(_TIGHT * use.device.free, _TIGHT_BYTES) for use, left in _left(estimate)):
        return Verdict("tight", f"{text}, but tightly")
    return Verdict(word, text)


def shortage(estimate: Estimate) -> int:
    """Bytes that are missing, over all devices; 0 if the model fits."""
    return sum(-left for _, left in _left(estimate) if left < 0)


def _left(estimate: Estimate) -> Iterator[tuple[DeviceUse, int]]:
    """The bytes left on each device. RAM also pays for GPUs that share its memory."""
    borrowed = sum(use.need for use in estimate.uses if use.device.shared)
    for use in estimate.uses:
        yield use, use.headroom - (borrowed if use.device.kind == "ram" else 0)


def formula(model: EstimatedModel, ram: Device, gpus: Sequence[Device] = ()) -> Estimator:
    """An estimator of a model on these devices, by formulas. `auto` puts as many layers on GPUs as fit."""

    def with_layers(settings: LoadSettings) -> Estimate:
        return reckon(model, settings, ram, gpus)

    return lambda settings: with_layers(placed(settings, model, with_layers, gpus=bool(gpus)))


def placed(settings: LoadSettings, model: EstimatedModel, estimate: Estimator, *, gpus: bool) -> LoadSettings:
    """Fills open settings: as many layers on GPUs as fit, and a context that fits.

    As in llama.cpp's `common_fit_params`, an open context is cut first, but not below 4096 tokens; then layers stay in
    RAM. A GiB is left free on each device.

    Args:
        settings: How the model is loaded.
        model: The model.
        estimate: Estimates settings of which none is open.
        gpus: Whether there are any.
    """
    layers, cut_allowed = settings.gpu_layers, settings.fitted and not settings.context
    if layers != "auto" and not cut_allowed:
        return settings
    whole = settings._replace(gpu_layers=(ALL_LAYERS if gpus else 0) if layers == "auto" else layers)
    if keeps_margin(estimate(whole)):
        return whole
    if cut_allowed:
        trained = model.shape.context
        cut = max_context(whole, trained, estimate, held=keeps_margin)
        whole = whole._replace(context=max(cut, min(trained, _LEAST_CONTEXT)))
        if cut >= whole.context:
            return whole
    if layers != "auto" or not gpus:
        return whole
    most = _last(
        0, len(model.shape.layers), lambda count: keeps_margin(estimate(whole._replace(gpu_layers=count)))
    )
    return whole._replace(gpu_layers=max(0, most))


def keeps_margin(estimate: Estimate) -> bool:
    """Whether each GPU, or RAM without GPUs, keeps its margin."""
    return all(
        left >= _MARGIN
        for use, left in _left(estimate)
        if use.device.kind != "ram" or len(estimate.uses) == 1
    )


def max_context(
    settings: LoadSettings,
    most: int,
    estimate: Estimator,
    held: Callable[[Estimate], bool] | None = None,
    near: int = 0,
) -> int:
    """The largest context that fits, in tokens; 0 if none does.

    Args:
        settings: How the model is loaded; those of an estimate, to keep its layers in place.
        most: The upper bound in tokens: the trained context; 0: unknown.
        estimate: Estimates settings.
        held: Whether an estimate counts as fitting; None: if nothing is missing.
        near: A guess in tokens, which spares estimates if it is a good one.
    """

    def fits(steps: int) -> bool:
        found = estimate(settings._replace(context=min(steps * CELL_STEP, most)))
        return held(found) if held is not None else not shortage(found)

    most = most or _MOST_CONTEXT
    steps = -(-most // CELL_STEP)
    if not fits(1):  # often nothing or all fits: two estimates are enough then
        return 0
    return min(most, CELL_STEP * (steps if fits(steps) else _last(1, steps - 1, fits, near // CELL_STEP)))


def remedies(model: EstimatedModel, settings: LoadSettings, estimate: Estimator) -> tuple[Remedy, ...]:
    """Changes of settings with which the model fits, the mildest first, each alone or together.

    Args:
        model: The model.
        settings: Settings with which it does not fit.
        estimate: Estimates settings.
    """
    asked = estimate(settings)
    if not shortage(asked):
        return ()
    found = []
    together = settings
    words: list[str] = []
    gpus = len(asked.uses) > 1
    for text, change in _changes(model, settings, gpus=gpus):
        alone = _remedy(text, model, change(settings), estimate)
        if alone is not None:
            found.append(alone)
            continue
        together, words = change(together), [*words, text]
        if not found and len(words) > 1:
            joined = _remedy(" and ".join(words), model, together, estimate)
            if joined is not None:
                found.append(joined)
    shorter = max_context(
        settings, min(model.shape.context or _MOST_CONTEXT, settings.cells(model.shape.context)), estimate
    )
    if shorter:
        found.append(
            Remedy(
                f"a context of {shorter:,} tokens",
                (less := settings._replace(context=shorter)),
                estimate(less),
            )
        )
    return tuple(found)


def _changes(
    model: EstimatedModel, settings: LoadSettings, *, gpus: bool
) -> Iterator[tuple[str, Callable[[LoadSettings], LoadSettings]]]:
    """Changes that hardly affect the model's answers, the mildest first."""
    shape = model.shape
    if not settings.flash_attention:
        yield "flash attention", lambda old: old._replace(flash_attention=True)
    if settings.full_window and shape.window:
        yield "a cache of only the window (swa_full off)", lambda old: old._replace(full_window=False)
    if gpus and settings.gpu_layers != "auto":
        which = "layers" if settings.gpu_layers == 0 else "fewer layers"
        yield f"{which} on the GPU", lambda old: old._replace(gpu_layers="auto")
    if settings.cache_type_k.block == 1 and any(layer.attends for layer in shape.kept):
        q8 = cache_type("q8_0")
        yield (
            "a q8_0 cache with flash attention",
            lambda old: old._replace(flash_attention=True, cache_type_k=q8, cache_type_v=q8),
        )
    if settings.sequences > 1:
        yield "one sequence at a time", lambda old: old._replace(sequences=1, outputs=min(1, old.outputs))


def _remedy(text: str, model: EstimatedModel, settings: LoadSettings, estimate: Estimator) -> Remedy | None:
    try:
        check_cache_types(model.shape, settings)
    except UsageError:
        return None
    found = estimate(settings)
    if settings.gpu_layers == "auto" and "layers" in text:
        text += f" ({found.gpu_layers} of {found.layers})"
    return None if shortage(found) else Remedy(text, found.settings, found)


def score(estimate: Estimate, context: int, wanted: int) -> int:
    """node-llama-cpp's compatibility score, 0 to 100, for comparison. It is lower for large models on a CPU.

    Args:
        estimate: Of the model.
        context: The largest context that fits, tokens.
        wanted: The requested context, tokens.
    """
    reach = min(1.0, context / wanted) if wanted else 1.0
    ram = 1.0 if estimate.uses[0].headroom >= 0 else 0.0
    if estimate.gpu_layers:
        share = min(1.0, estimate.gpu_layers / estimate.layers)
        whole = 1.0 if estimate.gpu_layers >= estimate.layers else 0.0
        return round((60 * share + 10 * whole + 30 * reach + 10 * ram) / 110 * 100)
    light = 70 * min(1.0, max(0.0, (4 * _GIB - estimate.weights) / (3 * _GIB)))
    return round((30 * reach + 10 * ram + light) / 110 * 100)


def _last(low: int, high: int, good: Callable[[int], bool], near: int = 0) -> int:
    """The last good number from `low` to `high`, by bisection around a guess; `low - 1` if none is."""
    width = 1
    if low <= near <= high:
        if good(near):
            low = near + 1
            while low + width <= high and good(low + width):
                low, width = low + width + 1, 2 * width
            high = min(high, low + width - 1)
        else:
            high = near - 1
            while high - width >= low and not good(high - width):
                high, width = high - width - 1, 2 * width
            low = max(low, high - width + 1)
    while low <= high:
        middle = (low + high) // 2
        if good(middle):
            low = middle + 1
        else:
            high = middle - 1
    return high
