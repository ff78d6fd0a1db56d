"""Memory of what is loaded with a model: projectors and adapters. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modelsync.gguf.header import Header
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


def addition(companions: Iterable[CompanionHeader], shape: Shape, layout: DeviceLayout) -> Addition:
    """What companions add to a model.

    Args:
        companions: Those that are loaded with it.
        shape: The model's.
        layout: Where its layers are.
    """
    weights = [0] * layout.places
    for role, header in companions:
        if role == "mmproj":  # whole on the first GPU, if llama.cpp uses GPUs
            weights[RAM if layout.on_gpu == 0 else 1] += sum(tensor.nbytes for tensor in header.tensors)
        elif role == "lora":
            for place, size in enumerate(adapter_bytes([header], shape, layout)):
                weights[place] += size
    nothing = [0] * layout.places
    return Addition(weights, nothing, nothing)


def notes(companions: Iterable[CompanionHeader]) -> tuple[str, ...]:
    """What is not counted of them, for people."""
    if any(each.role == "mmproj" for each in companions):
        return ("the projector's compute buffer is not counted",)
    return ()
