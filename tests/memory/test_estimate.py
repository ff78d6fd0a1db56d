"""Estimates: where what goes, and what is said of models that are not known."""

import pytest

from modelsync.gguf.reader import read_header
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import write_header
from modelsync.memory.companions import CompanionHeader
from modelsync.memory.estimate import EstimatedModel, estimate, model_of
from modelsync.memory.load_settings import ALL_LAYERS, LoadSettings
from modelsync.system.devices import Device
from tests.support import model_shapes
from tests.support.header_builder import Model as Building
from tests.support.machines import RAM
from tests.support.units import GiB

GPU = Device("GPU 0", "cuda", 24 * GiB, 23 * GiB)
FLASH = LoadSettings("test", context=4096, flash_attention=True, full_window=False)

# Weights and cache in RAM and on each GPU, as llama.cpp placed them on stand-in GPUs (ggml's RPC device, over a CPU).
PLACED = [
    ("llama3.1-8B", 0, 1, [(8532934656, 536870912), (0, 0)]),
    ("llama3.1-8B", 1, 1, [(7974748160, 536870912), (558186496, 0)]),
    ("llama3.1-8B", 16, 1, [(4498227200, 285212672), (4034707456, 251658240)]),
    ("llama3.1-8B", 33, 1, [(558170112, 0), (7974764544, 536870912)]),
    ("gemma3-4B", 1, 1, [(4123676672, 266338304), (713041920, 0)]),
    ("gemma3-4B", 17, 1, [(2518667264, 144703488), (2318051328, 121634816)]),
    ("gemma3-4B", ALL_LAYERS, 1, [(713031680, 0), (4123686912, 266338304)]),
    ("llama3.1-8B", 33, 2, [(558170112, 0), (3940057088, 285212672), (4034707456, 251658240)]),
]


def built(name: str) -> EstimatedModel:
    return model_of(model_shapes.ALL[name]().header())


@pytest.mark.parametrize(("name", "layers", "gpus", "expected"), PLACED)
def test_weights_and_cache_are_where_llama_cpp_puts_them(
    name: str, layers: int, gpus: int, expected: list[tuple[int, int]]
) -> None:
    """Layers, the output, a tied embedding, two GPUs: to the byte."""
    found = estimate(built(name), FLASH._replace(gpu_layers=layers), RAM, [GPU] * gpus)
    assert [(use.weights, use.cache) for use in found.uses] == expected


def test_a_gpu_that_only_multiplies_takes_the_largest_weight_too() -> None:
    """With no layers on the GPU a batch is still multiplied there: the projection is copied beside the logits."""
    found = estimate(built("llama3.1-8B"), FLASH, RAM, [GPU])
    assert found.uses[1].weights == 0
    assert found.uses[1].compute > built("llama3.1-8B").weights.projection


def test_the_cache_stays_in_ram_if_it_is_told_to() -> None:
    """`offload_kqv=False` leaves the cache of all layers in RAM."""
    found = estimate(built("llama3.1-8B"), FLASH._replace(gpu_layers=33, offload_cache=False), RAM, [GPU])
    assert [use.cache for use in found.uses] == [536870912, 0]


def test_projectors_and_adapters_are_counted_in() -> None:
    """A projector goes to the first GPU, an adapter to what it changes."""
    f32 = BY_NAME["F32"]
    projector = write_header({"general.architecture": "clip"}, [("mm.0.weight", (1024, 1024), f32)])
    adapter = write_header(
        {"general.architecture": "llama"},
        [("blk.0.ffn_down.weight.lora_a", (64, 8), f32), ("blk.31.ffn_down.weight.lora_a", (64, 16), f32)],
    )
    model = model_of(
        model_shapes.ALL["llama3.1-8B"]().header(),
        [
            CompanionHeader("mmproj", read_header(projector.header, "mmproj")),
            CompanionHeader("lora", read_header(adapter.header, "lora")),
        ],
    )
    settings = FLASH._replace(gpu_layers=2)
    ram, gpu = estimate(model, settings, RAM, [GPU]).uses
    bare = estimate(built("llama3.1-8B"), settings, RAM, [GPU]).uses
    assert (ram.weights - bare[0].weights, gpu.weights - bare[1].weights) == (
        64 * 8 * 4,
        (1 << 22) + 64 * 16 * 4,
    )


def test_an_unknown_architecture_says_so_and_gives_a_bound() -> None:
    """All its layers are taken to keep the whole context, and the estimate says that this is the most."""
    model = Building("brandnew", 8, 1024, 32000, context=8192)
    model.heads(16, 4)
    model.keys(attention__sliding_window=128, feed_forward_length=4096)
    model.ends()
    for block in model.blocks:
        model.attention(block, 1024, 256)
        model.feed_forward(block, 4096)
    found = estimate(model_of(model.header()), FLASH, RAM)
    assert found.bound
    assert found.notes == (
        "the formulas do not know the architecture `brandnew`: the cache is an upper bound",
    )
    assert found.cache == 8 * 2 * 2 * 256 * 4096


def test_a_header_without_a_shape_still_has_weights() -> None:
    """Of what names no architecture and no layers, the weights are told, and why nothing else is."""
    f16 = BY_NAME["F16"]
    for metadata, words in (
        ({"general.name": "x"}, "names no architecture"),
        ({"general.architecture": "llama"}, "does not say how many layers"),
    ):
        file = write_header(metadata, [("a", (512, 4), f16)])
        found = estimate(model_of(read_header(file.header, "model")), FLASH, RAM)
        assert (found.weights, found.cache, found.bound) == (4096, 0, True)
        assert words in found.notes[0]


def test_a_draft_head_is_counted_as_a_further_model() -> None:
    """Its weights, an F16 cache as long as the model's and a compute buffer: on the GPU where the model has layers."""
    target, small = model_shapes.ALL["llama3.1-8B"]().header(), Building("llama", 2, 512, 1000, context=8192)
    small.heads(8, 4, 64)
    small.ends()
    for block in small.blocks:
        small.attention(block, 512, 256)
        small.feed_forward(block, 2048)
    header = small.header()
    model = model_of(target, [CompanionHeader("draft", header)])
    for layers, place in ((0, 0), (33, 1)):
        settings = FLASH._replace(
            gpu_layers=layers, cache_type_k=BY_NAME["Q8_0"], cache_type_v=BY_NAME["Q8_0"]
        )
        uses = estimate(model, settings, RAM, [GPU]).uses
        bare = estimate(built("llama3.1-8B"), settings, RAM, [GPU]).uses
        assert uses[1 - place] == bare[1 - place]
        assert uses[place].weights - bare[place].weights == sum(tensor.nbytes for tensor in header.tensors)
        assert uses[place].cache - bare[place].cache == 4096 * 2 * (256 + 256) * 2
        assert 0 < uses[place].compute - bare[place].compute < 64 << 20
    assert any("draft head" in note for note in estimate(model, FLASH, RAM).notes)


def test_of_a_head_only_its_own_layers_have_a_cache() -> None:
    """The header of an MTP head tells the model's number of layers, and the file has the last one alone."""
    head = Building("qwen3", 36, 1024, 1000, context=8192)
    head.heads(16, 8, 128)
    head.keys(nextn_predict_layers=1)
    head.attention("blk.35", 2048, 1024)
    model = model_of(model_shapes.ALL["llama3.1-8B"]().header(), [CompanionHeader("draft", head.header())])
    more = estimate(model, FLASH, RAM).cache - estimate(built("llama3.1-8B"), FLASH, RAM).cache
    assert more == 4096 * (1024 + 1024) * 2
