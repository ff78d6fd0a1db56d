"""What a GGUF file is, told from its header alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from modelsync.gguf.header import Header
from modelsync.gguf.kind import NOUNS, draft_type, kind_of, task_of
from modelsync.gguf.reader import read_header
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import write_header

BLOCK = ("token_embd.weight", "blk.0.attn_norm.weight", "blk.1.attn_norm.weight")
MTP = {"general.architecture": "qwen35", "qwen35.block_count": 3, "qwen35.nextn_predict_layers": 1}
HEAD = ("blk.2.attn_norm.weight", "blk.2.nextn.eh_proj.weight")


def made(metadata: Mapping[str, Any], names: Sequence[str] = ("a.weight",)) -> Header:
    file = write_header(metadata, [(name, (32,), BY_NAME["F32"]) for name in names])
    return read_header(file.header, "made.gguf", size=file.size)


def architecture(name: str, **keys: object) -> dict[str, Any]:
    return {
        "general.architecture": name,
        "general.type": "model",
        **{f"{name}.{k}": v for k, v in keys.items()},
    }


KINDS = {
    "a model": (made({"general.architecture": "llama"}, BLOCK), "model"),
    "a model of another program": (made({"general.architecture": "flux"}), "model"),
    "a projector": (made({"general.architecture": "clip", "general.type": "mmproj"}), "projector"),
    "a projector of an old converter": (made({"general.architecture": "clip"}), "projector"),
    "a projector of another program": (
        made({"general.architecture": "mtmd", "clip.has_audio_encoder": True}),
        "projector",
    ),
    "an adapter": (made({"general.architecture": "llama", "general.type": "adapter"}), "adapter"),
    "an imatrix": (made({"general.type": "imatrix"}, ["blk.0.ffn_up.weight.in_sum2"]), "imatrix"),
    "an imatrix without a type": (made({"imatrix.chunk_count": 100}), "imatrix"),
    "a control vector": (
        made({"general.architecture": "controlvector"}, ["direction.1"]),
        "control-vector",
    ),
    "an EAGLE-3 head": (made(architecture("eagle3"), ["fc.weight"]), "draft-head"),
    "a DFlash head": (made(architecture("dflash")), "draft-head"),
    "a Gemma assistant": (made(architecture("gemma4-assistant")), "draft-head"),
    "an MTP head alone": (made(MTP, HEAD), "draft-head"),
    "a model with its MTP head": (made(MTP, [*BLOCK, *HEAD]), "model"),
    "a model whose MTP head was left out": (made(MTP, BLOCK), "model"),
    "a vocabulary": (
        made({"general.architecture": "llama", "tokenizer.ggml.tokens": ["a", "b"]}, []),
        "vocabulary",
    ),
    "a first part without tensors": (
        made({"general.architecture": "llama", "tokenizer.ggml.tokens": ["a"], "split.count": 2}, []),
        "model",
    ),
    "a later part": (made({"split.no": 1}, ["blk.7.ffn_up.weight"]), "model"),
    "a part with the MTP head": (made({**MTP, "split.count": 2}, HEAD), "model"),
    "tensors that nothing is said of": (made({}), "unknown"),
}


@pytest.mark.parametrize("case", KINDS)
def test_a_header_tells_what_its_file_is(case: str) -> None:
    """Models, what goes with them, and what only tools read: each by the keys and tensors that its writer gives it."""
    header, kind = KINDS[case]
    assert kind_of(header) == kind
    assert kind in NOUNS


@pytest.mark.parametrize(
    ("metadata", "names", "method"),
    [
        (architecture("eagle3"), ["fc.weight"], "eagle3"),
        (architecture("dflash"), ["fc.weight"], "dflash"),
        (architecture("dflash"), ["markov_w1.weight"], "dspark"),
        (architecture("gemma4-assistant"), ["nextn.pre_projection.weight"], "mtp"),
        (MTP, HEAD, "mtp"),
        (MTP, [*BLOCK, *HEAD], None),
        (architecture("llama"), BLOCK, None),
    ],
)
def test_a_draft_head_says_what_it_is_for(
    metadata: Mapping[str, Any], names: Sequence[str], method: str | None
) -> None:
    """The method of speculative decoding, as llama.cpp's `--spec-type draft-…` names it; none for a whole model."""
    assert draft_type(made(metadata, names)) == method


@pytest.mark.parametrize(
    ("header", "task"),
    [
        (made(architecture("llama")), "generate"),
        (made(architecture("llama", pooling_type=0)), "generate"),
        (made(architecture("qwen3", pooling_type=3)), "embed"),
        (made(architecture("bert")), "embed"),
        (made(architecture("bert", pooling_type=4)), "rank"),
        (made(architecture("qwen3", pooling_type=4)), "rank"),
    ],
)
def test_a_model_says_what_it_outputs(header: Header, task: str) -> None:
    """Pooling tells embedders and rerankers apart from models that write text; an encoder needs no such key."""
    assert task_of(header) == task
