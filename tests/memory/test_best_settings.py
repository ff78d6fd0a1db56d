"""The settings with which a model runs best: layers first, then context, within what a machine has."""

import pytest

from modelsync.memory.best_settings import best_settings, fits_well
from modelsync.memory.estimate import model_of
from modelsync.memory.load_settings import LLAMA_CPP_PYTHON, LLAMA_SERVER, LoadSettings
from modelsync.memory.placement import Estimator, formula, shortage
from modelsync.system.devices import Device
from tests.support import model_shapes
from tests.support.units import GiB

LLAMA = model_of(model_shapes.ALL["llama3.1-8B"]().header())  # 33 layers, 8 GiB of weights
BERT = model_of(model_shapes.ALL["bge-base"]().header())  # trained with 512 tokens


def on(ram: float, *gpus: float) -> Estimator:
    def device(name: str, gib: float) -> Device:
        return Device(name, "ram" if name == "RAM" else "cuda", int(gib * GiB), int(gib * GiB))

    return formula(LLAMA, device("RAM", ram), [device("GPU", gpu) for gpu in gpus])


@pytest.mark.parametrize(("ram", "gpus"), [(64, [24]), (64, [6]), (64, [5, 5]), (16, []), (12, [3])])
def test_no_more_layers_and_no_more_context_would_fit(ram: float, gpus: list[float]) -> None:
    """A layer more beside 8192 tokens takes the GiB that stays free, and so do 256 tokens more beside those layers."""
    ask = on(ram, *gpus)
    found = best_settings(LLAMA, LLAMA_CPP_PYTHON, ask)
    assert isinstance(found.gpu_layers, int)
    assert found.context >= 8192
    assert fits_well(ask(found))
    layers = ask(found).gpu_layers
    if 0 < layers < 33:
        assert not fits_well(ask(found._replace(context=8192, gpu_layers=layers + 1)))
    assert bool(layers) == bool(gpus)
    assert found.context == 131072 or not fits_well(ask(found._replace(context=found.context + 256)))


def test_a_small_machine_gets_what_there_is() -> None:
    """Too little for 8192 tokens: as many as fit; too little for any: the least, which lacks least."""
    less = best_settings(LLAMA, LLAMA_CPP_PYTHON, on(8.6))
    assert 256 <= less.context < 8192
    assert not shortage(on(8.6)(less))
    assert shortage(on(8.6)(less._replace(context=less.context + 256)))
    assert best_settings(LLAMA, LLAMA_CPP_PYTHON, on(4)).context == 256


@pytest.mark.parametrize("asked", [LLAMA_CPP_PYTHON, LLAMA_SERVER])
def test_what_is_given_stays(asked: LoadSettings) -> None:
    """A context, a number of layers, and all that is neither; nothing is left open."""
    ask = on(64, 24)
    short = best_settings(LLAMA, asked, ask, context=2048)
    assert (short.context, short.gpu_layers) == (2048, -1)
    half = best_settings(LLAMA, asked._replace(gpu_layers=16), ask, own_layers=True)
    assert (half.gpu_layers, half.context) == (16, 131072)
    assert not half.fitted
    assert half._replace(gpu_layers=0, context=0, fitted=False) == asked._replace(
        gpu_layers=0, context=0, fitted=False
    )


def test_a_model_for_short_texts_gets_what_it_was_trained_with() -> None:
    """No context is longer than the trained one."""
    ask = formula(BERT, Device("RAM", "ram", 8 * GiB, 8 * GiB))
    assert best_settings(BERT, LLAMA_CPP_PYTHON, ask).context == 512
