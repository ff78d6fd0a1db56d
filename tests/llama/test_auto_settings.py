"""What this machine decides about a load."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from modelsync.errors import ModelsyncError
from modelsync.llama.load import load
from modelsync.system import devices
from modelsync.system.devices import Memory
from tests.support.gguf_files import split

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")


@contextmanager
def loaded(model: Path, **keywords: Any) -> Iterator[Any]:
    """A model, for as long."""
    with closing(load(model, {"verbose": False} | keywords)) as llm:
        yield llm


def test_the_words_become_numbers_and_a_log_line(tiny_gguf: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`auto` is how many layers fit the GPUs, `max` what the model was trained with, where that fits."""
    with (
        caplog.at_level(logging.INFO, "modelsync"),
        loaded(tiny_gguf, n_gpu_layers="auto", n_ctx="max") as llm,
    ):
        assert llm.n_ctx() == 256
    assert "n_ctx = 256" in caplog.text
    assert "n_gpu_layers = " in caplog.text


def test_a_vocabulary_alone_has_nothing_to_settle(tiny_gguf: Path) -> None:
    """A program may want the tokenizer of a model whose manifest has the words for its layers and its context."""
    with loaded(tiny_gguf, n_gpu_layers="auto", n_ctx="max", vocab_only=True) as llm:
        assert llm.tokenize(b"hello")


def test_a_split_model_is_settled_as_a_whole(tiny_gguf: Path, tmp_path: Path) -> None:
    """Its parts make one header."""
    with loaded(split(tiny_gguf, 3, tmp_path)[0], n_ctx="max") as llm:
        assert llm.n_ctx() == 256


def test_what_cannot_fit_is_refused_with_what_would(tiny_gguf: Path) -> None:
    """A cache larger than any machine's memory would end the process: it is an error, with a hint."""
    with pytest.raises(ModelsyncError, match="does not fit") as caught:
        load(tiny_gguf, {"n_ctx": 2_000_000_000, "verbose": False})
    assert "it fits with a context of " in str(caught.value.hint)


def test_mapped_weights_need_not_be_free(tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model may be larger than what is free, for mapped pages can be taken back; locked ones cannot."""
    free = tiny_gguf.stat().st_size
    with loaded(tiny_gguf, n_ctx=64):
        pass
    need = 60 << 20  # more than cache and buffers of so small a model
    monkeypatch.setattr(devices, "memory", lambda: Memory(64 << 30, need))
    with loaded(tiny_gguf, n_ctx=64):
        pass
    monkeypatch.setattr(devices, "memory", lambda: Memory(64 << 30, free // 4))
    with pytest.raises(ModelsyncError, match="does not fit"):
        load(tiny_gguf, {"n_ctx": 64, "use_mlock": True, "verbose": False})
