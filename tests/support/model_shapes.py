"""Every shape that formulas and llama.cpp are compared on, by name."""

from collections.abc import Callable

from tests.support import attention_models, recurrent_models
from tests.support.header_builder import Model

ALL: dict[str, Callable[[], Model]] = {
    "llama3.1-8B": attention_models.llama,
    "llama3.1-70B": attention_models.llama3_70b,
    "llama2-7B": attention_models.llama2_7b,
    "qwen2-7B": attention_models.qwen2_7b,
    "phi3-mini": attention_models.phi3_mini,
    "starcoder2-7B": attention_models.starcoder2_7b,
    "mixtral-8x7B": attention_models.mixtral_8x7b,
    "qwen3-30B-A3B": attention_models.qwen3_30b_a3b,
    "glm4.5-air": attention_models.glm4_5_air,
    "gemma2-9B": attention_models.gemma2_9b,
    "gemma3-4B": attention_models.gemma3_4b,
    "gemma3n-e4B": attention_models.gemma3n_e4b,
    "command-r7B": attention_models.command_r7b,
    "gpt-oss-20B": attention_models.gpt_oss_20b,
    "deepseek2-lite": attention_models.deepseek2_lite,
    "deepseek-v3": attention_models.deepseek_v3,
    "bge-base": attention_models.bge_base,
    "mamba-2.8B": recurrent_models.mamba_2_8b,
    "rwkv7-3B": recurrent_models.rwkv7_3b,
    "granite4-h-tiny": recurrent_models.granite4_h_tiny,
    "falcon-h1-7B": recurrent_models.falcon_h1_7b,
    "nemotron-h-8B": recurrent_models.nemotron_h_8b,
    "jamba-mini": recurrent_models.jamba_mini,
    "qwen3-next-80B": recurrent_models.qwen3_next_80b,
    "lfm2-1.2B": recurrent_models.lfm2_1_2b,
}
