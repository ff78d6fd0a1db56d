"""Estimates memory with llama.cpp's own numbers, or by the formulas where it gives none."""

from collections.abc import Sequence

from modelsync.gguf.writer import HeaderFile, minimal_header
from modelsync.llama.breakdown import Breakdown, Buffer, GgmlDevice
from modelsync.memory.cache import state_bytes
from modelsync.memory.estimate import Estimate, EstimatedModel, estimate
from modelsync.memory.load_settings import LoadSettings
from modelsync.memory.placement import Estimator, placed
from modelsync.system.devices import Device, Kind

# llama.cpp really allocates recurrent states: above this, it is asked about one sequence only.
_MOST_STATE = 256 << 20  # bytes
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("CUDA", "cuda"),
    ("ROCm", "rocm"),
    ("Metal", "metal"),
    ("MTL", "metal"),
)


def gpus_of(breakdown: Breakdown) -> tuple[Device, ...]:
    """The GPUs that the installed llama.cpp would use, in its order."""
    return tuple(map(_device, filter(lambda each: each.is_gpu, breakdown.devices())))


def estimator(model: EstimatedModel, ram: Device, gpus: Sequence[Device], breakdown: Breakdown) -> Estimator:
    """An estimator of a model on this machine: exact where llama.cpp answers, else by formulas, with a note why.

    Args:
        model: The model.
        ram: The machine's memory.
        gpus: The GPUs that llama.cpp would use, in its order.
        breakdown: Asks llama.cpp.
    """
    header = minimal_header(model.header) if model.header.architecture else None

    def reckoned(settings: LoadSettings) -> Estimate:
        return estimate(model, settings, ram, gpus)

    def asked(settings: LoadSettings) -> Estimate:
        found = reckoned(placed(settings, model, reckoned, gpus=bool(gpus)))
        if header is None:
            return found
        if any(gpu.exclusive for gpu in gpus):
            return _by_formulas(found, "a GPU is in exclusive mode, and asking llama.cpp would occupy it")
        return _asked(model, header, found, breakdown) or _by_formulas(found, breakdown.why_not)

    return asked


def _by_formulas(found: Estimate, why: str | None) -> Estimate:
    return found._replace(notes=(*found.notes, f"by the formulas: {why}"))


def _asked(
    model: EstimatedModel, header: HeaderFile, found: Estimate, breakdown: Breakdown
) -> Estimate | None:
    """The estimate with llama.cpp's numbers; None if it gives none."""
    settings = found.settings
    simulated = settings._replace(context=settings.context or model.shape.context)
    if state_bytes(model.shape, settings) > _MOST_STATE:
        simulated = simulated._replace(sequences=1)
    buffers = breakdown.ask(header, simulated)
    if buffers is None:
        return None
    places = _places(breakdown)
    if len(places) != len(found.uses) - 1:
        breakdown.why_not = f"llama.cpp sees {len(places)} GPUs here"
        return None
    bare = model._replace(projectors=(), adapters=())
    ram, *gpus = (use.device for use in found.uses)
    alone, whole = estimate(bare, simulated, ram, gpus), estimate(bare, settings, ram, gpus)
    uses = []
    for place, use in enumerate(found.uses):
        here = [each for each in buffers if _place(each, places) == place]
        # the formulas are exact for projectors, adapters and further sequences
        weights = sum(each.weights for each in here) + use.weights - whole.uses[place].weights
        cache = sum(each.cache for each in here) + whole.uses[place].cache - alone.uses[place].cache
        uses.append(use._replace(weights=weights, cache=cache, compute=sum(each.compute for each in here)))
    notes = tuple(note for note in found.notes if note not in whole.notes)
    return found._replace(source="llama.cpp", uses=tuple(uses), bound=False, notes=notes)


def _places(breakdown: Breakdown) -> dict[int, int]:
    """Maps the index of each ggml GPU to its place among an estimate's devices."""
    gpus = [index for index, device in enumerate(breakdown.devices()) if device.is_gpu]
    return {index: place for place, index in enumerate(gpus, 1)}


def _place(buffer: Buffer, places: dict[int, int]) -> int:
    return 0 if buffer.host or buffer.device is None else places.get(buffer.device, 0)


def _device(seen: GgmlDevice) -> Device:
    kind: Kind = next((kind for prefix, kind in _KINDS if seen.name.startswith(prefix)), "gpu")
    shared = seen.type == 2 or kind == "metal"
    return Device(seen.description or seen.name, kind, seen.total, seen.free, shared=shared)
