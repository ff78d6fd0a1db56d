"""The ways to load a model that an estimate compares: as it would be loaded, and at its best on a machine."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

from modelsync.errors import UsageError
from modelsync.memory import placement
from modelsync.memory.best_settings import best_settings, fits_well
from modelsync.memory.estimate import Estimate, EstimatedModel
from modelsync.memory.load_settings import LoadSettings
from modelsync.memory.placement import Estimator, Verdict

ProfileName: TypeAlias = Literal["as-loaded", "best"]


class Estimators(NamedTuple):
    """Two ways to estimate a model on a machine.

    Attributes:
        exact: llama.cpp's own numbers where it can be asked.
        quick: The formulas: to search with.
    """

    exact: Estimator
    quick: Estimator


class Outcome(NamedTuple):
    """What a model needs with some settings, and whether it fits.

    Attributes:
        estimate: What it needs.
        verdict: Whether that fits.
        max_context: The largest context that fits with these settings, tokens; 0: none.
        score: node-llama-cpp's.
    """

    estimate: Estimate
    verdict: Verdict
    max_context: int
    score: int

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        found = self.estimate
        return {
            "source": found.source,
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
        }


class LoadProfile(NamedTuple):
    """A way to load a model.

    Attributes:
        name: `as-loaded`: as the manifest says, or by a program's defaults. `best`: as many layers on GPUs as fit
            beside a context of 8192 tokens, then the most context.
        flash_attention: Whether with flash attention.
        outcome: What it needs so.
    """

    name: ProfileName
    flash_attention: bool
    outcome: Outcome

    @property
    def load(self) -> dict[str, Any]:
        """The keywords of `llama_cpp.Llama` for it, those that differ between profiles."""
        found = self.outcome.estimate
        layers = -1 if found.gpu_layers == found.layers else found.gpu_layers
        return {"n_ctx": found.context, "n_gpu_layers": layers, "flash_attn": self.flash_attention}

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "name": self.name,
            "flash_attn": self.flash_attention,
            "load": self.load,
            **self.outcome.to_dict(),
        }


def outcome(model: EstimatedModel, settings: LoadSettings, estimators: Estimators) -> Outcome:
    """What a model needs with some settings.

    Raises:
        UsageError: llama.cpp would refuse the settings.
    """
    found = estimators.exact(settings)
    trained = model.shape.context
    guess = 0
    if found.source == "llama.cpp":
        guess = placement.max_context(found.settings, trained, estimators.quick)
    most = placement.max_context(found.settings, trained, estimators.exact, near=guess)
    verdict = placement.verdict(found)
    if verdict.fits:  # a context beyond the trained one is the user's choice
        most = max(most, found.context)
    return Outcome(found, verdict, most, placement.score(found, most, found.context))


def profiles(
    model: EstimatedModel,
    settings: LoadSettings,
    estimators: Estimators,
    *,
    context: int | None = None,
    own_layers: bool = False,
    flash_attention: bool | None = None,
) -> Iterator[LoadProfile]:
    """A model as it would be loaded and at its best, each with flash attention off and on.

    A profile that llama.cpp would refuse is left out.

    Args:
        model: The model.
        settings: How it would be loaded.
        estimators: Estimate it on the machine.
        context: A context that every profile has to have, tokens; 0: the trained one.
        own_layers: Whether every profile has to have the layers of `settings` on GPUs.
        flash_attention: What every profile has to have; None: off, and on.
    """
    for name in ("as-loaded", "best"):
        for flash in (False, True) if flash_attention is None else (flash_attention,):
            chosen = settings._replace(flash_attention=flash)
            try:
                if name == "best":
                    chosen = _best(model, chosen, estimators, context, own_layers=own_layers)
                yield LoadProfile(name, flash, outcome(model, chosen, estimators))
            except UsageError:
                continue


def _best(
    model: EstimatedModel,
    settings: LoadSettings,
    estimators: Estimators,
    context: int | None,
    *,
    own_layers: bool,
) -> LoadSettings:
    """The best settings, searched by the formulas, and again by llama.cpp if it says otherwise."""
    found = best_settings(model, settings, estimators.quick, context=context, own_layers=own_layers)
    if estimators.quick is estimators.exact or fits_well(estimators.exact(found)):
        return found
    return best_settings(
        model, settings, estimators.exact, context=context, own_layers=own_layers, near=found.context
    )
