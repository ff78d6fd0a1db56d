"""Loads a model with llama-cpp-python."""

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelsync.errors import ModelsyncError
from modelsync.llama import projector
from modelsync.llama.auto_settings import settle
from modelsync.llama.installed import llama_class
from modelsync.llama.keywords import SETTLED_HERE
from modelsync.llama.log_capture import hearing
from modelsync.llama.traits import traits
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from llama_cpp import Llama


def load(
    model: Path,
    settings: Mapping[str, Any],
    *,
    mmproj: Path | None = None,
    loras: Sequence[Path] = (),
    default_context: int | None = None,
) -> "Llama":
    """Loads a model. Two calls share nothing; loads of one process wait for each other.

    Args:
        model: The file, or the first part of a split model; llama.cpp finds the others beside it.
        settings: Keywords for `llama_cpp.Llama`, all that were given by a manifest and a program.
        mmproj: Its projector: the model takes pictures in `create_chat_completion`.
        loras: Adapters, laid over it together, each with `lora_scale`.
        default_context: `n_ctx` where nothing says one, tokens; no more than the model was trained with.

    Raises:
        ExtraMissingError: llama-cpp-python is not installed.
        ModelsyncError: llama.cpp cannot load the model, its projector or an adapter; or they do not fit this machine.
    """
    llama = llama_class()
    model = model.absolute()
    known = traits(model)
    keywords: dict[str, Any] = {
        key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()
    }
    if known.embeds:
        keywords.setdefault("embedding", True)
    if default_context is not None:
        keywords.setdefault("n_ctx", min(default_context, known.context or default_context))
    laid: Sequence[Path] = () if "lora_path" in keywords else loras
    if keywords.get("vocab_only"):  # it has no layers and no cache to settle anything for
        open_words = [key for key, word in SETTLED_HERE.items() if keywords.get(key) == word]
        keywords = {key: value for key, value in keywords.items() if key not in open_words}
    else:
        keywords = settle(model, mmproj if "chat_handler" not in keywords else None, laid, keywords)
    handler = None
    if mmproj is not None and "chat_handler" not in keywords:
        handler = projector.chat_handler(mmproj.absolute(), known, verbose=keywords.get("verbose", True))
        keywords["chat_handler"] = handler
    with hearing() as heard:
        made = None
        try:
            made = llama(model_path=str(model), **keywords)
            if laid:
                _lay(made, laid, float(keywords.get("lora_scale", 1.0)))
            elif keywords.get("lora_path") and not getattr(made, "_lora_adapter", True):
                raise RuntimeError(
                    "the adapter is none for this model"
                )  # a null pointer, which went unnoticed
            if handler is not None:
                projector.attach(handler, made)
        except (ValueError, RuntimeError, TypeError) as error:
            if made is not None:
                made.close()
            why = heard.reason or printable(str(error), 400)
            raise ModelsyncError(
                f"llama.cpp cannot load {printable(str(model), 1000)}: {why}",
                hint="`verbose=True` shows all that llama.cpp says while it loads",
            ) from error
    return made


def _lay(llama: "Llama", loras: Sequence[Path], scale: float) -> None:
    """Lays adapters over a model. They belong to the model, and are freed with it.

    Not by `lora_path`, which takes one, reads the whole model into memory for it, and does not notice when it fails.
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
            raise RuntimeError(f"{lora.name} is no adapter for this model")
        adapters.append(adapter)
    count = len(adapters)
    pointers = (llama_cpp.llama_adapter_lora_p_ctypes * count)(*adapters)
    scales = (ctypes.c_float * count)(*[scale] * count)
    if llama_cpp.llama_set_adapters_lora(llama.ctx, pointers, count, scales):
        raise RuntimeError("the adapters do not go together")
