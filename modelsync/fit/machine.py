"""The machine that estimates are for: this one, as llama.cpp and the drivers see it, or one that is described."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import UsageError
from modelsync.memory import placement
from modelsync.memory.estimate import EstimatedModel
from modelsync.memory.load_settings import LLAMA_SERVER
from modelsync.sizes import size
from modelsync.system import devices
from modelsync.system.devices import Device

if TYPE_CHECKING:
    from modelsync.llama.breakdown import Breakdown


_SYSTEM = 4 << 30  # bytes of RAM that are no model's, at most: the system's and the programs'
_DRIVERS = 1 << 30  # bytes of a GPU: llama.cpp too leaves one free on each


class Machine(NamedTuple):
    """Devices, and llama.cpp where it can be asked about them.

    Attributes:
        ram: The memory.
        gpus: Those that llama.cpp would use, in its order.
        breakdown: Asks llama.cpp; None: the formulas answer.
        notes: What a person should be told of it.
    """

    ram: Device
    gpus: tuple[Device, ...]
    breakdown: "Breakdown | None" = None
    notes: tuple[str, ...] = ()

    @property
    def room(self) -> int:
        """Bytes of all memory that models can have."""
        return self.ram.free + sum(gpu.free for gpu in self.gpus if not gpu.shared)

    @property
    def room_in_words(self) -> str:
        """That memory, RAM and GPUs apart, for messages."""
        gpus = [gpu.free for gpu in self.gpus if not gpu.shared]
        words = f"room for {size(self.ram.free)} in RAM"
        return words + (f" and {size(sum(gpus))} on the GPU{'s' if len(gpus) > 1 else ''}" if gpus else "")

    def estimator(self, model: EstimatedModel) -> placement.Estimator:
        """What a model needs here: exactly, if llama.cpp can be asked."""
        if self.breakdown is None:
            return self.formula(model)
        from modelsync.llama.breakdown_estimate import estimator

        return estimator(model, self.ram, self.gpus, self.breakdown)

    def formula(self, model: EstimatedModel) -> placement.Estimator:
        """What a model needs here by the formulas, which cost nothing."""
        return placement.formula(model, self.ram, self.gpus)


@contextmanager
def machine(profile: str, *, ram: int | None = None, gpus: Sequence[int] | None = None) -> Iterator[Machine]:
    """This machine, or a described one. A context manager: the process of llama.cpp ends with it.

    Args:
        profile: Which program would load models: only llama-cpp-python's own GPUs are what it is installed for.
        ram: Bytes of a described machine's memory; None: this one's.
        gpus: Bytes of the GPUs of a described machine; None: this one's, or none if only `ram` is described.

    Raises:
        UsageError: this machine does not tell its memory.
    """
    memory = _memory(ram)
    if ram is not None or gpus is not None:
        described = (Device(f"GPU {index}", "cuda", size, size) for index, size in enumerate(gpus or ()))
        yield Machine(memory, tuple(described))
        return
    with ExitStack() as stack:
        yield _this(memory, devices.visible(devices.gpus()), stack, server=profile == LLAMA_SERVER.profile)


def steady(here: Machine) -> Machine:
    """A machine as it is whatever else runs on it now: in total, less what the system and drivers are left with.

    What is decided once, a variant or a quant, is decided by this: what is free changes by the minute.
    """
    return here._replace(ram=_steady(here.ram), gpus=tuple(map(_steady, here.gpus)))


def steady_memory() -> Device | None:
    """The memory of `steady`, of this machine; None where it does not tell."""
    found = devices.memory()
    return None if found is None else _steady(found.device())


def steady_machine() -> Machine | None:
    """This machine as `steady` has it, by the formulas; None where it does not tell its memory."""
    ram = steady_memory()
    return None if ram is None else Machine(ram, tuple(map(_steady, devices.visible(devices.gpus()))))


def _steady(device: Device) -> Device:
    kept = min(device.total // 4, _SYSTEM) if device.kind == "ram" else min(device.total // 8, _DRIVERS)
    return device._replace(free=device.total - kept)


def _memory(ram: int | None) -> Device:
    if ram is not None:
        return Device("RAM", "ram", ram, ram)
    found = devices.memory()
    if found is None:
        raise UsageError(
            "this machine does not tell its memory", hint="describe one: `--ram 16GiB`, or `ram=` in Python"
        )
    return found.device()


def _this(ram: Device, found: tuple[Device, ...], stack: ExitStack, *, server: bool) -> Machine:
    from modelsync.llama.installed import is_installed

    if not is_installed():
        return Machine(ram, found)
    if any(gpu.exclusive for gpu in found):
        return Machine(ram, found, notes=("a GPU is in exclusive mode: llama.cpp was not asked",))
    from modelsync.llama.breakdown import Breakdown
    from modelsync.llama.breakdown_estimate import gpus_of

    breakdown = stack.enter_context(Breakdown())
    seen = gpus_of(breakdown)
    if breakdown.why_not is not None:
        return Machine(ram, found, notes=(f"by the formulas: {breakdown.why_not}",))
    if len(seen) == len(found):
        return Machine(ram, found, breakdown)  # the drivers' numbers: without what asking itself takes
    if server:
        return Machine(ram, found or seen, notes=("by the formulas: llama-cpp-python sees other GPUs here",))
    note = f"the installed llama-cpp-python uses {len(seen)} of the {len(found)} GPUs of this machine"
    return Machine(ram, seen, breakdown, (note,) if len(seen) < len(found) else ())
