"""Every shape that formulas and llama.cpp are compared on, by name."""

from collections.abc import Callable

from tests.gguf import attending, recurrent
from tests.gguf.building import Model

ALL: dict[str, Callable[[], Model]] = {
    "llama3.1-8B": attending.llama,
    "llama3.1-70B": attending.llama3_70b,
    "llama2-7B": attending.llama2_7b,
    "qwen2-7B": attending.qwen2_7b,
    "phi3-mini": attending.phi3_mini,
    "starcoder2-7B": attending.starcoder2_7b,
    "mixtral-8x7B": attending.mixtral_8x7b,
    "qwen3-30B-A3B": attending.qwen3_30b_a3b,
    "glm4.5-air": attending.glm4_5_air,
    "gemma2-9B": attending.gemma2_9b,
    "gemma3-4B": attending.gemma3_4b,
    "gemma3n-e4B": attending.gemma3n_e4b,
    "command-r7B": attending.command_r7b,
    "gpt-oss-20B": attending.gpt_oss_20b,
    "deepseek2-lite": attending.deepseek2_lite,
    "deepseek-v3": attending.deepseek_v3,
    "bge-base": attending.bge_base,
    "mamba-2.8B": recurrent.mamba_2_8b,
    "rwkv7-3B": recurrent.rwkv7_3b,
    "granite4-h-tiny": recurrent.granite4_h_tiny,
    "falcon-h1-7B": recurrent.falcon_h1_7b,
    "nemotron-h-8B": recurrent.nemotron_h_8b,
    "jamba-mini": recurrent.jamba_mini,
    "qwen3-next-80B": recurrent.qwen3_next_80b,
    "lfm2-1.2B": recurrent.lfm2_1_2b,
}
