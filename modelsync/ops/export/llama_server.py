"""Load settings as llama-server's options, and models as its presets file for router mode (`--models-preset`).

Source: `common/preset.cpp` (the syntax) and `common/arg.cpp` (the options) of the llama.cpp in llama-cpp-python 0.3.36.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelsync.errors import UsageError
from modelsync.gguf.types import TENSOR_TYPES
from modelsync.llama.batches import with_batches
from modelsync.llama.traits import traits
from modelsync.ops.export.models import Exported, ExportedModel, files_of, for_llama, left_out
from modelsync.project.model_files import ModelFiles
from modelsync.spec.names import printable

LLAMA_SERVER_HEAD = "; Written by modelsync: llama-server --models-preset THIS-FILE\nversion = 1\n"


def write(chosen: Sequence[ExportedModel], root: Path) -> list[Exported]:  # noqa: ARG001
    """The presets file of llama-server's router mode: a section a model, the load settings under their flags' names."""
    sections = [LLAMA_SERVER_HEAD]
    models, others = for_llama(chosen, "llama-server")
    notes = list(others)
    for model in models:
        files = files_of(model)
        load = with_batches(model.load, traits(files.model), context=0)
        text, left = section(model.name, files, load)
        sections.append(text)
        notes += left_out(model, "llama-server", left)
    return [Exported("", "\n".join(sections), tuple(notes))]


# The reader ends a value where a comment begins, wherever that is, and knows no quotes.
_ENDS_A_VALUE = ";#\r\n"

Option = tuple[str, str] | None


def _flag(value: Any) -> str:
    return "true" if value else "false"


def _one_of(*words: str) -> Callable[[Any], str | None]:
    """The word for a number of one of llama.cpp's enumerations; None for what has none."""
    return lambda value: words[value] if isinstance(value, int) and 0 <= value < len(words) else None


def _layers(value: Any) -> str:
    return "all" if value == -1 else str(value)


def _type(value: Any) -> str | None:
    kind = TENSOR_TYPES.get(value)
    return kind.name.lower() if kind is not None else None


def _numa(value: Any) -> str | None:
    return _one_of("", "distribute", "isolate", "numactl")(int(value)) or None


# Keyword of llama_cpp.Llama -> option of llama-server, and how its value is said there.
_OPTIONS: Mapping[str, tuple[str, Callable[[Any], str | None]]] = {
    "n_ctx": ("ctx-size", lambda value: "0" if value == "max" else str(value)),
    "n_batch": ("batch-size", str),
    "n_ubatch": ("ubatch-size", str),
    "n_gpu_layers": ("n-gpu-layers", _layers),
    "split_mode": ("split-mode", _one_of("none", "layer", "row", "tensor")),
    "main_gpu": ("main-gpu", str),
    "tensor_split": ("tensor-split", lambda value: ",".join(map(str, value))),
    "seed": ("seed", str),
    "n_threads": ("threads", str),
    "n_threads_batch": ("threads-batch", str),
    "rope_scaling_type": ("rope-scaling", _one_of("none", "linear", "yarn")),
    "rope_freq_base": ("rope-freq-base", str),
    "rope_freq_scale": ("rope-freq-scale", str),
    "yarn_ext_factor": ("yarn-ext-factor", str),
    "yarn_attn_factor": ("yarn-attn-factor", str),
    "yarn_beta_fast": ("yarn-beta-fast", str),
    "yarn_beta_slow": ("yarn-beta-slow", str),
    "yarn_orig_ctx": ("yarn-orig-ctx", str),
    "pooling_type": ("pooling", _one_of("none", "mean", "cls", "last", "rank")),
    "attention_type": ("attention", _one_of("causal", "non-causal")),
    "embedding": ("embeddings", _flag),
    "offload_kqv": ("kv-offload", _flag),
    "flash_attn": ("flash-attn", lambda value: "on" if value else "off"),
    "op_offload": ("op-offload", _flag),
    "swa_full": ("swa-full", _flag),
    "no_perf": ("perf", lambda value: _flag(not value)),
    "last_n_tokens_size": ("repeat-last-n", str),
    "numa": ("numa", _numa),
    "type_k": ("cache-type-k", _type),
    "type_v": ("cache-type-v", _type),
    "spm_infill": ("spm-infill", _flag),
}
# Said in other ways below, or without a meaning in another program.
_SPENT = {"use_mmap", "use_mlock", "lora_scale", "verbose", "logits_all"}


def options(load: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The options that a model's load settings come to, and the keywords that llama-server has nothing for."""
    made: dict[str, str] = {}
    left = []
    for key, value in load.items():
        if key in _SPENT:
            continue
        name, say = _OPTIONS.get(key, ("", lambda _: None))
        said = say(value)
        if said is None:
            left.append(key)
        else:
            made[name] = said
    if made.get("pooling") == "rank":  # as `--reranking` sets it, with all else that the server needs
        del made["pooling"]
        made["reranking"] = "true"
    if load.keys() & {"use_mmap", "use_mlock"}:
        mapped, locked = load.get("use_mmap", True), load.get("use_mlock", False)
        made["load-mode"] = "+".join(["mmap"] * bool(mapped) + ["mlock"] * bool(locked)) or "none"
    return made, tuple(left)


def section(name: str, files: ModelFiles, load: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """One model of a presets file, and the keywords that were left out.

    Raises:
        UsageError: a path has a character that the reader of the file cannot be told.
    """
    values = {"model": str(files.model)}
    if files.mmproj is not None:
        values["mmproj"] = str(files.mmproj)
    if files.draft is not None:  # a type that is not told is found out for some heads, and none else is used
        values["model-draft"] = str(files.draft)
        values["spec-type"] = f"draft-{traits(files.draft).drafts or 'simple'}"
    loras = files.loras
    scale = load.get("lora_scale", 1.0)
    if loras and scale == 1:
        values["lora"] = ",".join(_field(str(lora)) for lora in loras)
    elif loras:
        values["lora-scaled"] = ",".join(_scaled(lora, scale) for lora in loras)
    made, left = options(load)
    lines = [f"[{name}]"]
    for key, value in (values | made).items():
        if any(each in value for each in _ENDS_A_VALUE) or value != value.strip():
            raise UsageError(
                f"llama-server's presets cannot hold the path {printable(value, 1000)}: `;` and `#` begin a comment"
                " wherever they stand",
                hint="MODELSYNC_STORE, or `dir` in the manifest, puts the files elsewhere",
            )
        lines.append(f"{key} = {value}")
    return "\n".join(lines) + "\n", left


def _field(text: str) -> str:
    """A field of a list with commas."""
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def _scaled(lora: Path, scale: float) -> str:
    if ":" in str(lora):
        raise UsageError(
            f"llama-server cannot be told a `lora_scale` for {printable(str(lora), 1000)}: the path has a colon",
            hint="MODELSYNC_STORE, or `dir` in the manifest, puts the files elsewhere",
        )
    return _field(f"{lora}:{scale}")
