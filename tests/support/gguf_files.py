"""Real GGUF files for tests and the demo: tiny, random, and loadable by llama.cpp.

`make_llama` writes a whole llama model (tokenizer, chat template, random weights) that generates tokens, if
no sense. The same arguments give the same bytes. Needs `gguf` (and numpy, which comes with it).
"""

import math
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
_FIRST_PIECE = 3 + 256  # in the vocabulary: after the special tokens and the bytes
LLAMA_CPP_SPLIT = "{}-{:05d}-of-{:05d}.gguf"
_WORDS = (
    "▁the",
    "▁a",
    "▁of",
    "▁and",
    "▁to",
    "▁in",
    "▁is",
    "▁model",
    "▁hello",
    "▁world",
    "ing",
    "ed",
    "er",
    "ly",
)

Array = np.ndarray[Any, np.dtype[np.float32]]
Shape = tuple[int, ...]


def make_llama(
    path: Path,
    *,
    seed: int = 0,
    name: str = "Tiny",
    words: Sequence[str] = (),
    layers: int = 2,
    context: int = 256,
    chat_template: str | None = CHAT_TEMPLATE,
    big: int | None = None,
) -> Path:
    """Write a llama model with random weights (F32).

    Args:
        path: The file; its folder is made.
        seed: Of the weights.
        name: `general.name`.
        words: More tokens for the vocabulary, `▁` for a space.
        layers: Blocks.
        context: The trained context length, tokens.
        chat_template: Jinja, or None for a model without one.
        big: Make it wider and deeper until the file has about so many bytes, never fewer.

    Returns:
        `path`. Without `big` it has about 0.4 MB.
    """
    tokens, scores, kinds = _vocabulary(words)
    width, feed, layers = _dimensions(big, layers, len(tokens))
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("model")
    writer.add_name(name)
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_dimension_count(width // 4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    tensors = _llama_tensors(width, feed, layers, len(tokens))
    return _write(writer, path, tensors, _random(seed, tensors))


def split(path: Path, parts: int, folder: Path | None = None) -> list[Path]:
    """Split a model as llama.cpp's gguf-split does: `<stem>-00001-of-0000N.gguf`, the metadata in the first.

    Args:
        path: The whole model.
        parts: How many files; at most one a tensor.
        folder: Where to; None: beside it.

    Returns:
        The parts, in order.
    """
    reader = gguf.GGUFReader(path)
    tensors = list(reader.tensors)
    made = []
    for part, chosen in enumerate(np.array_split(np.arange(len(tensors)), parts)):
        target = (folder or path.parent) / LLAMA_CPP_SPLIT.format(path.stem, part + 1, parts)
        writer = gguf.GGUFWriter(target, _architecture(reader))
        if part == 0:
            _copy_metadata(reader, writer, {})
        writer.add_uint16(gguf.Keys.Split.LLM_KV_SPLIT_NO, part)
        writer.add_uint16(gguf.Keys.Split.LLM_KV_SPLIT_COUNT, parts)
        writer.add_int32(gguf.Keys.Split.LLM_KV_SPLIT_TENSORS_COUNT, len(tensors))
        made.append(_write_tensors(writer, target, [tensors[index] for index in chosen]))
    return made


def edit_metadata(path: Path, target: Path, *, chat_template: str, name: str | None = None) -> Path:
    """Write the same model with another chat template (and name): an update that leaves the tensors."""
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(target, _architecture(reader))
    changes = {gguf.Keys.Tokenizer.CHAT_TEMPLATE: chat_template}
    if name is not None:
        changes[gguf.Keys.General.NAME] = name
    _copy_metadata(reader, writer, changes)
    return _write_tensors(writer, target, reader.tensors)


def make_lora(path: Path, base: Path, *, seed: int = 0, rank: int = 4) -> Path:
    """Write a LoRA adapter that llama.cpp can lay over `base`: random, on one weight of every block."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    tensors: list[tuple[str, Shape]] = []
    for tensor in gguf.GGUFReader(base).tensors:
        if tensor.name.endswith("ffn_down.weight"):
            out, into = tensor.data.shape
            tensors += [(f"{tensor.name}.lora_a", (rank, into)), (f"{tensor.name}.lora_b", (out, rank))]
    return _write(writer, path, tensors, _random(seed, tensors))


def make_mmproj(path: Path, *, seed: int = 0) -> Path:
    """Write what has the head of a multimodal projector (architecture `clip`); it cannot see."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_name("Tiny projector")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    tensors: list[tuple[str, Shape]] = [("mm.0.weight", (64, 64))]
    return _write(writer, path, tensors, _random(seed, tensors))


# --- the model's parts -------------------------------------------------------------------------------


def _vocabulary(words: Sequence[str]) -> tuple[list[str], list[float], list[int]]:
    """A SentencePiece vocabulary: three specials, the 256 bytes, letters, a few words."""
    special = ["<unk>", "<s>", "</s>"]
    single = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = list(dict.fromkeys(["▁", *string.ascii_letters, *string.punctuation, *_WORDS, *words]))
    kind = gguf.TokenType
    kinds = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *[kind.BYTE] * 256, *[kind.NORMAL] * len(pieces)]
    scores = [0.0] * _FIRST_PIECE + [float(len(piece)) - 100.0 for piece in pieces]
    return [*special, *single, *pieces], scores, [int(each) for each in kinds]


def _dimensions(big: int | None, layers: int, vocabulary: int) -> tuple[int, int, int]:
    """Width, feed-forward width and blocks: the default ones, or those that give a file of `big` bytes."""
    width, feed = 64, 128
    if big is None:
        return width, feed, layers
    while 16 * 15 * width * width * 4 < big:  # 16 blocks of this width are not enough
        width *= 2
    block = 15 * width * width * 4
    layers = max(layers, big // block)
    fixed = sum(math.prod(shape) * 4 for _, shape in _llama_tensors(width, 0, layers, vocabulary))
    return width, max(feed, math.ceil((big - fixed) / (layers * 3 * width * 4))), layers


def _llama_tensors(width: int, feed: int, layers: int, vocabulary: int) -> list[tuple[str, Shape]]:
    """Names and shapes (rows, columns), in the order of the file."""
    tensors: list[tuple[str, Shape]] = [("token_embd.weight", (vocabulary, width))]
    for block in range(layers):
        for part, shape in (
            ("attn_norm", (width,)),
            ("attn_q", (width, width)),
            ("attn_k", (width // 2, width)),
            ("attn_v", (width // 2, width)),
            ("attn_output", (width, width)),
            ("ffn_norm", (width,)),
            ("ffn_gate", (feed, width)),
            ("ffn_up", (feed, width)),
            ("ffn_down", (width, feed)),
        ):
            tensors.append((f"blk.{block}.{part}.weight", shape))
    return [*tensors, ("output_norm.weight", (width,)), ("output.weight", (vocabulary, width))]


def _random(seed: int, tensors: Iterable[tuple[str, Shape]]) -> Iterator[Array]:
    """Weights for each tensor, small enough that nothing overflows; norms are ones."""
    random = np.random.default_rng(seed)
    for name, shape in tensors:
        if "norm" in name:
            yield np.ones(shape, np.float32)
        else:
            values = random.standard_normal(shape, np.float32)
            values *= np.float32((2 if "lora" in name else 0.5) / math.sqrt(shape[-1]))
            if name == "output.weight":
                # words are likely, and the end or a lone byte never is: tests count on some text to come
                values *= 8
                values[:_FIRST_PIECE] = 0
            yield values


# --- writing -----------------------------------------------------------------------------------------


def _write(
    writer: gguf.GGUFWriter, path: Path, tensors: Sequence[tuple[str, Shape]], values: Iterable[Array]
) -> Path:
    """Write a file of F32 tensors one after the other, so that a big one needs little memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, shape in tensors:
        writer.add_tensor_info(name, shape, np.dtype(np.float32), math.prod(shape) * 4)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for each in values:
            writer.write_tensor_data(each)
    finally:
        writer.close()
    return path


def _write_tensors(writer: gguf.GGUFWriter, path: Path, tensors: Sequence[gguf.ReaderTensor]) -> Path:
    shapes = [(tensor.name, tensor.data.shape) for tensor in tensors]
    return _write(writer, path, shapes, (tensor.data for tensor in tensors))


def _architecture(reader: gguf.GGUFReader) -> str:
    field = reader.get_field(gguf.Keys.General.ARCHITECTURE)
    assert field is not None
    return str(field.contents())


def _copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter, changes: Mapping[str, str]) -> None:
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == gguf.Keys.General.ARCHITECTURE or key in changes:
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), kind, sub_type=inner)
    for key, value in changes.items():
        writer.add_string(key, value)
