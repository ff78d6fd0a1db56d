"""Machines as a test wants them: described, or this one made to look so."""

from collections.abc import Callable

import pytest

from modelsync.fit.estimation import EstimateOptions
from modelsync.system import devices
from modelsync.system.devices import Device, Memory
from tests.support.units import GiB, MiB

DESCRIBED = EstimateOptions(ram=64 * GiB, gpus=(8 * GiB,))
RAM = Device("RAM", "ram", 64 * GiB, 60 * GiB)
HUGE = 2_000_000_000  # tokens of a context that no machine has room for

Sized = Callable[..., None]


@pytest.fixture
def sized(monkeypatch: pytest.MonkeyPatch) -> Sized:
    """Makes this a machine of so many MiB, of which so many are free, and of these GPUs."""

    def make(total: float, available: float | None = None, *gpus: int) -> None:
        room = Memory(int(total * MiB), int((total if available is None else available) * MiB))
        cards = tuple(Device(f"GPU {size}", "cuda", size * MiB, size * MiB) for size in gpus)
        monkeypatch.setattr(devices, "memory", lambda: room)
        monkeypatch.setattr(devices, "gpus", lambda: cards)
        monkeypatch.setattr(devices, "fingerprint", lambda: f"{total} {gpus}")

    return make
