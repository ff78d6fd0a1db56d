"""A model as an Ollama Modelfile, for `ollama create NAME -f Modelfile`.

Source: `parser/parser.go` and `api/types.go` (the options that a runner takes) of Ollama.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelsync.errors import NotAModelError, UsageError
from modelsync.gguf.header import Header
from modelsync.gguf.kind import task_of
from modelsync.gguf.metadata import Array
from modelsync.llama.traits import header_of
from modelsync.ops.export.models import Exported, ExportedModel, files_of, for_llama, left_out
from modelsync.ops.export.ollama_template import go_template, turns_of
from modelsync.project.model_files import ModelFiles
from modelsync.spec.names import printable


def write(chosen: Sequence[ExportedModel], root: Path) -> list[Exported]:  # noqa: ARG001
    """A Modelfile each; a model that Ollama cannot take is left out with a word, unless none is left.

    Raises:
        UsageError: Ollama can take none of them.
    """
    made: list[Exported] = []
    refused: list[UsageError] = []
    models, others = for_llama(chosen, "Ollama")
    for model in models:
        files = files_of(model)
        try:
            text, left = modelfile(model.name, files, model.known.entry.load)
        except UsageError as error:
            refused.append(error)
            continue
        notes = left_out(model, "Ollama", left)
        made.append(Exported(model.name, text + "".join(chat_lines(files.model)), notes))
    if refused and not made:
        raise refused[0]
    words = others + tuple(f"left out: {error.message}" for error in refused)
    if words and made:
        made[0] = made[0]._replace(notes=words + made[0].notes)
    return made


def chat_lines(model: Path) -> list[str]:
    """The lines about a model's chat: its turns, if they are of a known family, and what ends an answer."""
    try:
        header = header_of(model)
    except NotAModelError:  # llama.cpp decides about files that our reader refuses
        return []
    jinja = header.metadata.text("tokenizer.chat_template")
    if jinja is None or task_of(header) != "generate":
        return []
    turns = turns_of(jinja)
    if turns is None:
        lines = ["# Of no chat template that is known here: Ollama takes the one that it detects.\n"]
    else:
        lines = [
            "# The turns of the model's chat template, without its tools.\n",
            f'TEMPLATE """{go_template(turns)}"""\n',
        ]
    return lines + [f'PARAMETER stop "{word}"\n' for word in _stop_words(header)]


def _stop_words(header: Header) -> list[str]:
    """The tokens that end an answer, as words."""
    ends = [header.metadata.number(f"tokenizer.ggml.{key}_token_id") for key in ("eos", "eot", "eom")]
    wanted = {end for end in ends if end is not None}
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if not wanted or not isinstance(tokens, Array):
        return []
    words = {number: word for number, word in enumerate(tokens) if number in wanted}
    said = (words.get(end) for end in ends if end is not None)
    known = (word for word in said if isinstance(word, str) and word.isprintable() and word.strip())
    return [word for word in dict.fromkeys(known) if '"' not in word and "\\" not in word]


_PARAMETERS = {
    "n_ctx": "num_ctx",
    "n_batch": "num_batch",
    "n_gpu_layers": "num_gpu",
    "main_gpu": "main_gpu",
    "use_mmap": "use_mmap",
    "n_threads": "num_thread",
    "seed": "seed",
    "last_n_tokens_size": "repeat_last_n",
}
_MEANINGLESS = {
    "verbose",
    "logits_all",
    "embedding",
}  # in another program; Ollama sees itself what a model makes
ALL_LAYERS = 999  # Ollama's -1 is its own choice, and more layers than there are is all of them


def modelfile(title: str, files: ModelFiles, load: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The text of a Modelfile, and the load settings that Ollama has no parameter for.

    Args:
        title: The model, for messages.
        files: Its files.
        load: Its load settings.

    Raises:
        UsageError: Ollama cannot take such a model.
    """
    parts, loras = files.parts, files.loras
    if len(parts) > 1:
        raise UsageError(
            f"Ollama loads no split models, and {title} has {len(parts)} parts",
            hint="`llama-gguf-split --merge` makes one file of them",
        )
    if len(loras) > 1:
        raise UsageError(f"Ollama takes one adapter, and {title} has {len(loras)}")
    lines = [f"FROM {_value(path)}" for path in (*parts, *([files.mmproj] if files.mmproj else []))]
    lines += [f"ADAPTER {_value(path)}" for path in loras]
    lines += [f"DRAFT {_value(files.draft)}"] if files.draft is not None else []
    left = []
    for key, value in load.items():
        said = _said(key, value)
        if said is not None:
            lines.append(f"PARAMETER {_PARAMETERS[key]} {said}")
        elif key not in _MEANINGLESS and (key, value) not in {("n_gpu_layers", "auto"), ("lora_scale", 1)}:
            left.append(key)
    return "\n".join(lines) + "\n", tuple(left)


def _said(key: str, value: Any) -> str | None:
    """A value as Ollama reads it; None for what it has no word for."""
    if key not in _PARAMETERS or isinstance(value, str) or (key == "n_ctx" and value == 0):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if key == "n_gpu_layers" and value == -1:
        return str(ALL_LAYERS)
    return str(value)


def _value(path: Path) -> str:
    """A path as the rest of a line. What stands in quotes would lose them, and what cannot be printed is dropped."""
    text = str(path)
    if not text.isprintable() or '"' in text or text != text.strip():
        raise UsageError(
            f"a Modelfile cannot hold the path {printable(text, 1000)}",
            hint="MODELSYNC_STORE, or `dir` in the manifest, puts the files elsewhere",
        )
    return text
