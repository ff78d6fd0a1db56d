"""The text of a first manifest, of what was found on a machine: entries, and comments on what cannot be told."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modelsync.errors import UsageError
from modelsync.spec.manifest.read import parse
from modelsync.spec.names import check_name, printable
from modelsync.spec.toml import toml_value


class FoundEntry(NamedTuple):
    """What is to be written of one model.

    Attributes:
        name: What it may be called; another name is taken where that cannot be one, or is taken.
        uri: Its URI; empty: it cannot be told, and there are only comments.
        values: Further keys, in their order; empty ones are left out.
        comments: Lines above it, without `#`.
    """

    name: str
    uri: str = ""
    values: Sequence[tuple[str, str | Sequence[str]]] = ()
    comments: Sequence[str] = ()


def manifest_text(entries: Iterable[FoundEntry], source: str, folder: str | None = None) -> str:
    """The manifest.

    Args:
        entries: The models.
        source: What they were found in.
        folder: The project's folder of models: `dir`.
    """
    head = f"# From {_line(source)}, by `modelsync init --from`. Look it through; then `modelsync sync`.\n"
    text = f"{head}\n[modelsync]\n" + (f"dir = {toml_value(folder)}\n" if folder is not None else "")
    taken: set[str] = set()
    for entry in entries:
        text += "\n" + "".join(f"# {_line(comment)}\n" for comment in entry.comments)
        if not entry.uri:
            continue
        name = _name(entry.name, taken)
        taken.add(name)
        text += f"[models.{_key(name)}]\nuri = {toml_value(entry.uri)}\n"
        text += "".join(f"{key} = {toml_value(value)}\n" for key, value in entry.values if value)
    if not taken:
        text += "\n[models]\n"
    parse(text, where="models.toml")
    return text


def to_uncomment(name: str, uri: str) -> tuple[str, str]:
    """The lines of an entry as comments have them."""
    return f"[models.{_key(_name(name, set()))}]", f"uri = {toml_value(uri)}"


def _line(text: str) -> str:
    return printable(text, 1000)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[a-z0-9_-]+", name) else toml_value(name)


def _name(wanted: str, taken: set[str]) -> str:
    """A name that is free: of a file or a repo, without its ending."""
    wanted = re.sub(r"(?i)(?:-00001-of-\d{5})?\.gguf$|[.-]gguf$", "", wanted)
    base = (
        re.sub(r"[^a-z0-9._-]+", "-", wanted.lower(), flags=re.ASCII).strip("-._")[:56].rstrip("-.")
        or "model"
    )
    try:
        check_name(base)
    except UsageError:
        base = f"model-{base}"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name
