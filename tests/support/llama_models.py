"""More real models for tests: an encoder that makes vectors, a projector that sees, and a picture for it.

All are tiny and random, with the tensors and metadata that llama.cpp's own loaders ask for. Needs `gguf`.
"""

import base64
import struct
import zlib
from pathlib import Path

import gguf
import numpy as np

# A chat template that goes through the parts of a message, as those of models that see do.
SEEING_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] {% if message['content'] is string %}"
    "{{ message['content'] }}{% else %}{% for part in message['content'] %}{% if part['type'] == 'text' %}"
    "{{ part['text'] }}{% endif %}{% endfor %}{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
WIDTH, HEADS, FEED, PATCH, IMAGE = 32, 2, 64, 14, 56

Tensors = list[tuple[str, tuple[int, ...]]]


def make_bert(path: Path, *, context: int = 128, ranks: bool = False, seed: int = 0) -> Path:
    """Write a BERT encoder of one block; it pools by the mean, into vectors of 32 numbers, or ranks."""
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *(f"▁{word}" for word in ("hello", "world", "cat", "dog")),
    ]
    pieces += [f"▁{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"] + list("abcdefghijklmnopqrstuvwxyz")
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_type("model")
    writer.add_name("Tiny encoder")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.RANK if ranks else gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(2)
    writer.add_token_list(pieces)
    writer.add_token_types([3] * 5 + [1] * (len(pieces) - 5))
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_sep_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_mask_token_id(4)
    tensors: Tensors = [
        ("token_embd.weight", (len(pieces), WIDTH)),
        ("position_embd.weight", (context, WIDTH)),
        ("token_types.weight", (2, WIDTH)),
        *_both("token_embd_norm", (WIDTH,)),
        *(each for part in ("q", "k", "v", "output") for each in _both(f"blk.0.attn_{part}", (WIDTH, WIDTH))),
        *_both("blk.0.attn_output_norm", (WIDTH,)),
        *_both("blk.0.ffn_up", (FEED, WIDTH)),
        *_both("blk.0.ffn_down", (WIDTH, FEED)),
        *_both("blk.0.layer_output_norm", (WIDTH,)),
    ]
    if ranks:
        tensors += [*_both("cls", (WIDTH, WIDTH)), *_both("cls.output", (1, WIDTH))]
    return _write(writer, path, tensors, seed)


def make_projector(path: Path, *, width: int = 64, seed: int = 0) -> Path:
    """Write a vision projector (LLaVA's kind) for a model whose embeddings have `width` numbers."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_name("Tiny projector")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    sizes = {
        "embedding_length": WIDTH,
        "feed_forward_length": FEED,
        "block_count": 2,
        "projection_dim": width,
    }
    for key, value in (
        sizes | {"image_size": IMAGE, "patch_size": PATCH, "attention.head_count": HEADS}
    ).items():
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5] * 3)
    writer.add_array("clip.vision.image_std", [0.5] * 3)
    tensors: Tensors = [
        ("v.patch_embd.weight", (WIDTH, 3, PATCH, PATCH)),
        ("v.position_embd.weight", ((IMAGE // PATCH) ** 2 + 1, WIDTH)),
        ("v.class_embd", (WIDTH,)),
        *_both("v.pre_ln", (WIDTH,)),
    ]
    for block in ("v.blk.0", "v.blk.1"):
        for part in ("q", "k", "v", "out"):
            tensors += _both(f"{block}.attn_{part}", (WIDTH, WIDTH))
        tensors += [*_both(f"{block}.ln1", (WIDTH,)), *_both(f"{block}.ln2", (WIDTH,))]
        tensors += [*_both(f"{block}.ffn_down", (FEED, WIDTH)), *_both(f"{block}.ffn_up", (WIDTH, FEED))]
    tensors += [*_both("mm.0", (width, WIDTH)), *_both("mm.2", (width, width))]
    return _write(writer, path, tensors, seed)


def picture(blue: int) -> str:
    """A PNG of 56 by 56 as a `data:` URL; `blue`, 0 to 255, makes one unlike another."""
    rows = b"".join(b"\0" + b"".join(bytes((4 * x, 4 * y, blue)) for x in range(IMAGE)) for y in range(IMAGE))
    header = struct.pack(">IIBBBBB", IMAGE, IMAGE, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _both(name: str, shape: tuple[int, ...]) -> Tensors:
    """A weight, and the bias that goes with it."""
    return [(f"{name}.weight", shape), (f"{name}.bias", shape[:1])]


def _write(writer: gguf.GGUFWriter, path: Path, tensors: Tensors, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for name, shape in tensors:
        values = random.standard_normal(shape, np.float32) * np.float32(0.3)
        writer.add_tensor(name, values + 1 if name.endswith(("norm.weight", "ln.weight")) else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
