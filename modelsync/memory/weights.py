"""Assigns tensors to layers, and layers to devices, as llama.cpp does.

Source: `LLM_TENSOR_INFOS`, `llama_model_loader::create_tensor` and `llama_model_base::load_tensors` in llama.cpp.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from modelsync.gguf.header import DEFAULT_ALIGNMENT, Header, Tensor, padded
from modelsync.memory import families
from modelsync.memory.load_settings import ALL_LAYERS
from modelsync.memory.shape import Shape

RAM = 0  # the place of RAM; GPUs are 1, 2, …

_INPUT = ("token_embd", "position_embd", "token_types", "per_layer_token_embd")
_FIRST_LAYER = ("token_embd_norm", "per_layer_model_proj", "per_layer_proj_norm")
_EACH_DEVICE = ("rope_freqs", "rope_factors_long", "rope_factors_short")
_EMBEDDING = "token_embd.weight"


class Weights(NamedTuple):
    """Bytes of weights, without the layers that llama.cpp does not load (MTP)."""

    inputs: int  # always in RAM
    layers: tuple[int, ...]
    output: int
    tied: int  # the embedding, if it is the output too: copied if the output is not in RAM
    twice: bool  # the embedding is copied wherever the output is
    each: int  # copied to each place that has layers
    largest: tuple[int, ...]  # the largest tensor of each layer
    projection: int  # the tensor that computes the logits
    loaded: int  # bytes as the file has them, without what is copied and what aligns them

    @property
    def total(self) -> int:
        """Bytes if all weights are in one place."""
        return self.inputs + sum(self.layers) + self.output + self.each + (self.tied if self.twice else 0)


class DeviceLayout(NamedTuple):
    """The place of each layer: RAM, or a GPU."""

    layers: tuple[int, ...]
    output: int
    places: int  # RAM and the GPUs

    @property
    def on_gpu(self) -> int:
        """How many layers are on GPUs; the output counts as one."""
        return sum(place != RAM for place in (*self.layers, self.output))


def weigh(header: Header, shape: Shape) -> Weights:
    """Sums the weights of a model by layer."""
    count = len(shape.layers)
    layers, largest = [0] * count, [0] * count
    inputs = output = each = embedding = projection = loaded = 0
    for tensor in header.tensors:
        size = padded(tensor.nbytes, DEFAULT_ALIGNMENT)
        index = _layer_of(tensor, shape, count)
        if index is None or index < shape.trunk:
            loaded += tensor.nbytes
        if index is not None:
            if index < shape.trunk:
                layers[index] += size
                largest[index] = max(largest[index], size)
            continue
        name = tensor.name.partition(".")[0]
        if name in _INPUT:
            inputs += size
        elif name in _EACH_DEVICE:
            each += size
        else:
            output += size
        if tensor.name == "output.weight":
            projection = size
        elif tensor.name == _EMBEDDING:
            embedding = size
    tied = embedding if shape.has_logits and not projection else 0
    return Weights(
        inputs,
        tuple(layers),
        output,
        tied,
        shape.architecture in families.EMBEDDING_TWICE,
        each,
        tuple(largest),
        projection or tied,
        loaded,
    )


def arrange(count: int, gpu_layers: int, free: Sequence[int]) -> DeviceLayout:
    """Places `count` layers and the output as llama.cpp does: from the output backwards, as many as go to GPUs.

    Args:
        count: Layers of the model.
        gpu_layers: How many go to GPUs, the output counted as one; `ALL_LAYERS`: all.
        free: Free bytes of each GPU; layers are shared out in this proportion.
    """
    wanted = count + 1 if gpu_layers == ALL_LAYERS else gpu_layers
    sent = min(wanted, count + 1) if sum(free) else 0
    first = count + 1 - sent
    edges = [edge / sum(free) for edge in accumulate(free)] if sent else []

    def place(index: int) -> int:
        if index < first:
            return RAM
        return min(bisect_right(edges, (index - first) / sent), len(free) - 1) + 1

    return DeviceLayout(tuple(map(place, range(count))), place(count), 1 + len(free))


def weight_bytes(weights: Weights, layout: DeviceLayout) -> list[int]:
    """Bytes of weights in RAM and on each GPU."""
    sums = [0] * layout.places
    sums[RAM] += weights.inputs
    for place, size in zip(layout.layers, weights.layers, strict=True):
        sums[place] += size
    for place in set(layout.layers):
        sums[place] += weights.each
    sums[layout.output] += weights.output
    if weights.twice or layout.output != RAM:
        sums[layout.output] += weights.tied
    return sums


def adapter_bytes(adapters: Iterable[Header], shape: Shape, layout: DeviceLayout) -> list[int]:
    """Bytes of LoRA adapters in RAM and on each GPU: each is with the tensor that it changes."""
    sums = [0] * layout.places
    for adapter in adapters:
        for tensor in adapter.tensors:
            index = _layer_of(tensor, shape, len(layout.layers))
            if index is not None:
                place = layout.layers[index]
            else:
                place = RAM if tensor.name.startswith(_INPUT) else layout.output
            sums[place] += padded(tensor.nbytes, DEFAULT_ALIGNMENT)
    return sums


def repacked_bytes(header: Header, shape: Shape, layout: DeviceLayout, extra: Mapping[int, int]) -> int:
    """Bytes in RAM beyond the file's, where llama.cpp lays matrices out anew for its CPU.

    Args:
        header: The model's.
        shape: The model's.
        layout: Where its layers are.
        extra: Bytes that a block takes more, by the ID of each type that is laid out anew; 0 is possible.
    """
    found, tied = 0, shape.has_logits and all(tensor.name != "output.weight" for tensor in header.tensors)
    for tensor in header.tensors:
        if tensor.type.id not in extra or not _is_matrix(tensor):
            continue
        more = tensor.elements // tensor.type.block * extra[tensor.type.id]
        index = _layer_of(tensor, shape, len(layout.layers))
        if index is not None:
            found += more if index < shape.trunk and layout.layers[index] == RAM else 0
        elif tensor.name == _EMBEDDING:
            # a tied embedding is read by rows as the input, and multiplied as the output: it is held both ways
            twice = shape.architecture in families.EMBEDDING_TWICE
            if tied and layout.output == RAM:
                found += more + (0 if twice else padded(tensor.nbytes, DEFAULT_ALIGNMENT))
        elif tensor.name.partition(".")[0] not in (*_INPUT, *_EACH_DEVICE) and layout.output == RAM:
            found += more
    return found


def _is_matrix(tensor: Tensor) -> bool:
    """Whether a tensor is multiplied whole, and has the least sizes of ggml's kernels for AMX."""
    return len(tensor.shape) == 2 and tensor.shape[0] % 64 == 0 and tensor.shape[1] % 32 == 0


def _layer_of(tensor: Tensor, shape: Shape, count: int) -> int | None:
    """The layer of a tensor; None: it belongs to the input or the output."""
    first, _, rest = tensor.name.partition(".")
    number = rest.partition(".")[0]
    if first == "blk" and number.isdecimal() and int(number) < count:
        return int(number)
    if (
        first in _FIRST_LAYER
        and count
        and not (first == "token_embd_norm" and shape.architecture.startswith("lfm2"))
    ):
        return 0
    return None
