"""The text of a lock as it is written: one layout, byte for byte."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from modelsync.spec.roles import KEYS as COMPANION_KEYS
from modelsync.spec.toml import toml_string, toml_value

if TYPE_CHECKING:
    from modelsync.spec.lock.model import Lock, LockedFile, LockedModel

VERSION = 1
REQUEST_KEYS = ("uri", "revision", *COMPANION_KEYS, "sha256", "endpoint")
_PIECE_KEYS = ("path", "url", "etag", "size", "sha256")
_FILE_KEYS = ("role", "repo", "revision", *_PIECE_KEYS)
_HEADER = "# Written by modelsync. Commit it; do not edit it.\nversion = "


def dumps(lock: "Lock") -> str:
    """The text of a lock: sorted, one file a line, the same on every machine."""
    models = sorted(lock.models, key=lambda model: (model.name, model.variant or ""))
    return f"{_HEADER}{VERSION}\n" + "".join(map(_model, models))


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
    lines += ["files = [", *(f"  {toml_value(_file_table(file))}," for file in model.files), "]", ""]
    return "\n".join(lines)


def _file_table(file: "LockedFile") -> dict[str, Any]:
    table = _given(_FILE_KEYS, (getattr(file, key) for key in _FILE_KEYS))
    if file.pieces:
        table["pieces"] = [
            _given(_PIECE_KEYS, (getattr(piece, key) for key in _PIECE_KEYS)) for piece in file.pieces
        ]
    return table


def _given(keys: tuple[str, ...], values: Iterable[Any]) -> dict[str, Any]:
    """The keys that have a value."""
    return {key: value for key, value in zip(keys, values, strict=True) if value is not None}
