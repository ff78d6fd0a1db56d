"""Whether a model fits, how much context it leaves room for, and what would make it fit. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from modelsync.errors import UsageError
from modelsync.memory.cache import check_cache_types
from modelsync.memory.estimate import Estimate, Model, Use
from modelsync.memory.estimate import estimate as reckon
from modelsync.memory.load_settings import ALL_LAYERS, CELL_STEP, LoadSettings, cache_type
from modelsync.sizes import size
from modelsync.system.devices import Device

Word: TypeAlias = Literal["fits-gpu", "fits-partly", "fits-ram", "tight", "does-not-fit"]
Estimator: TypeAlias = Callable[[LoadSettings], Estimate]

_MARGIN = 1 << 30  # bytes that llama.cpp leaves free on each device where it is to find what fits
_LEAST_CONTEXT = 4096  # tokens; no context is cut below this
_TIGHT = 0.05  # of a device's free memory that should stay free
_TIGHT_BYTES = 512 << 20  # that are enough on any device
_MOST_CONTEXT = 1 << 20  # tokens, where the header does not say what a model was trained with

_GIB = 1 << 30


class Verdict(NamedTuple):
    """Whether it fits, in one word for programs and one sentence for people."""

    word: Word
    text: str

    @property
    def fits(self) -> bool:
        """Whether it can run."""
        return self.word != "does-not-fit"


class Remedy(NamedTuple):
    """A change of settings under which the model fits."""

    text: str
    settings: LoadSettings
    estimate: Estimate


def verdict(estimate: Estimate) -> Verdict:
    """What an estimate comes to."""
    short = shortage(estimate)
    if short > 0:
        return Verdict("does-not-fit", f"does not fit: {size(short)} too much")
    on_gpu, several = estimate.gpu_layers, len(estimate.uses) > 2
    word: Word
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
    """Bytes that are missing, on all devices together; 0 if it fits."""
    return sum(-left for _, left in _left(estimate) if left < 0)


def _left(estimate: Estimate) -> Iterator[tuple[Use, int]]:
    """What each device has left; where a GPU has the machine's own memory, RAM pays for both."""
    borrowed = sum(use.need for use in estimate.uses if use.device.shared)
    for use in estimate.uses:
        yield use, use.headroom - (borrowed if use.device.kind == "ram" else 0)


def formula(model: Model, ram: Device, gpus: Sequence[Device] = ()) -> Estimator:
    """What the formulas say of a model on these devices, for any settings; `auto` puts as much on GPUs as fits."""

    def with_layers(settings: LoadSettings) -> Estimate:
        return reckon(model, settings, ram, gpus)

    return lambda settings: with_layers(placed(settings, model, with_layers, gpus=bool(gpus)))


def placed(settings: LoadSettings, model: Model, estimate: Estimator, *, gpus: bool) -> LoadSettings:
    """The settings with what they leave open: as much on the GPUs as fits there, and a context that leaves room.

    It goes as llama.cpp's `common_fit_params`: first the context is cut, but not below 4096 tokens, and only if it
    was left open; then layers stay in RAM. A GiB is left free on each device.

    Args:
        settings: How the model is loaded.
        model: The model.
        estimate: Reckons what settings need that leave nothing open.
        gpus: Whether there are any.
    """
    layers, cut_allowed = settings.gpu_layers, settings.fitted and not settings.context
    if layers != "auto" and not cut_allowed:
        return settings
    whole = settings._replace(gpu_layers=(ALL_LAYERS if gpus else 0) if layers == "auto" else layers)
    if _held(estimate(whole)):
        return whole
    if cut_allowed:
        trained = model.shape.context
        cut = max_context(whole, trained, estimate, held=_held)
        whole = whole._replace(context=max(cut, min(trained, _LEAST_CONTEXT)))
        if cut >= whole.context:
            return whole
    if layers != "auto" or not gpus:
        return whole
    most = _last(0, len(model.shape.layers), lambda count: _held(estimate(whole._replace(gpu_layers=count))))
    return whole._replace(gpu_layers=max(0, most))


def _held(estimate: Estimate) -> bool:
    """Whether each GPU, or RAM where there is none, keeps its margin."""
    return all(
        left >= _MARGIN
        for use, left in _left(estimate)
        if use.device.kind != "ram" or len(estimate.uses) == 1
    )


def max_context(
    settings: LoadSettings, most: int, estimate: Estimator, held: Callable[[Estimate], bool] | None = None
) -> int:
    """The largest context that fits, tokens; 0 if none does.

    Args:
        settings: How the model is loaded; those of an estimate, if layers are to stay where it has them.
        most: Tokens that no answer goes over: what the model was trained with; 0: unknown.
        estimate: Reckons what settings need.
        held: What counts as fitting; None: that nothing is missing.
    """

    def fits(steps: int) -> bool:
        found = estimate(settings._replace(context=steps * CELL_STEP))
        return held(found) if held is not None else not shortage(found)

    steps = (most or _MOST_CONTEXT) // CELL_STEP
    if steps < 1 or not fits(1):  # often all or nothing fits: then nobody has to be asked much
        return 0
    return CELL_STEP * (steps if fits(steps) else _last(1, steps - 1, fits))


def remedies(model: Model, settings: LoadSettings, estimate: Estimator) -> tuple[Remedy, ...]:
    """Changes under which a model fits that does not fit with `settings`: the mildest that do, each alone or together.

    Args:
        model: The model.
        settings: Under which it does not fit.
        estimate: Reckons what settings need.
    """
    asked = estimate(settings)
    if not shortage(asked):
        return ()
    found = []
    together = settings
    words: list[str] = []
    gpus = len(asked.uses) > 1
    for text, change in _changes(model, settings, gpus=gpus):
        alone = _tried(text, model, change(settings), estimate)
        if alone is not None:
            found.append(alone)
            continue
        together, words = change(together), [*words, text]
        if not found and len(words) > 1:
            joined = _tried(" and ".join(words), model, together, estimate)
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
    model: Model, settings: LoadSettings, *, gpus: bool
) -> Iterator[tuple[str, Callable[[LoadSettings], LoadSettings]]]:
    """What can be changed without changing what the model answers, much: the mildest first."""
    shape = model.shape
    if not settings.flash_attention:
        yield "flash attention", lambda old: old._replace(flash_attention=True)
    if settings.full_window and shape.window:
        yield "a cache of the window alone (swa_full off)", lambda old: old._replace(full_window=False)
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


def _tried(text: str, model: Model, settings: LoadSettings, estimate: Estimator) -> Remedy | None:
    try:
        check_cache_types(model.shape, settings)
    except UsageError:
        return None
    found = estimate(settings)
    if settings.gpu_layers == "auto" and "layers" in text:
        text += f" ({found.gpu_layers} of {found.layers})"
    return None if shortage(found) else Remedy(text, found.settings, found)


def score(estimate: Estimate, context: int, wanted: int) -> int:
    """node-llama-cpp's compatibility score, 0 to 100, for those who compare. It marks large models down on a CPU.

    Args:
        estimate: Of the model.
        context: The largest context that fits, tokens.
        wanted: The context that was asked for, tokens.
    """
    reach = min(1.0, context / wanted) if wanted else 1.0
    ram = 1.0 if estimate.uses[0].headroom >= 0 else 0.0
    if estimate.gpu_layers:
        share = min(1.0, estimate.gpu_layers / estimate.layers)
        whole = 1.0 if estimate.gpu_layers >= estimate.layers else 0.0
        return round((60 * share + 10 * whole + 30 * reach + 10 * ram) / 110 * 100)
    light = 70 * min(1.0, max(0.0, (4 * _GIB - estimate.weights) / (3 * _GIB)))
    return round((30 * reach + 10 * ram + light) / 110 * 100)


def _last(low: int, high: int, good: Callable[[int], bool]) -> int:
    """The last number from `low` to `high` that is good, if all before it are; `low - 1` if none is."""
    while low <= high:
        middle = (low + high) // 2
        if good(middle):
            low = middle + 1
        else:
            high = middle - 1
    return high
