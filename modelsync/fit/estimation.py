"""What a model needs on a machine, and whether it fits."""

from typing import Any, NamedTuple

from modelsync.errors import UsageError
from modelsync.fit.machine import Machine
from modelsync.memory import placement
from modelsync.memory.estimate import Estimate, EstimatedModel
from modelsync.memory.load_settings import (
    LLAMA_CPP_PYTHON,
    PROFILES,
    GpuLayers,
    LoadSettings,
    cache_type,
)
from modelsync.memory.placement import Remedy, Verdict
from modelsync.spec.names import did_you_mean, printable


class EstimateOptions(NamedTuple):
    """Options of an estimate, over the profile's defaults and the manifest's load settings; None: as they are.

    Attributes:
        profile: Whose defaults they are: a key of `memory.load_settings.PROFILES`.
        context: Tokens; 0: what the model was trained with.
        gpu_layers: How many; -1: all; `auto`: as many as fit.
        cache_type_k: The name of a type; `cache_type_v` too.
        ram: Bytes of another machine's memory.
        gpus: Bytes of its GPUs.
    """

    profile: str | None = None
    context: int | None = None
    gpu_layers: GpuLayers | None = None
    flash_attention: bool | None = None
    cache_type_k: str | None = None
    cache_type_v: str | None = None
    ubatch: int | None = None
    full_window: bool | None = None
    ram: int | None = None
    gpus: tuple[int, ...] | None = None

    def over(self, base: LoadSettings) -> LoadSettings:
        """The settings, overridden by what was asked.

        Raises:
            UsageError: a cache type that there is not, or a number below its least.
        """
        changes: dict[str, Any] = {
            name: value
            for name in ("context", "gpu_layers", "flash_attention", "ubatch", "full_window")
            if (value := getattr(self, name)) is not None
        }
        for name in ("cache_type_k", "cache_type_v"):
            if (word := getattr(self, name)) is not None:
                changes[name] = cache_type(word)
        least = {"context": 0, "ubatch": 1, "gpu_layers": -1}
        for name, low in least.items():
            value = changes.get(name)
            if isinstance(value, int) and value < low:
                raise UsageError(f"{name.replace('_', ' ')}: {value} is not a number from {low}")
        return base._replace(**changes)


class Estimation(NamedTuple):
    """What one model needs on one machine.

    Attributes:
        title: What was asked for.
        quant: What its file's name says it was quantized to.
        file_size: Bytes of all its files' parts; None where a server does not say.
        max_context: The largest context that fits with these settings, tokens; 0: none.
        score: node-llama-cpp's.
        remedies: What would make it fit, if it does not.
        notes: What a person should be told.
        smaller: The largest quant of the same repo that would fit, if this one does not.
    """

    title: str
    quant: str | None
    file_size: int | None
    estimate: Estimate
    verdict: Verdict
    max_context: int
    score: int
    remedies: tuple[Remedy, ...]
    notes: tuple[str, ...]
    smaller: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        found = self.estimate
        return {
            "title": self.title,
            "quant": self.quant,
            "file_size": self.file_size,
            "source": found.source,
            "profile": found.settings.profile,
            "context": found.context,
            "gpu_layers": found.gpu_layers,
            "layers": found.layers,
            "weights_bytes": found.weights,
            "context_bytes": found.cache,
            "compute_bytes": found.compute,
            "total_bytes": found.need,
            "at_most": found.bound,
            "devices": [
                {
                    "name": use.device.name,
                    "kind": use.device.kind,
                    "total": use.device.total,
                    "free": use.device.free,
                    "need": use.need,
                    "weights": use.weights,
                    "cache": use.cache,
                    "compute": use.compute,
                    "other": use.other,
                }
                for use in found.uses
            ],
            "verdict": self.verdict.word,
            "text": self.verdict.text,
            "max_ctx": self.max_context,
            "score": self.score,
            "remedies": [{"text": each.text, "total_bytes": each.estimate.need} for each in self.remedies],
            "smaller_quant": self.smaller,
            "notes": list(self.notes),
        }


def estimated(
    title: str, quant: str | None, model: EstimatedModel, settings: LoadSettings, here: Machine
) -> Estimation:
    """What a model needs on a machine, and whether it fits."""
    ask = here.estimator(model)
    found = ask(settings)
    most = placement.max_context(found.settings, model.shape.context, ask)
    return Estimation(
        title,
        quant,
        model.header.file_size,
        found,
        placement.verdict(found),
        most,
        placement.score(found, most, found.context),
        placement.remedies(model, settings, ask),
        found.notes,
    )


def profile_of(name: str | None) -> LoadSettings:
    """The defaults of a program; None: llama-cpp-python's.

    Raises:
        UsageError: there is no such profile.
    """
    if name is None:
        return LLAMA_CPP_PYTHON
    if name not in PROFILES:
        raise UsageError(
            f"there is no profile `{printable(name)}`{did_you_mean(name, tuple(PROFILES))}",
            hint=f"one of {', '.join(PROFILES)}",
        )
    return PROFILES[name]
