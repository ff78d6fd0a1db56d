"""Export: the synced models as files that other programs read. One module a format."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from modelsync.ops.export import env, json_, llama_server, ollama, sha256sums
from modelsync.ops.export.models import Exported, ExportedModel

WRITERS: Mapping[str, Callable[[Sequence[ExportedModel], Path], list[Exported]]] = {
    "llama-server": llama_server.write,
    "ollama": ollama.write,
    "env": env.write,
    "sha256sums": sha256sums.write,
    "json": json_.write,
}
