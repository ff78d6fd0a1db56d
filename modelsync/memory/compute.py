"""Estimates the size of llama.cpp's compute buffer.

llama.cpp plans its graph so that tensors share memory where their lifetimes do not overlap; the buffer has the size of
the peak. Each function here sums the tensors that are alive at a moment that is the peak in practice. The error is
measured (`tests/memory/test_against_llama_cpp.py`): dense models are right to the byte or within a few percent, others
mostly within 15 %.

All numbers are words of four bytes per token of a batch, unless stated.
"""

from collections.abc import Iterable

from modelsync.memory.cache import window_cells
from modelsync.memory.families import UNCACHED
from modelsync.memory.load_settings import LoadSettings
from modelsync.memory.shape import Layer, Shape

_WORD = 4  # bytes
_IDS = 2  # a token's ID and its position


def compute_bytes(
    shape: Shape, settings: LoadSettings, layers: Iterable[Layer] | None = None, *, output: bool = True
) -> int:
    """Bytes of the compute buffer on one device.

    Args:
        shape: The model.
        settings: How it is loaded.
        layers: The layers on the device; None: all.
        output: Whether the output layer is there.
    """
    moments = [
        moment
        for layer in set(shape.kept if layers is None else layers)
        for moment in (*_attention(shape, settings, layer), *_recurrence(shape, settings, layer))
    ]
    tokens = settings.tokens(shape.context, shape.causal)
    outputs = min(tokens, settings.outputs or tokens)
    most = _WORD * (tokens * max(moments) + outputs) if moments else 0
    return max(most, _logits(shape, settings, tokens, outputs)) if output and shape.has_logits else most


def passed_bytes(shape: Shape, settings: LoadSettings) -> int:
    """Bytes that each batch passes from one device to the next: the residual stream and the inputs."""
    return _WORD * settings.tokens(shape.context, shape.causal) * (shape.width + _inputs(shape, settings))


def input_bytes(shape: Shape, settings: LoadSettings) -> int:
    """Bytes that the CPU passes to layers on other devices: the embeddings, twice, and the inputs."""
    tokens = settings.tokens(shape.context, shape.causal)
    return _WORD * tokens * (2 * shape.width + _inputs(shape, settings))


def multiplication_bytes(shape: Shape, settings: LoadSettings) -> int:
    """Bytes of the input and output of one multiplication: all that a GPU needs that only multiplies."""
    widest = max((max(layer.feed, shape.experts * layer.routed) for layer in shape.kept), default=0)
    return _WORD * settings.tokens(shape.context, shape.causal) * (shape.width + widest)


def _logits(shape: Shape, settings: LoadSettings, tokens: int, outputs: int) -> int:
    """Bytes alive when the logits are computed: the logits, their input, and the residual stream."""
    last = shape.kept[-1] if shape.kept else None
    left = 0
    if last is not None and settings.flash_attention and _masks(shape, settings) < 2 * shape.width:
        # the last layer leaves no gap that is large enough for the logits
        if last.fused:
            left = 2 * shape.width + _inputs(shape, settings)
        elif _hides(shape, last):
            left = 2 * shape.width + last.queries + _inputs(shape, settings)
    return _WORD * (outputs * (shape.vocabulary + shape.width + 1) + tokens * (shape.width + left))


def _attention(shape: Shape, settings: LoadSettings, layer: Layer) -> tuple[int, ...]:
    """Words alive in a layer's feed-forward network, and in its attention."""
    inputs = _inputs(shape, settings) + shape.side_width
    feed = inputs + 3 * shape.width + _feed_forward(shape, layer)
    if settings.flash_attention:
        if layer.fused or layer.recurs:
            return (feed,)
        every = 0
        if layer.keys == layer.queries and not shape.latent:  # no grouped-query attention
            every = inputs + 2 * shape.width + 5 * layer.queries
        return feed + layer.queries - (layer.feed if _hides(shape, layer) else 0), every
    if not layer.heads or (layer.recurs and not layer.attends):
        return (feed,)
    stream = shape.width if layer.fused else 3 * shape.width
    queries = layer.queries * 3 // 2 if shape.latent else layer.queries * 2
    return feed, inputs + stream + queries + layer.heads * _cells(shape, settings, layer.windowed)


def _hides(shape: Shape, layer: Layer) -> bool:
    """Whether one of the feed-forward network's tensors fits into the memory of attention's."""
    return not layer.routed and layer.feed <= shape.width + layer.queries


def _recurrence(shape: Shape, settings: LoadSettings, layer: Layer) -> tuple[int, ...]:
    """Words alive in a layer's state space or linear attention. The size of a state does not depend on the batch."""
    if not layer.recurs:
        return ()
    inputs = _inputs(shape, settings)
    tokens = settings.tokens(shape.context, shape.causal)
    states = settings.sequences * (shape.state + 2 * shape.convolution) // tokens
    if shape.convolution_width > shape.inner > 0:  # Mamba 2 and the delta nets: a wider convolution
        return (inputs + 3 * shape.inner + 3 * shape.convolution_width + shape.width + states,)
    if shape.inner:  # Mamba
        return (inputs + 6 * shape.inner + shape.width + states,)
    if shape.state:  # RWKV
        return (inputs + 19 * shape.width + 2 * states,)
    return ()


def _feed_forward(shape: Shape, layer: Layer) -> int:
    """Words of up, gate and their product, times the number of experts that a token uses."""
    inside, out = shape.experts * layer.routed, shape.experts * shape.width
    # the experts' output uses the memory of up and gate, if it fits
    routed = 3 * inside + (out if out > 2 * inside else 0)
    return max((3 if layer.gated else 1) * layer.feed, routed)


def _inputs(shape: Shape, settings: LoadSettings) -> int:
    """Words of the inputs: token IDs, positions, masks, and the cells for new keys and values."""
    kinds = len({layer.windowed for layer in shape.kept if layer.attends})
    widest = max((layer.values for layer in shape.layers), default=0)
    if settings.flash_attention:
        return _IDS + kinds * (2 if shape.latent else 4) + _masks(shape, settings) // 2
    return _IDS + kinds * (2 if shape.latent else 2 + 2 * widest) + _masks(shape, settings)


def _masks(shape: Shape, settings: LoadSettings) -> int:
    """Words of a token's masks: one for full layers, one for windowed layers, none without attention."""
    kinds = {layer.windowed for layer in shape.kept if layer.attends or shape.architecture in UNCACHED}
    return sum(_cells(shape, settings, windowed) for windowed in kinds)


def _cells(shape: Shape, settings: LoadSettings, windowed: bool) -> int:
    """The number of cells that a token can attend to in its sequence."""
    if shape.architecture in UNCACHED:
        return settings.tokens(shape.context, shape.causal)
    cells = window_cells(shape, settings) if windowed else settings.cells(shape.context)
    return cells if settings.unified else cells // settings.sequences
