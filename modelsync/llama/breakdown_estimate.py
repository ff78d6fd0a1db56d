"""Estimates memory with llama.cpp's own numbers, or by the formulas where it gives none.

llama.cpp tells the size of its compute buffers and caches, which weights it loads, and which it lays out anew. It tells
them in MiB: where the formulas agree, their bytes are taken. On which device what is, the formulas say.
"""

from collections.abc import Sequence

from modelsync.gguf.writer import HeaderFile, minimal_header
from modelsync.llama.breakdown import Answer, Breakdown, GgmlDevice
from modelsync.llama.breakdown_log import ROUNDING
from modelsync.memory.cache import state_bytes
from modelsync.memory.estimate import Estimate, EstimatedModel, estimate
from modelsync.memory.load_settings import LoadSettings
from modelsync.memory.placement import Estimator, placed
from modelsync.memory.weights import RAM, arrange, repacked_bytes
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
    answer = breakdown.ask(header, simulated)
    if answer is None:
        return None
    gpus = [device.name for device in breakdown.devices() if device.is_gpu]
    if len(gpus) != len(found.uses) - 1:
        breakdown.why_not = f"llama.cpp sees {len(gpus)} GPUs here"
        return None
    bare = estimate(
        model._replace(companions=()),
        simulated,
        found.uses[RAM].device,
        [use.device for use in found.uses[1:]],
    )
    layout = arrange(len(model.shape.layers), found.gpu_layers, [use.device.free for use in found.uses[1:]])
    weights = [use.weights for use in bare.uses]
    weights[weights.index(max(weights))] += answer.weights - model.weights.loaded
    weights[RAM] += repacked_bytes(model.header, model.shape, layout, answer.repacked)
    caches = _shared_out(answer, [use.cache for use in bare.uses])
    compute = _compute(answer, gpus)
    uses = [
        # what companions and further sequences add, the formulas say
        use._replace(
            weights=max(0, weights[place] + use.weights - alone.weights),
            cache=caches[place] + use.cache - alone.cache,
            compute=compute[place] + use.compute - alone.compute,
        )
        for place, (use, alone) in enumerate(zip(found.uses, bare.uses, strict=True))
    ]
    notes = tuple(note for note in found.notes if note not in bare.notes)
    return found._replace(source="llama.cpp", uses=tuple(uses), bound=False, notes=notes)


def _compute(answer: Answer, gpus: Sequence[str]) -> list[int]:
    """Bytes of the compute buffers in RAM and on each GPU. A GPU's own buffers have its name."""
    sums = [0] * (1 + len(gpus))
    for name, size in answer.log.compute:
        sums[gpus.index(name) + 1 if name in gpus else RAM] += size
    return sums


def _shared_out(answer: Answer, ours: Sequence[int]) -> list[int]:
    """Bytes of the cache in RAM and on each GPU: llama.cpp's sum, shared out as the formulas have it."""
    theirs, whole = sum(answer.log.caches), sum(ours)
    if abs(theirs - whole) <= ROUNDING * max(1, len(answer.log.caches)):
        return list(ours)
    if not whole:
        return [theirs, *(0 for _ in ours[1:])]
    return [theirs * size // whole for size in ours]


def _device(seen: GgmlDevice) -> Device:
    kind: Kind = next((kind for prefix, kind in _KINDS if seen.name.startswith(prefix)), "gpu")
    shared = seen.type == 2 or kind == "metal"
    return Device(seen.description or seen.name, kind, seen.total, seen.free, shared=shared)
