"""The text of a lock as it is written: one layout, byte for byte."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from modelsync.spec.lock.keys import FILE_KEYS, PIECE_KEYS, REQUEST_KEYS, needed_version
from modelsync.spec.toml import toml_key, toml_string, toml_value

if TYPE_CHECKING:
    from modelsync.spec.lock.model import Lock, LockedFile, LockedModel, Piece, UnknownKeys

_HEADER = "# Written by modelsync. Commit it; do not edit it.\nversion = "


def dumps(lock: "Lock") -> str:
    """The text of a lock: sorted, one file a line, the same on every machine."""
    models = sorted(lock.models, key=lambda model: (model.name, model.variant or ""))
    lines = [f"{_HEADER}{needed_version(lock)}", *_unknown(lock.unknown), ""]
    return "\n".join(lines) + "".join(map(_model, models))


def _model(model: "LockedModel") -> str:
    lines = ["", "[[model]]", f"name = {toml_string(model.name)}"]
    if model.variant is not None:
        lines.append(f"variant = {toml_string(model.variant)}")
    request = {key: model.request[key] for key in REQUEST_KEYS if key in model.request}
    lines.append(f"request = {toml_value(request)}")
    if model.revision is not None:
        lines.append(f"revision = {toml_string(model.revision)}")
    if model.license is not None:
        lines.append(f"license = {toml_string(model.license)}")
    lines += _unknown(model.unknown)
    lines += ["files = [", *(f"  {_file(file)}," for file in model.files), "]", ""]
    return "\n".join(lines)


def _file(file: "LockedFile") -> str:
    values = _row(FILE_KEYS, file)
    if file.pieces:
        values["pieces"] = f"[{', '.join(_table(_row(PIECE_KEYS, piece)) for piece in file.pieces)}]"
    return _table(values)


def _row(keys: Iterable[str], row: "LockedFile | Piece") -> dict[str, str]:
    """The values that a row has, as TOML; those of unknown keys last."""
    return {key: toml_value(value) for key in keys if (value := getattr(row, key)) is not None} | dict(
        row.unknown
    )


def _table(values: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{toml_key(key)} = {value}" for key, value in values.items()) + " }"


def _unknown(keys: "UnknownKeys") -> list[str]:
    return [f"{toml_key(key)} = {value}" for key, value in keys]
