"""Files that are no model, or none that llama.cpp loads: what `inspect`, `estimate` and `load` say of them."""

from pathlib import Path
from typing import Any

import pytest

import modelsync
from modelsync.gguf.foreign_types import FOREIGN_TYPES
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import Info, write_header
from tests.support.command_line import Cli

F32 = BY_NAME["F32"]
SHAPE: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.context_length": 4096,
    "llama.embedding_length": 256,
    "llama.block_count": 1,
    "llama.attention.head_count": 4,
}
WEIGHT: tuple[Info, ...] = (("blk.0.ffn_up.weight", (256, 4), F32),)
QWEN: dict[str, Any] = {key.replace("llama.", "qwen35."): value for key, value in SHAPE.items()}
MTP = {**QWEN, "general.architecture": "qwen35", "qwen35.nextn_predict_layers": 1}

NO_MODELS: dict[str, tuple[dict[str, Any], tuple[Info, ...], str]] = {
    "projector": ({"general.architecture": "clip", "general.type": "mmproj"}, WEIGHT, "a projector"),
    "adapter": ({**SHAPE, "general.type": "adapter"}, WEIGHT, "an adapter"),
    "imatrix": (
        {"general.type": "imatrix", "imatrix.chunk_count": 9},
        (("blk.0.ffn_up.weight.in_sum2", (256,), F32),),
        "an importance matrix",
    ),
    "control-vector": (
        {"general.architecture": "controlvector", "controlvector.layer_count": 1},
        (("direction.1", (256,), F32),),
        "a control vector",
    ),
    "draft-head": (MTP, (("blk.0.nextn.eh_proj.weight", (256, 4), F32),), "a draft head"),
    "vocabulary": ({**SHAPE, "tokenizer.ggml.tokens": ["a", "b"]}, (), "a vocabulary without weights"),
    "unknown": ({}, WEIGHT, "no model that llama.cpp knows"),
}
FORK: tuple[Info, ...] = (("blk.0.ffn_up.weight", (256, 4), FOREIGN_TYPES[144]),)


def put(folder: Path, metadata: dict[str, Any], tensors: tuple[Info, ...]) -> str:
    """A file in the project's folder, as a command names it."""
    file = write_header(metadata, tensors)
    (folder / "file.gguf").write_bytes(file.header.ljust(file.size, b"\0"))
    return "./file.gguf"


@pytest.mark.parametrize("kind", NO_MODELS)
def test_a_file_that_is_no_model_is_shown_and_not_estimated(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`inspect` says what it is; `estimate` and `load` refuse it by that name."""
    pytest.importorskip("llama_cpp")
    monkeypatch.chdir(tmp_path)
    metadata, tensors, noun = NO_MODELS[kind]
    name = put(tmp_path, metadata, tensors)
    found = modelsync.inspect(name)
    assert (found.kind, found.task, found.to_dict()["kind"]) == (kind, None, kind)
    with pytest.raises(modelsync.ModelsyncError, match=f"file.gguf is {noun}") as told:
        modelsync.estimate(name)
    assert told.value.hint
    with pytest.raises(modelsync.ModelsyncError, match=f"cannot load .*: it is {noun}"):
        modelsync.load(name, verbose=False)


def test_a_person_reads_what_a_file_is(empty: Cli) -> None:
    """The first fact is the kind; no estimate of an imatrix says that it fits, and the status is 1."""
    name = put(empty.folder, *NO_MODELS["imatrix"][:2])
    assert "  kind        an importance matrix" in empty("inspect", name).out
    done = empty("estimate", name, status=1)
    assert done.out == ""
    assert "error: file:file.gguf is an importance matrix" in done.err


@pytest.mark.parametrize(
    "gone", ["context_length", "embedding_length", "block_count", "attention.head_count"]
)
def test_an_estimate_says_what_a_header_leaves_out(
    gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one of these llama.cpp loads no model and no memory follows: the key is named, and nothing "fits"."""
    monkeypatch.chdir(tmp_path)
    name = put(tmp_path, {key: value for key, value in SHAPE.items() if not key.endswith(gone)}, WEIGHT)
    with pytest.raises(modelsync.ModelsyncError, match=f"its header has no `llama.{gone}`"):
        modelsync.estimate(name)


def test_a_recurrent_model_needs_no_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mamba and RWKV have no attention: their headers leave its keys out."""
    monkeypatch.chdir(tmp_path)
    keys: dict[str, Any] = {key.replace("llama.", "mamba."): value for key, value in SHAPE.items()}
    keys |= {"general.architecture": "mamba", "mamba.ssm.state_size": 16, "mamba.ssm.inner_size": 512}
    del keys["mamba.attention.head_count"]
    assert modelsync.estimate(put(tmp_path, keys, WEIGHT)).estimate.cache > 0


def test_a_quant_of_a_fork_is_shown_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`inspect` names the type and counts its bytes; `estimate` and `load` say that llama.cpp does not load it."""
    pytest.importorskip("llama_cpp")
    monkeypatch.chdir(tmp_path)
    name = put(tmp_path, {**SHAPE, "general.file_type": 145}, FORK)
    found = modelsync.inspect(name)
    assert (found.kind, found.quant, found.types[0].type, found.types[0].bytes) == (
        "model",
        "IQ4_KS",
        "IQ4_KS",
        4 * (4 + 136),
    )
    assert found.obstacle == "its tensors have types of ik_llama.cpp: IQ4_KS"
    with pytest.raises(modelsync.ModelsyncError, match=r"llama\.cpp does not load .*: IQ4_KS") as told:
        modelsync.estimate(name)
    assert "ik_llama.cpp loads it" in str(told.value.hint)
    with pytest.raises(modelsync.ModelsyncError, match=r"cannot load .* types of ik_llama\.cpp: IQ4_KS"):
        modelsync.load(name, verbose=False)


def test_a_person_reads_why_llama_cpp_does_not_load_a_file(empty: Cli) -> None:
    """The reason stands beneath the kind; a reranker and an embedder are told apart."""
    name = put(empty.folder, SHAPE, FORK)
    assert (
        "  llama.cpp     does not load it: its tensors have types of ik_llama.cpp: IQ4_KS"
        in empty("inspect", name).out
    )
    put(empty.folder, {**SHAPE, "llama.pooling_type": 4}, WEIGHT)
    assert "a model that ranks texts (a reranker)" in empty("inspect", name).out
