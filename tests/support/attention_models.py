"""Shapes of models that attend, after the models' own configurations. llama.cpp loads each with `no_alloc`."""

from tests.support.header_builder import NORM_EPSILON, Model


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


def phi3_mini() -> Model:
    """Queries, keys and values in one tensor, gate and up in another."""
    model = Model("phi3", 32, 3072, 32064, context=131072)
    model.heads(32, 32)
    model.keys(feed_forward_length=8192, rope__dimension_count=96, attention__sliding_window=262144)
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.matrix(f"{block}.attn_qkv", 3072, 9216)
        model.matrix(f"{block}.attn_output", 3072, 3072)
        model.matrix(f"{block}.ffn_up", 3072, 16384)
        model.matrix(f"{block}.ffn_down", 8192, 3072)
    return model


def starcoder2_7b() -> Model:
    """No gate, biases everywhere."""
    model = Model("starcoder2", 32, 4608, 49152, context=16384)
    model.keys(
        attention__head_count=36, attention__head_count_kv=4, attention__layer_norm_epsilon=NORM_EPSILON
    )
    model.keys(feed_forward_length=18432)
    model.ends()
    model.vector("output_norm.bias", 4608)
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.attention(block, 4608, 512)
        model.matrix(f"{block}.ffn_up", 4608, 18432)
        model.matrix(f"{block}.ffn_down", 18432, 4608)
        for name in ("attn_norm", "ffn_norm", "attn_q", "attn_output", "ffn_down"):
            model.vector(f"{block}.{name}.bias", 4608)
        model.vector(f"{block}.attn_k.bias", 512)
        model.vector(f"{block}.attn_v.bias", 512)
        model.vector(f"{block}.ffn_up.bias", 18432)
    return model


def command_r7b() -> Model:
    """Three windowed layers, then a full one; one embedding for both ends."""
    model = Model("cohere2", 32, 4096, 256000, context=132096)
    model.keys(
        attention__head_count=32, attention__head_count_kv=8, attention__layer_norm_epsilon=NORM_EPSILON
    )
    model.keys(feed_forward_length=14336, attention__sliding_window=4096, logit_scale=0.25)
    model.keys(rope__dimension_count=128)
    model.ends(tied=True)
    for block in model.blocks:
        model.norms(block, "attn_norm")
        model.attention(block, 4096, 1024)
        model.feed_forward(block, 14336)
    return model


def deepseek_v3() -> Model:
    """Latent attention at full size: queries are compressed too."""
    model = Model("deepseek2", 61, 7168, 129280, context=163840)
    model.heads(128, 1)
    model.keys(attention__key_length=576, attention__value_length=512, attention__q_lora_rank=1536)
    model.keys(attention__key_length_mla=192, attention__value_length_mla=128, attention__kv_lora_rank=512)
    model.keys(rope__dimension_count=64, feed_forward_length=18432, leading_dense_block_count=3)
    model.keys(expert_count=256, expert_used_count=8, expert_feed_forward_length=2048, expert_shared_count=1)
    model.keys(
        expert_weights_scale=2.5, expert_gating_func=2, expert_group_count=8, expert_group_used_count=4
    )
    model.ends()
    for index, block in enumerate(model.blocks):
        model.norms(block, "attn_norm", "ffn_norm")
        model.norms(block, "attn_q_a_norm", size=1536)
        model.norms(block, "attn_kv_a_norm", size=512)
        model.matrix(f"{block}.attn_q_a", 7168, 1536)
        model.matrix(f"{block}.attn_q_b", 1536, 128 * 192)
        model.matrix(f"{block}.attn_kv_a_mqa", 7168, 576)
        model.matrix(f"{block}.attn_k_b", 128, 512, 128)
        model.matrix(f"{block}.attn_v_b", 512, 128, 128)
        model.matrix(f"{block}.attn_output", 16384, 7168)
        if index < 3:
            model.feed_forward(block, 18432)
        else:
            model.experts(block, 2048, 256, shared=2048)
            model.vector(f"{block}.exp_probs_b.bias", 256)
    return model


def glm4_5_air() -> Model:
    """The last of its layers predicts one more token; llama.cpp leaves it out."""
    model = Model("glm4moe", 47, 4096, 151552, context=131072)
    model.heads(96, 8, 128)
    model.keys(feed_forward_length=10944, leading_dense_block_count=1, nextn_predict_layers=1)
    model.keys(expert_count=128, expert_used_count=8, expert_feed_forward_length=1408, expert_shared_count=1)
    model.keys(rope__dimension_count=64)
    model.ends()
    for index, block in enumerate(model.blocks):
        model.norms(block, "attn_norm", "post_attention_norm")
        model.attention(block, 12288, 1024)
        for name, length in (("q", 12288), ("k", 1024), ("v", 1024)):
            model.vector(f"{block}.attn_{name}.bias", length)
        if index:
            model.experts(block, 1408, 128, shared=1408)
            model.vector(f"{block}.exp_probs_b.bias", 128)
        else:
            model.feed_forward(block, 10944)
    model.matrix("blk.46.nextn.eh_proj", 8192, 4096)
    model.norms("blk.46", "nextn.enorm", "nextn.hnorm", "nextn.shared_head_norm")
    return model


def gemma3n_e4b() -> Model:
    """Layers past the twentieth use the cache of earlier ones."""
    width, per_layer, layers = 2048, 256, 35
    model = Model("gemma3n", layers, width, 262144, context=32768)
    model.heads(8, 2, 256)
    model.keys(feed_forward_length=16384, attention__sliding_window=512)
    model.ends(tied=True)
    model.matrix("altup_proj", width, width, 3)
    model.matrix("altup_unembd_proj", width, width, 3)
    model.matrix("per_layer_token_embd", per_layer * layers, 262144)
    model.matrix("per_layer_model_proj", width, per_layer * layers)
    model.vector("per_layer_proj_norm.weight", per_layer)
    for block in model.blocks:
        model.norms(block, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        model.norms(block, "attn_q_norm", "attn_k_norm", size=256)
        model.attention(block, 2048, 512)
        model.feed_forward(block, 16384)
        model.matrix(f"{block}.inp_gate", width, per_layer)
        model.matrix(f"{block}.proj", per_layer, width)
        model.norms(block, "post_norm", "altup_correct_scale", "altup_router_norm", "laurel_post_norm")
        model.vector(f"{block}.altup_correct_coef.weight", 4, 4)
        model.vector(f"{block}.altup_predict_coef.weight", 4, 16)
        model.vector(f"{block}.altup_router.weight", width, 4)
        model.matrix(f"{block}.laurel_l", width, 64)
        model.matrix(f"{block}.laurel_r", 64, width)
    return model
