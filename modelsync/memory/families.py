"""Tables of llama.cpp's architectures: what each caches between tokens.

Source: `load_arch_hparams` of each model and `llama_model::create_memory` in llama.cpp (build of llama-cpp-python
0.3.36). An estimate says so if the architecture is in none of these tables.
"""

from typing import NamedTuple


class Windows(NamedTuple):
    """Which layers of an architecture attend to a window of tokens, if the header gives no pattern.

    Of every `period` layers, one is full: the last, or the first with `full_first`.
    """

    period: int
    full_first: bool = False
    always: bool = False  # windowed even if the header gives no window
    window: int = 0  # tokens, if the header gives none
    fixed: int = 0  # tokens, whatever the header says
    layers: int | None = None  # windowed only in a model of this many layers


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Encoders and diffusion models: no cache.
UNCACHED = _set(
    "bert dream eurobert gemma-embedding jina-bert-v2 jina-bert-v3 llada llada-moe modern-bert neo-bert "
    "nomic-bert nomic-bert-moe rnd1 t5encoder wavtokenizer-dec"
)

# Every layer has a state per sequence, and no attention.
RECURRENT = _set("arwkv7 mamba mamba2 rwkv6 rwkv6qwen2 rwkv7")

# Layers without key heads have a state; the others attend.
HYBRID_BY_HEADS = _set(
    "bailingmoe3 granitehybrid jamba kimi-k3 kimi-linear lfm2 lfm2moe nemotron_h nemotron_h_moe plamo2"
)
# One layer of this many attends, if the header gives no list.
HYBRID_BY_INTERVAL = {"qwen35": 4, "qwen35moe": 4, "qwen3next": 4}
# Every layer attends and has a state.
HYBRID_BOTH = _set("falcon-h1")
# A layer with a feed-forward network has neither a state nor a cache.
FEED_FORWARD_ALONE = _set("nemotron_h nemotron_h_moe")
# The state's size depends on the number of groups; others ignore that key.
GROUPED_STATE = _set(
    "falcon-h1 granitehybrid mamba2 nemotron_h nemotron_h_moe plamo2 qwen35 qwen35moe qwen3next"
)

WINDOWED = {
    "afmoe": Windows(4),
    "cohere2": Windows(4, always=True),
    "cohere2moe": Windows(4, full_first=True, always=True),
    "exaone-moe": Windows(4, always=True, window=128),
    "exaone4": Windows(4, always=True, window=4096, layers=64),
    "gemma2": Windows(2, always=True, window=4096),
    "gemma3": Windows(6),
    "gemma3n": Windows(5, always=True),
    "gpt-oss": Windows(2, always=True),
    "laguna": Windows(4, full_first=True),
    "llama4": Windows(4, always=True, fixed=8192),
    "mellum": Windows(4),
    "muse-glimmer": Windows(4, always=True),
    "olmo2": Windows(4),
    "plamo3": Windows(8),
    "smallthinker": Windows(4, full_first=True, fixed=4096),
}
# The header always gives the pattern.
WINDOWED_BY_HEADER = _set("gemma4 granite_swa maple mimo2 spark2_5 step35")
# All layers that attend are windowed, if the header gives a window.
WINDOWED_WHERE_ATTENDING = _set("lfm2")
# Layers from this one on use the cache of earlier ones.
SHARED_FROM = {"gemma3n": 20}

# Sparse attention: the cache also holds the keys of an indexer.
INDEXED = _set("deepseek32 glm-dsa hy_v4")

# The output is an embedding of the text; there are no logits.
WITHOUT_LOGITS = _set(
    "bert eurobert gemma-embedding jina-bert-v2 jina-bert-v3 modern-bert neo-bert nomic-bert nomic-bert-moe t5encoder"
)
# The device of the output layer holds a second copy of the embedding.
EMBEDDING_TWICE = _set("gemma3n gemma4")

PLAIN = _set(
    "apertus arcee arctic baichuan bailingmoe bailingmoe2 bitnet bloom chameleon chatglm codeshell cogvlm "
    "command-r dbrx deci deepseek deepseek2 deepseek2-ocr dots1 ernie4_5 ernie4_5-moe exaone falcon gemma "
    "glm4 glm4moe gpt2 gptj gptneox granite granitemoe grok grovemoe hrm_text hunyuan-dense hunyuan-moe "
    "hunyuan_vl hy_v3 internlm2 jais jais2 llama llama-embed maincoder minicpm minicpm3 minimax-m2 "
    "mistral3 mistral4 mpt nemotron olmo olmoe openelm orion paddleocr pangu-embedded phi2 phi3 phimoe "
    "plamo plm qwen qwen2 qwen2moe qwen2vl qwen3 qwen3moe qwen3vl qwen3vlmoe refact seed_oss smollm3 "
    "stablelm starcoder starcoder2 talkie xverse"
)

KNOWN = (
    PLAIN
    | UNCACHED
    | RECURRENT
    | HYBRID_BY_HEADS
    | set(HYBRID_BY_INTERVAL)
    | HYBRID_BOTH
    | set(WINDOWED)
    | WINDOWED_BY_HEADER
    | INDEXED
)
