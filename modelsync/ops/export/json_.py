"""Everything that is known of the models, as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelsync.ops.export.models import Exported, ExportedModel, paths_of


def write(chosen: Sequence[ExportedModel], root: Path) -> list[Exported]:  # noqa: ARG001
    """Everything that is known of the models, as one object."""
    value = {"models": [_value(model) for model in chosen]}
    return [Exported("", json.dumps({"schema": 1} | value, indent=2) + "\n", value=value)]


def _value(model: ExportedModel) -> dict[str, Any]:
    entry, locked = model.known.entry, model.known.model
    places = paths_of(model) if model.files is not None else (None,) * len(locked.files)
    return {
        "name": entry.name,
        "variant": entry.variant,
        "groups": list(entry.groups),
        "license": locked.license,
        "revision": locked.revision,
        "path": None if model.files is None else str(model.files.model),
        "load": {
            key: list(value) if isinstance(value, tuple) else value for key, value in entry.load.items()
        },
        "files": [
            {
                "role": file.role,
                "path": None if place is None else str(place),
                "file": file.path,
                "url": file.url,
                "size": file.size,
                "sha256": file.sha256,
            }
            for place, file in zip(places, locked.files, strict=True)
        ],
    }
