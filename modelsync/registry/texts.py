"""Short texts that come with a model: its license, and settings of Ollama as those of llama.cpp. Pure.

Sources: ollama/ollama (api/types.go, docs/modelfile.md) for parameters; llama-cpp-python for what `Llama` takes.
"""

import json
import re
from collections.abc import Mapping

from modelsync.errors import ModelsyncError
from modelsync.registry.contents import Blob, Contents
from modelsync.registry.documents import read
from modelsync.registry.formats.ollama import PREFIX
from modelsync.spec.load_values import LoadValue, load_value
from modelsync.spec.names import file_name, printable
from modelsync.spec.toml import toml_value

MAX_TEXT = 256 << 10  # bytes of one that is read
_LICENSE_NAME = r"(?i)(?:licen[cs]e|copying)(?:[.-].*)?"
_HEAD = 4_000  # characters of a license that are looked at
_LICENSES = (  # as hubs name them; the first that the head of the text has
    ("apache-2.0", r"apache license,?\s+version 2\.0"),
    ("mit", r"(?:the )?mit license|permission is hereby granted, free of charge"),
    (r"llama\1", r"llama ([0-9](?:\.[0-9])?) community license"),
    ("gemma", r"gemma terms of use"),
    ("mpl-2.0", r"mozilla public license,?\s+version 2\.0"),
    ("agpl-3.0", r"gnu affero general public license\s+version 3"),
    ("lgpl-3.0", r"gnu lesser general public license\s+version 3"),
    ("gpl-3.0", r"gnu general public license\s+version 3"),
    ("cc-by-nc-4.0", r"(?:creative commons )?attribution-noncommercial 4\.0 international"),
    ("cc-by-sa-4.0", r"(?:creative commons )?attribution-sharealike 4\.0 international"),
    ("cc-by-4.0", r"(?:creative commons )?attribution 4\.0 international"),
)
# Parameters of a Modelfile that are arguments of llama_cpp.Llama.
_SETTINGS = {
    "num_ctx": "n_ctx",
    "num_batch": "n_batch",
    "num_gpu": "n_gpu_layers",
    "main_gpu": "main_gpu",
    "num_thread": "n_threads",
    "seed": "seed",
    "use_mmap": "use_mmap",
    "use_mlock": "use_mlock",
    "rope_frequency_base": "rope_freq_base",
    "rope_frequency_scale": "rope_freq_scale",
}
# A mark of a template, and what llama-cpp-python calls the format that has it.
_FORMATS = (
    ("<|im_start|>", "chatml"),
    ("<|start_header_id|>", "llama-3"),
    ("<start_of_turn>", "gemma"),
    ("<<SYS>>", "llama-2"),
    ("[INST]", "mistral-instruct"),
)
_MOST_SHOWN = 16


def with_small(contents: Contents) -> Contents:
    """The contents with the license's own text among what may be read, where nothing else names the license."""
    small = tuple(blob for blob in contents.small if blob.size <= MAX_TEXT)
    if contents.license is not None:
        return contents._replace(small=small)
    found = tuple(
        Blob(file.digest, file.size, file.media_type)
        for file in contents.files
        if not file.packed and file.size <= MAX_TEXT and _is_license(file.path)
    )
    return contents._replace(small=(*small, *found))


def with_texts(contents: Contents, texts: Mapping[str, bytes]) -> Contents:
    """The contents with what their short texts tell.

    Args:
        contents: As `manifests.contents` gave them.
        texts: The bytes of blobs in `contents.small`, by digest; those that are missing tell nothing.
    """
    names = {file.digest: file.path for file in contents.files}
    license_, notes = contents.license, list(contents.notes)
    for blob in contents.small:
        data = texts.get(blob.digest)
        if data is None:
            continue
        if _is_license(names.get(blob.digest, "")):
            license_ = license_ or license_of(data)
        elif blob.media_type == f"{PREFIX}params":
            notes += _parameters(data)
        elif blob.media_type == f"{PREFIX}template":
            notes += _template(data)
        elif blob.media_type == f"{PREFIX}system":
            notes.append("it comes with a system prompt, which is not applied")
    return contents._replace(license=license_, notes=tuple(notes))


def license_of(data: bytes) -> str | None:
    """The name of a license by its text; None for one that is not known."""
    text = " ".join(data[: 4 * _HEAD].decode("utf-8", "replace")[:_HEAD].lower().split())
    for name, pattern in _LICENSES:
        match = re.search(pattern, text)
        if match:
            return match.expand(name)
    return None


def _is_license(path: str) -> bool:
    return re.fullmatch(_LICENSE_NAME, file_name(path)) is not None


def _parameters(data: bytes) -> list[str]:
    """Ollama's parameters: those of a load as TOML, the others as they are."""
    try:
        said = read(data, "parameters")
    except ModelsyncError:
        return ["its parameters cannot be read"]
    load: dict[str, LoadValue] = {}
    others: list[str] = []
    for key, value in list(said.items())[:_MOST_SHOWN]:
        name = _SETTINGS.get(key)
        try:
            if name is None or isinstance(value, str | list):
                raise ModelsyncError(key)
            load[name] = load_value(name, value)
        except ModelsyncError:
            others.append(f"{printable(key, 40)} = {printable(json.dumps(value), 80)}")
    notes = []
    if load:
        notes.append(
            f"Ollama loads it with other settings: `load = {toml_value(load)}` in models.toml sets them"
        )
    if others:
        notes.append(f"Ollama's parameters for its answers are given with each call: {', '.join(others)}")
    return notes


def _template(data: bytes) -> list[str]:
    text = data.decode("utf-8", "replace")
    name = next((name for mark, name in _FORMATS if mark in text), None)
    note = "Ollama's own chat template is not used: the model's is"
    if name is not None:
        note += f'; if it has none, `load = {{ chat_format = "{name}" }}` in models.toml is alike'
    return [note]
