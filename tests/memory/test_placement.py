"""Verdicts, the largest context, remedies, and settings that are left open."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsync.errors import UsageError
from modelsync.memory.estimate import DeviceUse, Estimate, EstimatedModel, model_of
from modelsync.memory.load_settings import (
    ALL_LAYERS,
    LLAMA_CPP_PYTHON,
    LLAMA_SERVER,
    LoadSettings,
    cache_type,
    from_load,
)
from modelsync.memory.placement import formula, max_context, remedies, score, shortage, verdict
from modelsync.system.devices import Device
from tests.support import model_shapes
from tests.support.units import GiB

MODELS = {
    name: model_of(model_shapes.ALL[name]().header()) for name in ("llama3.1-8B", "gemma3-4B", "phi3-mini")
}
LLAMA = MODELS["llama3.1-8B"]  # 8 GiB of weights, half a GiB of cache for 4096 tokens


def ram(gib: float) -> Device:
    return Device("RAM", "ram", int(gib * GiB), int(gib * GiB))


def gpu(gib: float, *, shared: bool = False) -> Device:
    return Device("GPU", "metal" if shared else "cuda", int(gib * GiB), int(gib * GiB), shared=shared)


@pytest.mark.parametrize(
    ("memory", "gpus", "layers", "word", "text"),
    [
        (32, [], 0, "fits-ram", "fits the memory"),
        (8.5, [], 0, "tight", "fits the memory, but tightly"),
        (4, [], 0, "does-not-fit", "does not fit: 4.3 GiB too much"),
        (32, [gpu(24)], 0, "fits-ram", "fits the memory, all on the CPU"),
        (32, [gpu(24)], ALL_LAYERS, "fits-gpu", "fits the GPU"),
        (32, [gpu(6), gpu(6)], ALL_LAYERS, "fits-gpu", "fits the GPUs"),
        (32, [gpu(8)], "auto", "fits-partly", "fits with 27 of 33 layers on the GPU"),
        (32, [gpu(8)], ALL_LAYERS, "does-not-fit", "does not fit: 193.8 MiB too much"),
        (12, [gpu(10, shared=True)], ALL_LAYERS, "fits-gpu", "fits the GPU"),
        (8, [gpu(10, shared=True)], ALL_LAYERS, "does-not-fit", "does not fit: 805.1 MiB too much"),
    ],
)
def test_verdicts(memory: float, gpus: list[Device], layers: int, word: str, text: str) -> None:
    """Each way to fit and not to fit has its word and its sentence."""
    asked = LLAMA_CPP_PYTHON._replace(gpu_layers=layers, flash_attention=True)
    found = verdict(formula(LLAMA, ram(memory), gpus)(asked))
    assert (found.word, found.text, found.fits) == (word, text, word != "does-not-fit")


sizes = st.floats(0.5, 64, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(MODELS)), sizes, st.lists(sizes, max_size=2), st.sampled_from([0, 7, ALL_LAYERS])
)
def test_the_largest_context_fits_and_one_step_more_does_not(
    name: str, memory: float, gpus: list[float], layers: int
) -> None:
    """Whatever the machine: the answer is the last that fits, or what the model was trained with."""
    model, asked = MODELS[name], LLAMA_CPP_PYTHON._replace(gpu_layers=layers)
    ask = formula(model, ram(memory), [gpu(size) for size in gpus])
    most = max_context(asked, model.shape.context, ask)
    assert most % 256 == 0
    assert most == 0 or not shortage(ask(asked._replace(context=most)))
    assert most + 256 > model.shape.context or shortage(ask(asked._replace(context=most + 256)))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 700), st.integers(0, 800), st.integers(0, 90_000))
def test_a_guess_changes_no_answer(trained: int, fitting: int, near: int) -> None:
    """However wrong it is, and whatever fits: the context is the largest that does, at most the trained one."""

    def stands(asked: LoadSettings) -> Estimate:
        need = GiB if asked.cells(trained) > fitting * 256 else 0
        return Estimate("formula", asked, 0, 0, 1, (DeviceUse(Device("RAM", "ram", 1, 1), need, 0, 0),))

    most = max_context(LLAMA_CPP_PYTHON, trained * 100 + 1, stands, near=near)
    assert most == min(trained * 100 + 1, fitting * 256)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(MODELS)),
    sizes,
    st.lists(sizes, max_size=1),
    st.sampled_from([2048, 32768, 131072]),
)
def test_every_remedy_cures(name: str, memory: float, gpus: list[float], context: int) -> None:
    """What is said to make it fit does, and nothing is said where nothing is wrong."""
    model = MODELS[name]
    asked = LLAMA_CPP_PYTHON._replace(gpu_layers=ALL_LAYERS if gpus else 0, context=context)
    ask = formula(model, ram(memory), [gpu(size) for size in gpus])
    found = remedies(model, asked, ask)
    if not shortage(ask(asked)):
        assert found == ()
    for remedy in found:
        assert verdict(remedy.estimate).fits
        assert not shortage(ask(remedy.settings))


def test_remedies_are_the_ones_a_person_would_try() -> None:
    """Too long a context on a small machine: a smaller cache, or a shorter context."""
    asked = LLAMA_CPP_PYTHON._replace(context=65536)
    texts = [remedy.text for remedy in remedies(LLAMA, asked, formula(LLAMA, ram(15)))]
    assert texts == ["a q8_0 cache with flash attention", "a context of 37,632 tokens"]


def test_layers_go_where_there_is_room_for_them() -> None:
    """A GPU that stands idle beside a small memory, and one that has too much to hold."""
    idle = remedies(LLAMA, LLAMA_CPP_PYTHON, formula(LLAMA, ram(6), [gpu(24)]))
    assert [remedy.text for remedy in idle] == ["layers on the GPU (33 of 33)"]
    asked = LLAMA_CPP_PYTHON._replace(gpu_layers=ALL_LAYERS, flash_attention=True)
    full = remedies(LLAMA, asked, formula(LLAMA, ram(32), [gpu(8)]))
    assert full[0].text == "fewer layers on the GPU (27 of 33)"
    assert full[0].estimate.gpu_layers == 27
    assert remedies(LLAMA, asked, formula(LLAMA, ram(4))) == ()


def placed(model: EstimatedModel, asked: LoadSettings, memory: float, *gpus: Device) -> tuple[int, int]:
    """How many layers go to GPUs, and the context."""
    found = formula(model, ram(memory), gpus)(asked)
    return found.gpu_layers, found.context


def test_what_is_left_open_is_filled_as_llama_server_fills_it() -> None:
    """All on the GPU with a whole context; else a shorter one; else 4096 tokens and fewer layers; a GiB stays free."""
    assert placed(LLAMA, LLAMA_SERVER, 64, gpu(48)) == (33, 131072)
    layers, context = placed(LLAMA, LLAMA_SERVER, 64, gpu(16))
    assert (layers, 4096 < context < 131072) == (33, True)
    layers, context = placed(LLAMA, LLAMA_SERVER, 64, gpu(6))
    assert (0 < layers < 33, context) == (True, 4096)
    assert placed(LLAMA, LLAMA_SERVER._replace(context=8192), 64, gpu(6))[1] == 8192
    assert placed(LLAMA, LLAMA_SERVER, 16) == (0, 56320)
    left = formula(LLAMA, ram(64), [gpu(6)])(LLAMA_SERVER).uses[1].headroom
    assert left >= GiB


def test_the_manifests_load_settings_are_taken() -> None:
    """Keywords of `llama_cpp.Llama` decide, those that memory does not depend on do not."""
    found = from_load({"n_ctx": 8192, "type_k": 8, "flash_attn": True, "n_gpu_layers": -1, "temperature": 1})
    assert found == LLAMA_CPP_PYTHON._replace(
        profile="llama-cpp-python, with the manifest's load settings",
        context=8192,
        cache_type_k=cache_type("q8_0"),
        flash_attention=True,
        gpu_layers=ALL_LAYERS,
    )
    assert from_load({"temperature": 1}) is LLAMA_CPP_PYTHON
    assert from_load({"n_gpu_layers": "auto"}).gpu_layers == "auto"
    longest = from_load({"n_ctx": "max"})
    assert (longest.context, longest.fitted) == (0, True)


@pytest.mark.parametrize("load", [{"n_ctx": "many"}, {"n_ctx": -1}, {"type_v": 12}, {"type_k": "q8_0"}])
def test_load_settings_that_mean_nothing_are_refused(load: dict[str, object]) -> None:
    """A value that llama.cpp would not take is an error that names it."""
    with pytest.raises(UsageError, match=r"`load\."):
        from_load(load)


def test_the_score_is_node_llama_cpps() -> None:
    """All on a GPU scores 100; half the layers lose their share; a large model on a CPU is marked down."""
    everything = formula(LLAMA, ram(64), [gpu(48)])(LLAMA_CPP_PYTHON._replace(gpu_layers=ALL_LAYERS))
    part = formula(LLAMA, ram(64), [gpu(48)])(LLAMA_CPP_PYTHON._replace(gpu_layers=11))
    cpu = formula(LLAMA, ram(64))(LLAMA_CPP_PYTHON)
    assert score(everything, 8192, 8192) == 100
    assert score(part, 8192, 8192) == round((60 / 3 + 30 + 10) / 110 * 100)
    assert score(part, 4096, 8192) == round((60 / 3 + 15 + 10) / 110 * 100)
    assert score(cpu, 8192, 8192) == round(40 / 110 * 100)
