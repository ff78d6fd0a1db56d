"""Headers of real models' shapes, made up to the last tensor info: what comes after is a hole.

Shapes are those of the models' own configurations; llama.cpp loads each of them with `no_alloc`.
"""

from collections.abc import Callable, Sequence
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


def llama(
    layers: int = 32,
    width: int = 4096,
    heads: int = 32,
    kv: int = 8,
    feed: int = 14336,
    vocabulary: int = 128256,
    *,
    architecture: str = "llama",
    biases: bool = False,
    tied: bool = False,
    context: int = 131072,
    quant: str = "Q8_0",
) -> Model:
    """A dense model; as given, Llama 3.1 8B."""
    model = Model(architecture, layers, width, vocabulary, context=context, quant=quant)
    model.heads(heads, kv)
    model.keys(feed_forward_length=feed)
    if not biases:
        model.keys(rope__dimension_count=width // heads)
    model.ends(tied=tied)
    size = width // heads
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.attention(block, width, kv * size)
        if biases:
            for name, length in (("q", width), ("k", kv * size), ("v", kv * size)):
                model.vector(f"{block}.attn_{name}.bias", length)
        model.feed_forward(block, feed)
    return model


def llama2_7b() -> Model:
    """All heads are key heads."""
    return llama(32, 4096, 32, 32, 11008, 32000, context=4096)


def llama3_70b() -> Model:
    return llama(80, 8192, 64, 8, 28672, 128256)


def qwen2_7b() -> Model:
    return llama(28, 3584, 28, 4, 18944, 152064, architecture="qwen2", biases=True, context=32768)


def mixtral_8x7b() -> Model:
    """Experts under the name `llama`."""
    model = Model("llama", 32, 4096, 32000, context=32768)
    model.heads(32, 8)
    model.keys(feed_forward_length=14336, expert_count=8, expert_used_count=2, rope__dimension_count=128)
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.attention(block, 4096, 1024)
        model.experts(block, 14336, 8)
    return model


def qwen3_30b_a3b() -> Model:
    model = Model("qwen3moe", 48, 2048, 151936, context=40960)
    model.heads(32, 4, 128)
    model.keys(
        feed_forward_length=6144, expert_count=128, expert_used_count=8, expert_feed_forward_length=768
    )
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.norms(block, "attn_q_norm", "attn_k_norm", size=128)
        model.attention(block, 4096, 512)
        model.experts(block, 768, 128)
    return model


def gemma(
    architecture: str, layers: int, width: int, heads: int, kv: int, size: int, feed: int, window: int
) -> Model:
    """Gemma 2 and 3."""
    model = Model(architecture, layers, width, 262144, context=131072)
    model.heads(heads, kv, size)
    model.keys(feed_forward_length=feed, attention__sliding_window=window)
    model.ends(tied=True)
    for block in model.blocks:
        model.norms(block, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        if architecture == "gemma3":
            model.norms(block, "attn_q_norm", "attn_k_norm", size=size)
        model.attention(block, heads * size, kv * size)
        model.feed_forward(block, feed)
    return model


def gemma2_9b() -> Model:
    return gemma("gemma2", 42, 3584, 16, 8, 256, 14336, 4096)


def gemma3_4b() -> Model:
    return gemma("gemma3", 34, 2560, 8, 4, 256, 10240, 1024)


def gpt_oss_20b() -> Model:
    model = Model("gpt-oss", 24, 2880, 201088, context=131072, quant="MXFP4")
    model.heads(64, 8, 64)
    model.keys(feed_forward_length=2880, attention__sliding_window=128, rope__dimension_count=64)
    model.keys(expert_count=32, expert_used_count=4, expert_feed_forward_length=2880)
    model.quant = "Q8_0"
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm", "post_attention_norm")
        model.attention(block, 4096, 512)
        for name, length in (("q", 4096), ("k", 512), ("v", 512), ("output", 2880)):
            model.vector(f"{block}.attn_{name}.bias", length)
        model.vector(f"{block}.attn_sinks.weight", 64)
        model.quant = "MXFP4"
        model.experts(block, 2880, 32)
        model.quant = "Q8_0"
        model.vector(f"{block}.ffn_gate_inp.bias", 32)
        for name in ("gate", "down", "up"):
            model.vector(f"{block}.ffn_{name}_exps.bias", 2880, 32)
    return model


def deepseek2_lite() -> Model:
    """Multi-head latent attention."""
    model = Model("deepseek2", 27, 2048, 102400, context=163840)
    model.heads(16, 1)
    model.keys(attention__key_length=576, attention__value_length=512)
    model.keys(attention__key_length_mla=192, attention__value_length_mla=128, attention__kv_lora_rank=512)
    model.keys(rope__dimension_count=64, feed_forward_length=10944, leading_dense_block_count=1)
    model.keys(expert_count=64, expert_used_count=6, expert_feed_forward_length=1408, expert_shared_count=2)
    model.keys(expert_weights_scale=1.0)
    model.ends()
    for index, block in enumerate(model.blocks):
        model.norms(block, "attn_norm", "ffn_norm")
        model.norms(block, "attn_kv_a_norm", size=512)
        model.matrix(f"{block}.attn_q", 2048, 16 * 192)
        model.matrix(f"{block}.attn_kv_a_mqa", 2048, 576)
        model.matrix(f"{block}.attn_k_b", 128, 512, 16)
        model.matrix(f"{block}.attn_v_b", 512, 128, 16)
        model.matrix(f"{block}.attn_output", 2048, 2048)
        if index:
            model.experts(block, 1408, 64, shared=2816)
        else:
            model.feed_forward(block, 10944)
    return model


def mamba_2_8b() -> Model:
    model = Model("mamba", 64, 2560, 50280, context=2048)
    model.keys(feed_forward_length=0, attention__head_count=0, attention__layer_norm_rms_epsilon=NORM_EPSILON)
    model.keys(ssm__conv_kernel=4, ssm__inner_size=5120, ssm__state_size=16, ssm__time_step_rank=160)
    model.ends(tied=True)
    for block in model.blocks:
        model.norms(block, "attn_norm")
        model.matrix(f"{block}.ssm_in", 2560, 10240)
        model.vector(f"{block}.ssm_conv1d.weight", 4, 5120)
        model.vector(f"{block}.ssm_conv1d.bias", 5120)
        model.matrix(f"{block}.ssm_x", 5120, 192)
        model.matrix(f"{block}.ssm_dt", 160, 5120)
        model.vector(f"{block}.ssm_dt.bias", 5120)
        model.vector(f"{block}.ssm_a", 16, 5120)
        model.vector(f"{block}.ssm_d", 5120)
        model.matrix(f"{block}.ssm_out", 5120, 2560)
    return model


def _mamba2_block(model: Model, block: str, inner: int, state: int, heads: int, groups: int) -> None:
    convolved = inner + 2 * groups * state
    model.matrix(f"{block}.ssm_in", model.width, inner + convolved + heads)
    model.vector(f"{block}.ssm_conv1d.weight", 4, convolved)
    model.vector(f"{block}.ssm_conv1d.bias", convolved)
    model.vector(f"{block}.ssm_dt.bias", heads)
    model.vector(f"{block}.ssm_a", 1, heads)
    model.vector(f"{block}.ssm_d", 1, heads)
    model.vector(f"{block}.ssm_norm.weight", inner // groups, groups)
    model.matrix(f"{block}.ssm_out", inner, model.width)


def granite4_h_tiny() -> Model:
    """A hybrid: four layers of attention among forty, all with experts."""
    attending = (5, 15, 25, 35)
    model = Model("granitehybrid", 40, 1536, 100352, context=131072)
    model.heads(12, [4 if index in attending else 0 for index in range(40)])
    model.keys(feed_forward_length=512, expert_count=64, expert_used_count=6)
    model.keys(expert_shared_feed_forward_length=1024, rope__dimension_count=128)
    model.keys(ssm__conv_kernel=4, ssm__inner_size=3072, ssm__state_size=128)
    model.keys(ssm__time_step_rank=48, ssm__group_count=1)
    model.ends(tied=True)
    for index, block in enumerate(model.blocks):
        model.norms(block, "attn_norm", "ffn_norm")
        if index in attending:
            model.attention(block, 1536, 512)
        else:
            _mamba2_block(model, block, 3072, 128, 48, 1)
        model.experts(block, 512, 64, shared=1024)
    return model


def falcon_h1_7b() -> Model:
    """A hybrid whose every layer has both."""
    model = Model("falcon-h1", 44, 3072, 130048, context=262144)
    model.heads(12, 2, 128)
    model.keys(feed_forward_length=12288, rope__dimension_count=128)
    model.keys(ssm__conv_kernel=4, ssm__inner_size=3072, ssm__state_size=256)
    model.keys(ssm__time_step_rank=24, ssm__group_count=1)
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm")
        model.vector(f"{block}.ffn_norm", 3072)
        model.attention(block, 1536, 256)
        _mamba2_block(model, block, 3072, 256, 24, 1)
        model.feed_forward(block, 12288)
    return model


def qwen3_next_80b() -> Model:
    """A hybrid of gated delta nets and attention, one in four."""
    model = Model("qwen3next", 48, 2048, 151936, context=262144)
    model.heads(16, 2, 256)
    model.keys(feed_forward_length=5120, expert_count=512, expert_used_count=10)
    model.keys(
        expert_feed_forward_length=512, expert_shared_feed_forward_length=512, rope__dimension_count=64
    )
    model.keys(ssm__conv_kernel=4, ssm__inner_size=4096, ssm__state_size=128)
    model.keys(ssm__time_step_rank=32, ssm__group_count=16)
    model.ends()
    for index, block in enumerate(model.blocks):
        model.norms(block, "attn_norm", "post_attention_norm")
        if index % 4 == 3:
            model.norms(block, "attn_q_norm", "attn_k_norm", size=256)
            model.matrix(f"{block}.attn_q", 2048, 8192)
            model.matrix(f"{block}.attn_k", 2048, 512)
            model.matrix(f"{block}.attn_v", 2048, 512)
            model.matrix(f"{block}.attn_output", 4096, 2048)
        else:
            model.matrix(f"{block}.attn_qkv", 2048, 8192)
            model.matrix(f"{block}.attn_gate", 2048, 4096)
            model.vector(f"{block}.ssm_conv1d.weight", 4, 8192)
            model.vector(f"{block}.ssm_dt.bias", 32)
            model.vector(f"{block}.ssm_a", 32)
            model.matrix(f"{block}.ssm_ba", 2048, 64)
            model.vector(f"{block}.ssm_norm.weight", 128)
            model.matrix(f"{block}.ssm_out", 4096, 2048)
        model.experts(block, 512, 512, shared=512)
        model.vector(f"{block}.ffn_gate_inp_shexp.weight", 2048)
    return model


def lfm2_1_2b() -> Model:
    """A hybrid of short convolutions and attention."""
    attending = (2, 5, 8, 10, 12, 14)
    model = Model("lfm2", 16, 2048, 65536, context=128000)
    model.heads(32, [8 if index in attending else 0 for index in range(16)])
    model.keys(feed_forward_length=8192, shortconv__l_cache=3)
    model.matrix("token_embd", 2048, 65536)
    model.vector("token_embd_norm.weight", 2048)
    for index, block in enumerate(model.blocks):
        model.norms(block, "attn_norm", "ffn_norm")
        model.feed_forward(block, 8192)
        if index in attending:
            model.norms(block, "attn_q_norm", "attn_k_norm", size=64)
            model.attention(block, 2048, 512)
        else:
            model.vector(f"{block}.shortconv.conv.weight", 3, 2048)
            model.matrix(f"{block}.shortconv.in_proj", 2048, 6144)
            model.matrix(f"{block}.shortconv.out_proj", 2048, 2048)
    return model


def rwkv7_3b() -> Model:
    """Recurrent without a state space."""
    width, decay, rate, mixed, gate = 2560, 96, 96, 64, 320
    model = Model("rwkv7", 32, width, 65536, context=1048576)
    model.keys(attention__head_count=0, attention__layer_norm_epsilon=NORM_EPSILON, feed_forward_length=10240)
    model.keys(wkv__head_size=64, attention__decay_lora_rank=decay, attention__iclr_lora_rank=rate)
    model.keys(attention__value_residual_mix_lora_rank=mixed, attention__gate_lora_rank=gate)
    model.ends()
    model.vector("output_norm.bias", width)
    model.vector("token_embd_norm.weight", width)
    model.vector("token_embd_norm.bias", width)
    for index, block in enumerate(model.blocks):
        for name in ("attn_norm", "attn_norm_2", "time_mix_ln"):
            model.vector(f"{block}.{name}.weight", width)
            model.vector(f"{block}.{name}.bias", width)
        for letter, rank in (("w", decay), ("a", rate), ("v", mixed if index else rate)):
            model.vector(f"{block}.time_mix_{letter}0.weight", width)
            model.matrix(f"{block}.time_mix_{letter}1", width, rank)
            model.matrix(f"{block}.time_mix_{letter}2", rank, width)
        model.matrix(f"{block}.time_mix_g1", width, gate)
        model.matrix(f"{block}.time_mix_g2", gate, width)
        model.vector(f"{block}.time_mix_lerp_fused.weight", width, 1, 1, 6)
        model.norms(block, "time_mix_k_k", "time_mix_k_a", "time_mix_r_k")
        for name in ("key", "value", "receptance", "output"):
            model.matrix(f"{block}.time_mix_{name}", width, width)
        model.vector(f"{block}.channel_mix_lerp_k.weight", width, 1, 1)
        model.matrix(f"{block}.channel_mix_key", width, 10240)
        model.matrix(f"{block}.channel_mix_value", 10240, width)
    return model


def bge_base() -> Model:
    """BERT: no cache at all."""
    model = Model("bert", 12, 768, 30522, context=512)
    model.metadata["tokenizer.ggml.token_type_count"] = 2
    model.keys(attention__head_count=12, attention__layer_norm_epsilon=NORM_EPSILON, feed_forward_length=3072)
    model.keys(attention__causal=False, pooling_type=2)
    model.matrix("token_embd", 768, 30522)
    model.vector("token_types.weight", 768, 2)
    model.vector("position_embd.weight", 768, 512)
    model.vector("token_embd_norm.weight", 768)
    model.vector("token_embd_norm.bias", 768)
    for block in model.blocks:
        model.attention(block, 768, 768)
        model.matrix(f"{block}.ffn_up", 768, 3072)
        model.matrix(f"{block}.ffn_down", 3072, 768)
        for name, length in (
            ("attn_q", 768),
            ("attn_k", 768),
            ("attn_v", 768),
            ("attn_output", 768),
            ("ffn_up", 3072),
            ("ffn_down", 768),
        ):
            model.vector(f"{block}.{name}.bias", length)
        for name in ("attn_output_norm", "layer_output_norm"):
            model.vector(f"{block}.{name}.weight", 768)
            model.vector(f"{block}.{name}.bias", 768)
    return model


ALL: dict[str, Callable[[], Model]] = {
    "llama3.1-8B": llama,
    "llama3.1-70B": llama3_70b,
    "llama2-7B": llama2_7b,
    "qwen2-7B": qwen2_7b,
    "mixtral-8x7B": mixtral_8x7b,
    "qwen3-30B-A3B": qwen3_30b_a3b,
    "gemma2-9B": gemma2_9b,
    "gemma3-4B": gemma3_4b,
    "gpt-oss-20B": gpt_oss_20b,
    "deepseek2-lite": deepseek2_lite,
    "mamba-2.8B": mamba_2_8b,
    "granite4-h-tiny": granite4_h_tiny,
    "falcon-h1-7B": falcon_h1_7b,
    "qwen3-next-80B": qwen3_next_80b,
    "lfm2-1.2B": lfm2_1_2b,
    "rwkv7-3B": rwkv7_3b,
    "bge-base": bge_base,
}
