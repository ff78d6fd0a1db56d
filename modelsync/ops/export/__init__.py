"""Export: the synced models as files that other programs read. One module and one entry a format."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from modelsync.ops.export import cyclonedx_, env, json_, llama_server, ollama, sha256sums
from modelsync.ops.export.models import Exported, ExportedModel


class Format(NamedTuple):
    """A format that models are exported in.

    Attributes:
        write: Makes its texts of the models; relative paths in them are relative to the given folder.
        help: What it is, for the help page.
        suffix: The ending of file names, where each model is a file of its own; None: all are one text.
        missing: Whether it has models that are not on this machine too.
    """

    write: Callable[[Sequence[ExportedModel], Path], list[Exported]]
    help: str
    suffix: str | None = None
    missing: bool = False


FORMATS: Mapping[str, Format] = {
    "llama-server": Format(
        llama_server.write,
        "its presets file for router mode (--models-preset), with the load settings in its flag names",
    ),
    "ollama": Format(ollama.write, "a Modelfile each", suffix=".Modelfile"),
    "env": Format(env.write, "shell variables, for eval"),
    "sha256sums": Format(sha256sums.write, "for `sha256sum -c` in the project's folder"),
    "json": Format(json_.write, "everything, of models that are not here too", missing=True),
    "cyclonedx": Format(
        cyclonedx_.write,
        "an SBOM in CycloneDX 1.6, of models that are not here too; needs modelsync[sbom]",
        missing=True,
    ),
}
