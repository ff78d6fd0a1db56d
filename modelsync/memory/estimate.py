"""Estimates the memory that a model needs on each device, by formulas."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from modelsync.gguf.header import Header
from modelsync.memory import companions
from modelsync.memory.cache import cache_bytes
from modelsync.memory.companions import CompanionHeader, addition
from modelsync.memory.compute import compute_bytes, input_bytes, multiplication_bytes, passed_bytes
from modelsync.memory.load_settings import LoadSettings
from modelsync.memory.shape import Shape, shape_of
from modelsync.memory.weights import RAM, DeviceLayout, Weights, arrange, weigh, weight_bytes
from modelsync.system.devices import Device

_MIB = 1 << 20
# What a driver takes, about, once a process uses the GPU.
DRIVER_BYTES = {"cuda": 450 * _MIB, "rocm": 450 * _MIB, "metal": 512 * _MIB, "gpu": 450 * _MIB}
_BATCHES_AT_ONCE = 4  # where several GPUs hold all layers
_OFFLOADED_FROM = 32  # tokens of a batch from which a GPU multiplies by weights that are in RAM


class EstimatedModel(NamedTuple):
    """A model as an estimate sees it, with what is loaded beside it."""

    header: Header
    shape: Shape
    weights: Weights
    companions: tuple[CompanionHeader, ...] = ()


class DeviceUse(NamedTuple):
    """The memory that a model needs on one device, in bytes."""

    device: Device
    weights: int
    cache: int
    compute: int
    other: int = 0  # on a GPU that of the driver, in RAM the logits

    @property
    def need(self) -> int:
        """The sum."""
        return self.weights + self.cache + self.compute + self.other

    @property
    def headroom(self) -> int:
        """Bytes that stay free; negative: bytes that are missing."""
        return self.device.free - self.need


class Estimate(NamedTuple):
    """The memory that a model needs with some settings."""

    source: Literal["llama.cpp", "formula"]
    settings: LoadSettings
    context: int  # cells of the cache, in tokens, all sequences together
    gpu_layers: int
    layers: int  # those that could be on GPUs: the model's, and the output
    uses: tuple[DeviceUse, ...]  # RAM first
    bound: bool = False  # the cache is an upper bound: the architecture is unknown
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> int:
        """Bytes on all devices."""
        return sum(use.weights for use in self.uses)

    @property
    def cache(self) -> int:
        """Bytes on all devices."""
        return sum(use.cache for use in self.uses)

    @property
    def compute(self) -> int:
        """Bytes on all devices."""
        return sum(use.compute for use in self.uses)

    @property
    def need(self) -> int:
        """Bytes on all devices."""
        return sum(use.need for use in self.uses)


def model_of(header: Header, beside: Iterable[CompanionHeader] = ()) -> EstimatedModel:
    """Builds a model for `estimate` from its header, and those of what is loaded beside it."""
    shape = shape_of(header)
    return EstimatedModel(header, shape, weigh(header, shape), tuple(beside))


def estimate(
    model: EstimatedModel, settings: LoadSettings, ram: Device, gpus: Sequence[Device] = ()
) -> Estimate:
    """Estimates what the model needs on these devices.

    Args:
        model: The model.
        settings: How it is loaded; `gpu_layers` is a number (`placement.placed` finds one).
        ram: The machine's memory.
        gpus: The GPUs that llama.cpp uses.

    Raises:
        UsageError: llama.cpp would refuse the settings.
    """
    shape = model.shape
    assert isinstance(settings.gpu_layers, int)
    layout = arrange(len(shape.layers), settings.gpu_layers, [gpu.free for gpu in gpus])
    kept = [0] * layout.places
    for place, size in zip(layout.layers, cache_bytes(shape, settings), strict=True):
        kept[place if settings.offload_cache else RAM] += size
    held = weight_bytes(model.weights, layout)
    added = addition(model.companions, shape, settings, layout)
    computed = _compute(model, settings, layout)
    uses = [
        DeviceUse(
            device,
            held[place] + added.weights[place],
            kept[place] + added.cache[place],
            computed[place] + added.compute[place],
            _other(model, settings, device),
        )
        for place, device in enumerate((ram, *gpus))
    ]
    return Estimate(
        "formula",
        settings,
        settings.cells(shape.context),
        layout.on_gpu,
        len(shape.layers) + 1,
        tuple(uses),
        bound=shape.doubt is not None,
        notes=_notes(model),
    )


def _compute(model: EstimatedModel, settings: LoadSettings, layout: DeviceLayout) -> list[int]:
    shape = model.shape
    if layout.places == 1:
        return [compute_bytes(shape, settings)]
    found = []
    for place in range(layout.places):
        here = [layer for index, layer in enumerate(shape.kept) if layout.layers[index] == place]
        output = layout.output == place
        found.append(compute_bytes(shape, settings, here, output=output) if here or output else 0)
    found[RAM] = max(found[RAM], input_bytes(shape, settings))
    found[1] = max(found[1], _offloaded(model, settings, layout))
    if layout.places > 2 and RAM not in (*layout.layers, layout.output):
        # several GPUs work on several batches at once
        return [size + (_BATCHES_AT_ONCE - 1) * passed_bytes(shape, settings) for size in found]
    return found


def _offloaded(model: EstimatedModel, settings: LoadSettings, layout: DeviceLayout) -> int:
    """Bytes on the first GPU to multiply a batch by weights in RAM, which are copied to it."""
    shape = model.shape
    if settings.tokens(shape.context, shape.causal) < _OFFLOADED_FROM:
        return 0
    waiting = zip(layout.layers, model.weights.largest, strict=True)
    largest = max((size for place, size in waiting if place == RAM), default=0)
    moments = [largest + multiplication_bytes(shape, settings)] if largest else []
    if layout.output == RAM:
        moments.append(model.weights.projection + compute_bytes(shape, settings, []))
    return max(moments, default=0)


def _other(model: EstimatedModel, settings: LoadSettings, device: Device) -> int:
    if device.kind != "ram":
        return DRIVER_BYTES[device.kind]
    return 4 * model.shape.vocabulary * settings.sequences if model.shape.has_logits else 0


def _notes(model: EstimatedModel) -> tuple[str, ...]:
    doubts = () if model.shape.doubt is None else (f"{model.shape.doubt}: the cache is an upper bound",)
    return (*doubts, *companions.notes(model.companions))
