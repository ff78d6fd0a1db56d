"""Bytes that are kept between tokens, against what llama.cpp allocated."""

import pytest

from modelsync.errors import UsageError
from modelsync.memory.cache import cache_bytes
from modelsync.memory.compute import compute_bytes
from modelsync.memory.load_settings import LoadSettings, cache_type
from modelsync.memory.shape import shape_of
from tests.support import model_shapes

F16 = LoadSettings("test", context=4096, full_window=False)
FLASH = F16._replace(flash_attention=True)


def quantized(name: str) -> LoadSettings:
    return FLASH._replace(cache_type_k=cache_type(name), cache_type_v=cache_type(name))


# Measured with llama-cpp-python 0.3.36: F16, one sequence, no full window, but where it is said otherwise.
VECTORS = [
    ("llama3.1-8B", F16, 536870912),
    ("llama3.1-8B", F16._replace(context=4097), 570425344),  # padded to 4352
    ("llama3.1-8B", quantized("q8_0"), 285212672),
    ("llama3.1-8B", quantized("q4_0"), 150994944),
    ("llama2-7B", F16, 2147483648),
    ("llama3.1-70B", F16._replace(context=32768), 10737418240),
    ("qwen2-7B", F16._replace(context=32768), 1879048192),
    ("gemma3-4B", F16._replace(context=32768), 853540864),
    ("gpt-oss-20B", F16._replace(context=32768), 824180736),
    ("deepseek2-lite", F16, 127401984),
    ("mamba-2.8B", F16, 24903680),
    ("bge-base", F16, 0),
]


@pytest.mark.parametrize(("name", "settings", "size"), VECTORS)
def test_the_cache_is_known_to_the_byte(name: str, settings: LoadSettings, size: int) -> None:
    """Dense, grouped, windowed, latent, recurrent, none: what the formulas say is what llama.cpp allocated."""
    assert sum(cache_bytes(shape_of(model_shapes.ALL[name]().header()), settings)) == size


@pytest.mark.parametrize(
    ("settings", "size"),
    [(FLASH, 279447552), (F16, 322971648), (F16._replace(context=8192), 599795712)],
)
def test_a_dense_models_buffer_is_known_to_the_byte(settings: LoadSettings, size: int) -> None:
    """The buffer that Llama 3.1 8B works in, with flash attention and without."""
    assert compute_bytes(shape_of(model_shapes.ALL["llama3.1-8B"]().header()), settings) == size


def test_layers_that_predict_further_keep_nothing() -> None:
    """llama.cpp leaves the last layer of GLM 4.5 Air out, and so do we."""
    sizes = cache_bytes(shape_of(model_shapes.ALL["glm4.5-air"]().header()), F16)
    assert sizes[-1] == 0
    assert all(sizes[:-1])


def test_what_llama_cpp_refuses_is_refused() -> None:
    """A quantized V without flash attention, rows that are no whole blocks, and two types for latent attention."""
    llama, phi, deepseek = (
        shape_of(model_shapes.ALL[name]().header()) for name in ("llama3.1-8B", "phi3-mini", "deepseek2-lite")
    )
    with pytest.raises(UsageError, match="needs flash attention"):
        cache_bytes(llama, F16._replace(cache_type_v=cache_type("q8_0")))
    odd = phi._replace(layers=tuple(layer._replace(keys=layer.keys + 1) for layer in phi.layers))
    with pytest.raises(UsageError, match="a multiple of 32"):
        cache_bytes(odd, quantized("q8_0"))
    with pytest.raises(UsageError, match="it cannot be"):
        cache_bytes(deepseek, FLASH._replace(cache_type_k=cache_type("q8_0")))
