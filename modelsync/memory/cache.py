"""Computes the size of llama.cpp's cache, of keys and values or of states, to the byte.

Source: `llama_kv_cache`, `llama_kv_cache_iswa`, `llama_kv_cache_dsa` and `llama_memory_recurrent` in llama.cpp.
"""

from modelsync.errors import UsageError
from modelsync.gguf.header import DEFAULT_ALIGNMENT, padded
from modelsync.gguf.types import TensorType
from modelsync.memory.load_settings import CELL_STEP, LoadSettings
from modelsync.memory.shape import Layer, Shape

_FLOAT = 4  # bytes; a state is always F32


def cache_bytes(shape: Shape, settings: LoadSettings) -> tuple[int, ...]:
    """Bytes of the cache of each layer, in order.

    Raises:
        UsageError: llama.cpp would refuse the cache types.
    """
    check_cache_types(shape, settings)
    widest = max((layer.values for layer in shape.layers), default=0)
    return tuple(
        _attention(shape, settings, layer, widest) + _state(shape, settings, layer) for layer in shape.kept
    ) + (0,) * (len(shape.layers) - shape.trunk)


def state_bytes(shape: Shape, settings: LoadSettings) -> int:
    """Bytes of all recurrent layers' states."""
    return sum(_state(shape, settings, layer) for layer in shape.kept)


def window_cells(shape: Shape, settings: LoadSettings) -> int:
    """Cache cells of a windowed layer, in tokens, all sequences together."""
    cells = settings.cells(shape.context)
    if settings.full_window:
        return cells
    streams = 1 if settings.unified else settings.sequences
    window = shape.window * (settings.sequences if settings.unified else 1)
    tokens = settings.tokens(shape.context, shape.causal)
    return padded(min(cells // streams, window + tokens), CELL_STEP) * streams


def check_cache_types(shape: Shape, settings: LoadSettings) -> None:
    """Checks the cache types against the model.

    Raises:
        UsageError: llama.cpp would refuse them.
    """
    kinds = {"K": settings.cache_type_k, "V": settings.cache_type_v}
    if kinds["V"].block > 1 and not settings.flash_attention and any(layer.attends for layer in shape.kept):
        raise UsageError(
            f"a {kinds['V'].name} value cache needs flash attention",
            hint="turn flash attention on (`--flash-attn`, or `flash_attn` in Python and in a manifest),"
            " or quantize only the keys",
        )
    if shape.latent and kinds["K"] != kinds["V"]:
        raise UsageError(
            "a model with latent attention has one cache for keys and values:"
            f" it cannot be {kinds['K'].name} and {kinds['V'].name}",
            hint="give keys and values the same type (`--cache-type-k` and `--cache-type-v`, or `type_k` and"
            " `type_v` in a manifest)",
        )
    for layer in shape.kept:
        for letter, width in (("K", layer.keys), ("V", layer.values)):
            if layer.attends and width % kinds[letter].block:
                raise UsageError(
                    f"a {kinds[letter].name} cache needs rows that are a multiple of {kinds[letter].block}; "
                    f"this model's {letter} rows have {width} numbers",
                    hint="use f16 for that side",
                )


def _attention(shape: Shape, settings: LoadSettings, layer: Layer, widest: int) -> int:
    if not layer.attends:
        return 0
    cells = window_cells(shape, settings) if layer.windowed else settings.cells(shape.context)
    # without flash attention, values are stored transposed, in every layer as wide as in the widest
    values = 0 if shape.latent else layer.values if settings.flash_attention else widest
    rows = _row(layer.keys, settings.cache_type_k) + _row(values, settings.cache_type_v)
    return (rows + _row(shape.indexer_width, settings.cache_type_k)) * cells


def _state(shape: Shape, settings: LoadSettings, layer: Layer) -> int:
    if not layer.recurs:
        return 0
    return sum(
        padded(numbers * _FLOAT * max(1, settings.sequences), DEFAULT_ALIGNMENT)
        for numbers in (shape.convolution, shape.state)
    )


def _row(width: int, kind: TensorType) -> int:
    return kind.row_bytes(width)
