"""Shapes of models that keep a state, alone or beside attention, after the models' own configurations."""

from tests.support.header_builder import NORM_EPSILON, Model


def mamba_2_8b() -> Model:
    model = Model("mamba", 64, 2560, 50280, context=2048)
    model.keys(feed_forward_length=0, attention__head_count=0, attention__layer_norm_rms_epsilon=NORM_EPSILON)
    model.keys(ssm__conv_kernel=4, ssm__inner_size=5120, ssm__state_size=16, ssm__time_step_rank=160)
    model.ends(tied=True)
    for block in model.blocks:
        model.norms(block, "attn_norm")
        _mamba_block(model, block, 5120, 16, 160)
    return model


def _mamba_block(model: Model, block: str, inner: int, state: int, rank: int) -> None:
    model.matrix(f"{block}.ssm_in", model.width, 2 * inner)
    model.vector(f"{block}.ssm_conv1d.weight", 4, inner)
    model.vector(f"{block}.ssm_conv1d.bias", inner)
    model.matrix(f"{block}.ssm_x", inner, rank + 2 * state)
    model.matrix(f"{block}.ssm_dt", rank, inner)
    model.vector(f"{block}.ssm_dt.bias", inner)
    model.vector(f"{block}.ssm_a", state, inner)
    model.vector(f"{block}.ssm_d", inner)
    model.matrix(f"{block}.ssm_out", inner, model.width)


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


def nemotron_h_8b() -> Model:
    """A hybrid whose every layer is one thing: a state, attention, or a feed-forward network."""
    order = "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-"
    model = Model("nemotron_h", len(order), 4096, 131072, context=8192)
    model.heads(
        32,
        [8 if kind == "*" else 0 for kind in order],
        128,
    )
    model.keys(attention__layer_norm_epsilon=NORM_EPSILON)
    model.keys(feed_forward_length=[21504 if kind == "-" else 0 for kind in order])
    model.keys(ssm__conv_kernel=4, ssm__inner_size=8192, ssm__state_size=128)
    model.keys(ssm__time_step_rank=128, ssm__group_count=8, rope__dimension_count=128)
    model.ends()
    for block, kind in zip(model.blocks, order, strict=True):
        model.norms(block, "attn_norm")
        if kind == "M":
            _mamba2_block(model, block, 8192, 128, 128, 8)
        elif kind == "*":
            model.attention(block, 4096, 1024)
        else:
            model.matrix(f"{block}.ffn_up", 4096, 21504)
            model.matrix(f"{block}.ffn_down", 21504, 4096)
    return model


def jamba_mini() -> Model:
    """A hybrid of the first Mamba: one layer in eight attends, every other has experts."""
    model = Model("jamba", 32, 4096, 65536, context=262144)
    model.heads(32, [8 if index % 8 == 4 else 0 for index in range(32)])
    model.keys(feed_forward_length=14336, expert_count=16, expert_used_count=2)
    model.keys(ssm__conv_kernel=4, ssm__inner_size=8192, ssm__state_size=16, ssm__time_step_rank=256)
    model.ends()
    for index, block in enumerate(model.blocks):
        model.norms(block, "attn_norm", "ffn_norm")
        if index % 8 == 4:
            model.attention(block, 4096, 1024)
        else:
            _mamba_block(model, block, 8192, 16, 256)
            model.norms(block, "ssm_dt_norm", size=256)
            model.norms(block, "ssm_b_norm", "ssm_c_norm", size=16)
        if index % 2:
            model.experts(block, 14336, 16)
        else:
            model.feed_forward(block, 14336)
    return model
