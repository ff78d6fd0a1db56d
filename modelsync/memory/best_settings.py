"""Finds the settings with which a model runs best on a machine. Pure."""

from modelsync.memory.estimate import Estimate, EstimatedModel
from modelsync.memory.load_settings import CELL_STEP, LoadSettings
from modelsync.memory.placement import Estimator, keeps_margin, max_context, shortage

USUAL_CONTEXT = 8192  # tokens that layers on a GPU make room for


def best_settings(
    model: EstimatedModel,
    settings: LoadSettings,
    estimate: Estimator,
    *,
    context: int | None = None,
    own_layers: bool = False,
    near: int = 0,
) -> LoadSettings:
    """As many layers on GPUs as fit beside a usual context, then the most context that fits beside those layers.

    The usual context is 8192 tokens, or what the model was trained with if that is less. A GiB stays free on each GPU,
    or in RAM without GPUs. Where even the usual context does not fit, the most is taken that does, or the least.

    Args:
        model: The model.
        settings: How it is loaded otherwise.
        estimate: Estimates settings; finds a number of layers for `auto`.
        context: The context, if that is given: tokens, or 0 for what the model was trained with.
        own_layers: Whether the number of layers on GPUs of `settings` is to stay.
        near: A guess at the most context, in tokens.

    Returns:
        Settings of which none is open.
    """
    trained = model.shape.context
    usual = min(trained or USUAL_CONTEXT, USUAL_CONTEXT) if context is None else context
    start = settings._replace(
        context=usual, fitted=False, gpu_layers=settings.gpu_layers if own_layers else "auto"
    )
    found = estimate(start)
    if context is not None:
        return found.settings
    if shortage(found):
        fitting = max_context(start, usual, estimate, near=near)
        return estimate(start._replace(context=fitting or CELL_STEP)).settings
    most = max_context(found.settings, trained, estimate, held=fits_well, near=near)
    return found.settings._replace(context=max(most, usual))


def fits_well(estimate: Estimate) -> bool:
    """Whether it fits, and a GiB stays free."""
    return keeps_margin(estimate) and not shortage(estimate)
