"""Loads a model with llama-cpp-python, which is imported here and nowhere else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelsync.errors import ExtraMissingError, ModelsyncError

if TYPE_CHECKING:
    from llama_cpp import Llama

HINT = 'install it with `pip install "modelsync[llama]"`; it compiles, and wants a C++ compiler and CMake'


def load(
    model: Path, loras: Sequence[Path], settings: Mapping[str, Any], overrides: Mapping[str, Any]
) -> "Llama":
    """Loads a model.

    Args:
        model: The file, or the first part of a split model.
        loras: Adapters. llama-cpp-python takes one.
        settings: Keywords for `llama_cpp.Llama`, from a manifest.
        overrides: Keywords that win over them, from the program.

    Raises:
        ExtraMissingError: llama-cpp-python is not installed.
        ModelsyncError: llama.cpp cannot load the model.
    """
    try:
        from llama_cpp import Llama
    except ImportError as error:
        raise ExtraMissingError("llama-cpp-python is not installed here", hint=HINT) from error
    keywords: dict[str, Any] = {key: list(v) if isinstance(v, tuple) else v for key, v in settings.items()}
    if loras:
        if len(loras) > 1 and "lora_path" not in overrides:
            raise ModelsyncError(
                f"{model.name} has {len(loras)} adapters, and llama-cpp-python loads one",
                hint="pass `lora_path=` to choose one; `modelsync.files()` has their paths",
            )
        keywords["lora_path"] = str(loras[0])
    keywords |= overrides
    try:
        return Llama(model_path=str(model), **keywords)
    except (ValueError, RuntimeError) as error:
        raise ModelsyncError(
            f"llama.cpp cannot load {model}: {error}", hint="pass `verbose=True` to see what llama.cpp says"
        ) from error
