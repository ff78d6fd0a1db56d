"""Memory of what is loaded with a model: projectors, adapters and draft heads. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modelsync.gguf.header import Header
from modelsync.memory.draft import draft_needs
from modelsync.memory.load_settings import LoadSettings
from modelsync.memory.shape import Shape
from modelsync.memory.weights import RAM, DeviceLayout, adapter_bytes
from modelsync.spec.roles import Role


class CompanionHeader(NamedTuple):
    """The header of a file that goes with a model, and its role."""

    role: Role
    header: Header


class Addition(NamedTuple):
    """Bytes that companions add in RAM and on each GPU."""

    weights: Sequence[int]
    cache: Sequence[int]
    compute: Sequence[int]


def addition(
    companions: Iterable[CompanionHeader], shape: Shape, settings: LoadSettings, layout: DeviceLayout
) -> Addition:
    """What companions add to a model.

    Args:
        companions: Those that are loaded with it.
        shape: The model's.
        settings: How the model is loaded.
        layout: Where its layers are.
    """
    weights, cache, compute = ([0] * layout.places for _ in range(3))
    whole = RAM if layout.on_gpu == 0 else 1  # on the first GPU, if llama.cpp uses GPUs
    for role, header in companions:
        if role == "mmproj":
            weights[whole] += sum(tensor.nbytes for tensor in header.tensors)
        elif role == "lora":
            for place, size in enumerate(adapter_bytes([header], shape, layout)):
                weights[place] += size
        elif role == "draft":
            needs = draft_needs(header, shape, settings)
            weights[whole] += needs.weights
            cache[whole] += needs.cache
            compute[whole] += needs.compute
    return Addition(weights, cache, compute)


def notes(companions: Iterable[CompanionHeader]) -> tuple[str, ...]:
    """What is not counted of them, and what not every program loads, for people."""
    roles = {each.role for each in companions}
    told = []
    if "mmproj" in roles:
        told.append("the projector's compute buffer is not counted")
    if "draft" in roles:
        told.append(
            "the draft head is counted as a further model with a cache of its own; llama-cpp-python loads none"
        )
    return tuple(told)
