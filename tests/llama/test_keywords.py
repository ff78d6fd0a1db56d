"""Load settings against the real signature of llama_cpp.Llama."""

from typing import Any

import pytest

from modelsync.errors import UsageError
from modelsync.llama import keywords
from modelsync.project.load_settings import WELL_KNOWN
from modelsync.spec.load_values import load_value

Llama = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed").Llama
KNOWN = keywords.signature(Llama)
# Those that name a path or code: a program's to give, and no manifest's.
PROGRAMS_OWN = {
    "chat_handler",
    "draft_model",
    "kv_overrides",
    "lora_base",
    "lora_path",
    "tokenizer",
}


def test_every_keyword_is_a_manifests_or_a_programs() -> None:
    """A keyword that a newer llama-cpp-python has is looked at before a manifest may use it."""
    refused = set()
    for key in KNOWN:
        try:
            load_value(key, 1)
        except UsageError:
            refused.add(key)
    assert refused == PROGRAMS_OWN
    assert KNOWN.keys() - PROGRAMS_OWN == WELL_KNOWN


def test_nothing_else_takes_a_word() -> None:
    """The one word that a manifest may give is the name of a chat format: a word is no way to a path or code."""
    assert {key for key, kinds in KNOWN.items() if "str" in kinds} - PROGRAMS_OWN == {"chat_format"}


@pytest.mark.parametrize(
    ("key", "near"),
    [("n_gpu_layer", "n_gpu_layers"), ("nctx", "n_ctx"), ("flash_attention", "flash_attn"), ("zzz", None)],
)
def test_an_unknown_keyword_has_the_nearest_right_one(key: str, near: str | None) -> None:
    """`Llama` itself would swallow it without a word."""
    why = keywords.unknown(key, KNOWN)
    assert why is not None
    assert (f"did you mean `{near}`" in why) if near else ("did you mean" not in why)


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("n_ctx", 4096, True),
        ("n_ctx", "max", True),
        ("n_ctx", "auto", False),
        ("n_ctx", "8k", False),
        ("n_ctx", 4096.0, False),
        ("n_ctx", True, False),
        ("n_ctx", (1, 2), False),
        ("n_gpu_layers", "auto", True),
        ("n_gpu_layers", -1, True),
        ("flash_attn", True, True),
        ("flash_attn", 1, False),
        ("numa", True, True),
        ("numa", 2, True),
        ("rope_freq_base", 10000, True),
        ("rope_freq_base", 1e6, True),
        ("rope_freq_base", "1e6", False),
        ("tensor_split", (0.5, 0.5), True),
        ("tensor_split", 2, False),
        ("chat_format", "chatml", True),
        ("chat_format", 2, False),
        ("type_k", 8, True),
        ("type_k", "q8_0", False),
    ],
)
def test_a_value_fits_its_keyword(key: str, value: Any, fits: bool) -> None:
    """A value of another type is told, and what is expected; ctypes would take some for something else."""
    assert (keywords.type_error(key, value, KNOWN) is None) is fits
