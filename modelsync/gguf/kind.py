"""Tells from its header what a GGUF file is: many are not models by themselves. Pure.

Sources, all in llama.cpp: `clip-impl.h` and `gguf-py` for projectors, `llama-adapter.cpp` for adapters and control
vectors, `imatrix.cpp`, `speculative.cpp` and the loaders of MTP models for draft heads, `llama.h` for pooling types.
"""

from typing import Literal, TypeAlias

from modelsync.errors import NotAModelError
from modelsync.gguf.foreign_types import REMOVED
from modelsync.gguf.header import Header
from modelsync.gguf.merge import SPLIT_COUNT, SPLIT_NUMBER
from modelsync.spec.names import printable

Kind: TypeAlias = Literal[
    "model", "projector", "adapter", "imatrix", "control-vector", "draft-head", "vocabulary", "unknown"
]
DraftType: TypeAlias = Literal["mtp", "eagle3", "dflash", "dspark"]
Task: TypeAlias = Literal["generate", "embed", "rank"]

MAX_NAME = 64  # bytes of a tensor's name, its terminating zero in llama.cpp's memory included
MAX_DIMENSIONS = 4  # of a tensor in llama.cpp

# What messages call a file of each kind, with its article.
NOUNS: dict[Kind, str] = {
    "model": "a model",
    "projector": "a projector",
    "adapter": "an adapter",
    "imatrix": "an importance matrix",
    "control-vector": "a control vector",
    "draft-head": "a draft head",
    "vocabulary": "a vocabulary without weights",
    "unknown": "no model that llama.cpp knows, and names no architecture",
}
# What to do with a file that is no model.
_HINTS: dict[Kind, str] = {
    "projector": "it goes with a model: `mmproj = …` of that model in models.toml",
    "adapter": "it goes with a model: `loras = […]` of that model in models.toml",
    "imatrix": "it is for making quants; name the model itself",
    "control-vector": "it goes with a model: llama.cpp's `--control-vector`",
    "draft-head": "it goes with a model: `draft = …` of that model in models.toml",
    "vocabulary": "name the model itself",
    "unknown": "`modelsync inspect --full` shows what it says",
}
_BY_TYPE: dict[str, Kind] = {
    "adapter": "adapter",
    "imatrix": "imatrix",
    "mmproj": "projector",
    "projector": "projector",
}
_BY_ARCHITECTURE: dict[str, Kind] = {"clip": "projector", "controlvector": "control-vector"}
# Files of other kinds that do not say so: a key that only they have.
_BY_KEY: dict[str, Kind] = {
    "imatrix.chunk_count": "imatrix",
    "clip.has_vision_encoder": "projector",
    "clip.has_audio_encoder": "projector",
    "adapter.type": "adapter",
    "controlvector.layer_count": "control-vector",
}
_HEADS: dict[str, DraftType] = {
    "dflash": "dflash",
    "eagle3": "eagle3",
    "gemma4-assistant": "mtp",
    "gemma4_assistant": "mtp",
    "gemma4_mtp": "mtp",
}
_MARKOV = "markov_w1.weight"  # a DFlash head with it is a DSpark head
_FIRST_NORM = "blk.0.attn_norm.weight"  # of every model that may have an MTP head

# Architectures of llama.cpp that output embeddings only.
_ENCODERS = (
    "bert",
    "eurobert",
    "gemma-embedding",
    "jina-bert-v2",
    "jina-bert-v3",
    "llama-embed",
    "modern-bert",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "t5encoder",
)
_POOLED = (1, 2, 3)  # mean, first, last; 0 is none
_RANKING = 4  # a score of a pair of texts


def kind_of(header: Header) -> Kind:
    """What a file is. Of a split model the merged header tells; one part alone counts as a model."""
    metadata, architecture = header.metadata, header.architecture
    stated = _BY_TYPE.get((metadata.text("general.type") or "").lower())
    known = stated or _BY_ARCHITECTURE.get(architecture or "")
    if known is not None:
        return known
    for key, kind in _BY_KEY.items():
        if key in metadata:
            return kind
    if draft_type(header) is not None:
        return "draft-head"
    if _is_part(header):
        return "model"
    if not header.tensors and "tokenizer.ggml.tokens" in metadata:
        return "vocabulary"
    return "model" if architecture else "unknown"


def draft_type(header: Header) -> DraftType | None:
    """The method of speculative decoding that a draft head is for; None if the file is no draft head.

    A whole model that has its own MTP head is none.
    """
    stated = _HEADS.get(header.architecture or "")
    if stated is not None:
        is_spark = stated == "dflash" and any(tensor.name == _MARKOV for tensor in header.tensors)
        return "dspark" if is_spark else stated
    if not header.number("nextn_predict_layers") or _is_part(header):
        return None
    names = {tensor.name for tensor in header.tensors}
    alone = _FIRST_NORM not in names and any(".nextn." in name for name in names)
    return "mtp" if alone else None


def task_of(header: Header) -> Task:
    """What a model outputs: text, embeddings of a text, or a score of two texts (a reranker)."""
    pooling = header.number("pooling_type")
    if pooling == _RANKING:
        return "rank"
    return "embed" if pooling in _POOLED or header.architecture in _ENCODERS else "generate"


def is_causal(header: Header) -> bool:
    """Whether a token sees only those before it. A model that is not causal computes a whole text at once."""
    if header.architecture in _ENCODERS:
        return False
    return header.metadata.get(header.key("attention.causal")) is not False


def _is_part(header: Header) -> bool:
    """Whether it is one part of a split model, without the others."""
    metadata = header.metadata
    count, number = metadata.number(SPLIT_COUNT) or 1, metadata.number(SPLIT_NUMBER) or 0
    return header.parts == 1 and (count > 1 or number > 0)


def obstacle(header: Header) -> str | None:
    """Why llama.cpp does not load a file that is well-formed otherwise; None if it does. A clause: `it is …`."""
    if header.big_endian:
        return "it is big-endian, made for machines such as IBM Z"
    foreign = {tensor.type.name: tensor.type for tensor in header.tensors if tensor.type.origin}
    if foreign:
        origins = sorted({each.origin for each in foreign.values()})
        return f"its tensors have types of {' and '.join(origins)}: {', '.join(sorted(foreign))}"
    for tensor in header.tensors:
        if len(tensor.shape) > MAX_DIMENSIONS:
            return (
                f"tensor `{printable(tensor.name)}` has {len(tensor.shape)} dimensions;"
                f" there may be {MAX_DIMENSIONS}"
            )
        length = len(tensor.name.encode())
        if length >= MAX_NAME:
            return (
                f"the name of tensor `{printable(tensor.name)}` has {length} bytes;"
                f" there must be fewer than {MAX_NAME}"
            )
    return None


def check_model(header: Header, what: str) -> None:
    """Refuses a file that is no model, or that llama.cpp does not load.

    Args:
        header: Of a split model the merged one.
        what: Its name, for messages.

    Raises:
        NotAModelError: the message says what it is, or why llama.cpp does not load it.
    """
    kind = kind_of(header)
    if kind != "model":
        raise NotAModelError(f"{printable(what)} is {NOUNS[kind]}", hint=_HINTS[kind])
    why = obstacle(header)
    if why is not None:
        raise NotAModelError(f"llama.cpp does not load {printable(what)}: {why}", hint=_remedy(header))


def _remedy(header: Header) -> str:
    if header.big_endian:
        return "look for a little-endian file of the model"
    origins = {tensor.type.origin for tensor in header.tensors} - {""}
    if REMOVED in origins:
        return "look for a newer conversion of the model; llama.cpp repacks Q4_0 when it loads it"
    return (
        f"{origins.pop()} loads it; for llama.cpp look for another quant"
        if origins
        else ("look for another conversion of the model")
    )
