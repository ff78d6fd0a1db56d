"""A header of a real model's shape in the making, up to its last tensor info: what comes after is a hole."""

from collections.abc import Sequence
from typing import Any

from modelsync.gguf.header import Header
from modelsync.gguf.reader import read_header
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import HeaderFile, Info, write_header

NORM_EPSILON = 1e-5


class Model:
    """A header in the making."""

    def __init__(
        self,
        architecture: str,
        layers: int,
        width: int,
        vocabulary: int,
        *,
        context: int,
        quant: str = "Q8_0",
    ) -> None:
        self.architecture, self.layers, self.width, self.vocabulary = architecture, layers, width, vocabulary
        self.quant = quant
        self.metadata: dict[str, Any] = {
            "general.architecture": architecture,
            "tokenizer.ggml.model": "no_vocab",
        }
        self.tensors: list[Info] = []
        self.keys(vocab_size=vocabulary, context_length=context, embedding_length=width, block_count=layers)

    def keys(self, **values: Any) -> None:
        """The architecture's own keys; `__` stands for a dot."""
        self.metadata |= {f"{self.architecture}.{name.replace('__', '.')}": v for name, v in values.items()}

    def heads(self, heads: int | Sequence[int], kv: int | Sequence[int], size: int | None = None) -> None:
        """Attention's keys, and the norms' epsilon."""
        self.keys(attention__head_count=heads, attention__head_count_kv=kv)
        self.keys(attention__layer_norm_rms_epsilon=NORM_EPSILON)
        if size is not None:
            self.keys(attention__key_length=size, attention__value_length=size)

    def matrix(self, name: str, *shape: int, quant: str | None = None) -> None:
        """A tensor that a quantizer quantizes."""
        self.tensors.append((f"{name}.weight", shape, BY_NAME[quant or self.quant]))

    def vector(self, name: str, *shape: int) -> None:
        """A tensor that stays F32; the name is whole."""
        self.tensors.append((name, shape, BY_NAME["F32"]))

    def ends(self, *, tied: bool = False) -> None:
        """What stands around the blocks."""
        self.matrix("token_embd", self.width, self.vocabulary)
        self.vector("output_norm.weight", self.width)
        if not tied:
            self.matrix("output", self.width, self.vocabulary)

    def attention(self, block: str, queries: int, keys: int, values: int | None = None) -> None:
        """Q, K, V and the way out."""
        self.matrix(f"{block}.attn_q", self.width, queries)
        self.matrix(f"{block}.attn_k", self.width, keys)
        self.matrix(f"{block}.attn_v", self.width, keys if values is None else values)
        self.matrix(f"{block}.attn_output", queries, self.width)

    def feed_forward(self, block: str, width: int) -> None:
        """A gated one."""
        self.matrix(f"{block}.ffn_gate", self.width, width)
        self.matrix(f"{block}.ffn_up", self.width, width)
        self.matrix(f"{block}.ffn_down", width, self.width)

    def experts(self, block: str, width: int, count: int, shared: int = 0) -> None:
        """Their router, them, and what all tokens go through."""
        self.vector(f"{block}.ffn_gate_inp.weight", self.width, count)
        self.matrix(f"{block}.ffn_gate_exps", self.width, width, count)
        self.matrix(f"{block}.ffn_down_exps", width, self.width, count)
        self.matrix(f"{block}.ffn_up_exps", self.width, width, count)
        if shared:
            self.matrix(f"{block}.ffn_gate_shexp", self.width, shared)
            self.matrix(f"{block}.ffn_down_shexp", shared, self.width)
            self.matrix(f"{block}.ffn_up_shexp", self.width, shared)

    def norms(self, block: str, *names: str, size: int | None = None) -> None:
        """Some F32 rows."""
        for name in names:
            self.vector(f"{block}.{name}.weight", size or self.width)

    @property
    def blocks(self) -> list[str]:
        """The names of the blocks: `blk.0`, `blk.1` and so on."""
        return [f"blk.{index}" for index in range(self.layers)]

    def file(self) -> HeaderFile:
        """The header and the size of its file."""
        return write_header(self.metadata, self.tensors)

    def header(self) -> Header:
        """The header as it is read back."""
        file = self.file()
        return read_header(file.header, self.architecture, size=file.size)
