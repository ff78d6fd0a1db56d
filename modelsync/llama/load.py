"""Loads a model with llama-cpp-python."""

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelsync.errors import ModelsyncError
from modelsync.llama import projector
from modelsync.llama.auto_settings import resolve_settings
from modelsync.llama.batches import with_batches
from modelsync.llama.installed import llama_class
from modelsync.llama.keywords import AUTO_WORDS
from modelsync.llama.log_capture import capture_log
from modelsync.llama.traits import refusal, traits
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from llama_cpp import Llama

_RANKING = 4  # LLAMA_POOLING_TYPE_RANK


def load(
    model: Path,
    settings: Mapping[str, Any],
    *,
    mmproj: Path | None = None,
    loras: Sequence[Path] = (),
    default_context: int | None = None,
) -> "Llama":
    """Loads a model. Two calls share nothing; a process loads one model at a time.

    Args:
        model: The file, or the first part of a split model; llama.cpp finds the others beside it.
        settings: Keywords for `llama_cpp.Llama`, from the manifest and the caller.
        mmproj: Its projector, with which `create_chat_completion` takes pictures.
        loras: Adapters, all applied with `lora_scale`.
        default_context: `n_ctx` if `settings` has none, in tokens; at most the trained context.

    Raises:
        ExtraMissingError: llama-cpp-python is not installed.
        UsageError: the batch sizes would make llama.cpp end the process.
        ModelsyncError: llama.cpp cannot load the model, its projector or an adapter; or they do not fit this machine.
    """
    llama = llama_class()
    model = model.absolute()
    model_traits = traits(model)
    keywords: dict[str, Any] = {
        key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()
    }
    if model_traits.task != "generate":
        keywords.setdefault("embedding", True)
    if default_context is not None:
        keywords.setdefault("n_ctx", min(default_context, model_traits.context or default_context))
    keywords = with_batches(keywords, model_traits)
    adapters: Sequence[Path] = () if "lora_path" in keywords else loras
    if keywords.get("vocab_only"):  # without layers and cache there is nothing to estimate
        open_words = [key for key, word in AUTO_WORDS.items() if keywords.get(key) == word]
        keywords = {key: value for key, value in keywords.items() if key not in open_words}
    else:
        keywords = resolve_settings(
            model, mmproj if "chat_handler" not in keywords else None, adapters, keywords
        )
        keywords = with_batches(keywords, model_traits)  # `max` has become a number
    handler = None
    if mmproj is not None and "chat_handler" not in keywords:
        handler = projector.chat_handler(
            mmproj.absolute(), model_traits, verbose=keywords.get("verbose", True)
        )
        keywords["chat_handler"] = handler
    with capture_log() as log:
        loaded = None
        try:
            loaded = llama(model_path=str(model), **keywords)
            if adapters:
                _apply_adapters(loaded, adapters, float(keywords.get("lora_scale", 1.0)))
            elif keywords.get("lora_path") and not getattr(loaded, "_lora_adapter", True):
                # llama-cpp-python ignores the null pointer
                raise RuntimeError("the adapter is not for this model")
            if handler is not None:
                projector.attach(handler, loaded)
            if keywords.get("embedding") and not keywords.get("vocab_only") and ranks(loaded):
                _read_scores_alone(loaded)
        except (ValueError, RuntimeError, TypeError, MemoryError) as error:
            if loaded is not None:
                loaded.close()
            why = refusal(model) or log.reason or printable(str(error), 400)
            raise ModelsyncError(
                f"llama.cpp cannot load {printable(str(model), 1000)}: {why}",
                hint="`verbose=True` shows llama.cpp's whole log",
            ) from error
    return loaded


def ranks(llama: "Llama") -> bool:
    """Whether a loaded model scores pairs of texts: a reranker."""
    pooling: Any = llama.pooling_type()  # a number, whatever its annotation says
    return bool(pooling == _RANKING)


def _read_scores_alone(llama: "Llama") -> None:
    """Makes `embed` read as many numbers as a reranker has scores: those behind them would be stray memory."""
    import llama_cpp

    scores = max(1, llama_cpp.llama_model_n_cls_out(llama.model))
    vars(llama)["n_embd"] = lambda: scores


def _apply_adapters(llama: "Llama", loras: Sequence[Path], scale: float) -> None:
    """Applies adapters to a model, which owns and frees them.

    `lora_path` is not used: it takes one adapter, reads the whole model into memory, and does not notice failures.
    """
    import llama_cpp

    if not hasattr(llama_cpp, "llama_set_adapters_lora"):
        raise RuntimeError(
            "the installed llama-cpp-python is too old for adapters: `pip install -U llama-cpp-python`"
        )
    adapters = []
    for lora in loras:
        adapter = llama_cpp.llama_adapter_lora_init(llama.model, str(lora.absolute()).encode())
        if not adapter:
            raise RuntimeError(f"{lora.name} is not an adapter for this model")
        adapters.append(adapter)
    count = len(adapters)
    pointers = (llama_cpp.llama_adapter_lora_p_ctypes * count)(*adapters)
    scales = (ctypes.c_float * count)(*[scale] * count)
    if llama_cpp.llama_set_adapters_lora(llama.ctx, pointers, count, scales):
        raise RuntimeError("the adapters cannot be combined")
