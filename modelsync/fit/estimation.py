"""What a model needs on a machine, and whether it fits."""

from functools import cache
from typing import Any, NamedTuple

from modelsync.errors import UsageError
from modelsync.fit.machine import Machine
from modelsync.fit.profiles import Estimators, LoadProfile, Outcome, outcome, profiles
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
        estimate: What it needs as it would be loaded; so is all that follows.
        max_context: The largest context that fits with these settings, tokens; 0: none.
        score: node-llama-cpp's: 0 to 100, for comparing.
        remedies: What would make it fit, if it does not.
        notes: What a person should be told.
        smaller: The largest quant of the same repo that would fit, if this one does not.
        profiles: As it would be loaded and at its best here, with flash attention off and on; none for a row of many.
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
    profiles: tuple[LoadProfile, ...] = ()

    @property
    def best(self) -> LoadProfile | None:
        """The best of the `best` profiles: one that fits, most layers on GPUs, most context, flash attention."""
        return max((each for each in self.profiles if each.name == "best"), key=_goodness, default=None)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        told = {
            "title": self.title,
            "quant": self.quant,
            "file_size": self.file_size,
            "profile": self.estimate.settings.profile,
            **Outcome(self.estimate, self.verdict, self.max_context, self.score).to_dict(),
            "remedies": [{"text": each.text, "total_bytes": each.estimate.need} for each in self.remedies],
            "smaller_quant": self.smaller,
            "notes": list(self.notes),
        }
        return told | ({"profiles": [each.to_dict() for each in self.profiles]} if self.profiles else {})


def _goodness(profile: LoadProfile) -> tuple[bool, int, int, bool]:
    found = profile.outcome
    return found.verdict.fits, found.estimate.gpu_layers, found.estimate.context, profile.flash_attention


def estimators_of(model: EstimatedModel, here: Machine) -> Estimators:
    """The estimators of a model on a machine; each estimates the same settings once."""
    quick = cache(here.formula(model))
    return Estimators(quick if here.breakdown is None else cache(here.estimator(model)), quick)


def estimated(
    title: str, quant: str | None, model: EstimatedModel, settings: LoadSettings, here: Machine
) -> Estimation:
    """What a model needs on a machine as it would be loaded, and whether it fits. For tables: without remedies.

    Raises:
        UsageError: llama.cpp would refuse the settings.
    """
    found = outcome(model, settings, estimators_of(model, here))
    return Estimation(title, quant, model.header.file_size, *found, (), found.estimate.notes)


def compared(
    title: str,
    quant: str | None,
    model: EstimatedModel,
    settings: LoadSettings,
    here: Machine,
    asked: EstimateOptions,
) -> Estimation:
    """Like `estimated`, with remedies and with the profiles: what is asked for holds in each of them.

    Raises:
        UsageError: llama.cpp would refuse the settings.
    """
    estimators = estimators_of(model, here)
    found = outcome(model, settings, estimators)
    ways = profiles(
        model,
        settings,
        estimators,
        context=asked.context,
        own_layers=asked.gpu_layers is not None,
        flash_attention=asked.flash_attention,
    )
    return Estimation(
        title,
        quant,
        model.header.file_size,
        *found,
        placement.remedies(model, settings, estimators.exact),
        found.estimate.notes,
        profiles=tuple(ways),
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
