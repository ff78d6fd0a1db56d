"""A small llama model in each quant that a repo may have, whole or in parts."""

from collections.abc import Sequence
from typing import Any

from modelsync.gguf.writer import write_header
from tests.support.header_builder import Model

WORDS = [f"{index:060d}" for index in range(30_000)]  # 2 MB of vocabulary
# For each quant that a repo may have the type of its tensors; what is called by other names is not stored otherwise.
STORED = {
    "IQ1_S": "IQ1_S", "IQ1_M": "IQ1_M", "IQ2_XXS": "IQ2_XXS", "IQ2_XS": "IQ2_XS", "IQ2_S": "IQ2_S", "Q2_K": "Q2_K",
    "IQ3_XXS": "IQ3_XXS", "IQ3_S": "IQ3_S", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "IQ4_XS": "IQ4_XS", "IQ4_NL": "IQ4_NL",
    "Q4_0": "Q4_0", "Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K", "Q5_0": "Q5_0", "Q5_K_M": "Q5_K", "Q6_K": "Q6_K",
    "Q8_0": "Q8_0", "F16": "F16",
}  # fmt: skip


def quant(name: str, *, vocabulary: Sequence[str] = (), **keys: Any) -> bytes:
    """A small llama model in that quant."""
    model = _model(name, len(vocabulary) or 1000)
    if vocabulary:
        model.metadata["tokenizer.ggml.tokens"] = vocabulary
    model.metadata |= {"general.quantization_version": 2, "general.file_type": 7, **keys}
    file = model.file()
    return file.header.ljust(file.size, b"\0")


def parts(name: str, count: int) -> dict[str, bytes]:
    """The same model, cut as gguf-split cuts: metadata in the first part, its tensors in all."""
    model = _model(name, len(WORDS))
    made = {}
    for number in range(count):
        chosen = model.tensors[
            number * len(model.tensors) // count : (number + 1) * len(model.tensors) // count
        ]
        keys: dict[str, Any] = {
            "split.no": number,
            "split.count": count,
            "split.tensors.count": len(model.tensors),
        }
        if number == 0:
            keys = {**model.metadata, "tokenizer.ggml.tokens": WORDS, **keys}
        file = write_header(keys, chosen)
        made[f"{name}/tiny-{name}-{number + 1:05d}-of-{count:05d}.gguf"] = file.header.ljust(file.size, b"\0")
    return made


def _model(name: str, words: int) -> Model:
    model = Model("llama", 2, 256, words, context=8192, quant=STORED[name])
    model.heads(4, 2)
    model.keys(feed_forward_length=512, rope__dimension_count=64)
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.attention(block, 256, 128)
        model.feed_forward(block, 512)
    return model
