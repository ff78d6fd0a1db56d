"""Estimates what a draft head needs beside its model: it is a further model with a context of its own.

Source: `common_base_params_to_speculative` and `common_speculative_init_result` in llama.cpp: the draft's context has
the settings of the model's, as many tokens, an F16 cache unless it is told another, and logits for one token of each
sequence.
"""

from typing import NamedTuple

from modelsync.gguf.header import Header
from modelsync.gguf.types import BY_NAME
from modelsync.memory.cache import cache_bytes
from modelsync.memory.compute import compute_bytes
from modelsync.memory.load_settings import LoadSettings
from modelsync.memory.shape import Shape, shape_of


class DraftNeeds(NamedTuple):
    """Bytes of a draft's weights, cache and compute buffer."""

    weights: int
    cache: int
    compute: int


def draft_needs(header: Header, model: Shape, settings: LoadSettings) -> DraftNeeds:
    """What a draft head, or a small draft model, needs.

    Of a head only the layers that are in its file count. One whose layers use the model's cache needs less.

    Args:
        header: Of the draft.
        model: The model that it drafts for.
        settings: How the model is loaded.
    """
    shape = _own_layers(header, shape_of(header))
    f16 = BY_NAME["F16"]
    own = settings._replace(
        context=settings.context or model.context,
        outputs=settings.sequences,
        cache_type_k=f16,
        cache_type_v=f16,
    )
    weights = sum(tensor.nbytes for tensor in header.tensors)
    return DraftNeeds(weights, sum(cache_bytes(shape, own)), compute_bytes(shape, own))


def _own_layers(header: Header, shape: Shape) -> Shape:
    """The shape with the layers whose tensors the file has."""
    there = {tensor.name.split(".")[1] for tensor in header.tensors if tensor.name.startswith("blk.")}
    layers = tuple(layer for index, layer in enumerate(shape.layers) if str(index) in there)
    return shape._replace(layers=layers, trunk=len(layers))
