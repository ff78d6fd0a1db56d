"""What a model will need, from its header alone: `modelsync estimate`."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.errors import ManifestError, NotFoundError
from modelsync.fit import variants
from modelsync.fit.estimation import EstimateOptions, Estimation, compared, profile_of
from modelsync.fit.machine import machine
from modelsync.fit.model import read_model
from modelsync.memory.load_settings import (
    LoadSettings,
    from_load,
)
from modelsync.ops import subject as ops_subject
from modelsync.ops.gguf_only import folder_refused
from modelsync.project import model_files
from modelsync.project.project import LoadedProject, Project
from modelsync.spec.labels import quant_of
from modelsync.spec.uri import Reference

if TYPE_CHECKING:
    from modelsync.project.selection import Variant


def estimate(
    context: Context,
    text: str,
    find_project: Callable[[], Project],
    *,
    variant: "Variant" = None,
    asked: EstimateOptions | None = None,
) -> Estimation:
    """What a model will need, here or on a machine that is described.

    Args:
        context: What to work with.
        text: A name of the manifest, a URI or a path.
        find_project: Finds the project of a name.
        variant: The variant of the name.
        asked: What is asked over the defaults.

    Raises:
        NotAModelError: it is not a valid GGUF file.
        UsageError: llama.cpp would refuse the settings.
        ModelsyncError: whatever `subject.find` and `headers.read_all` raise.
    """
    asked = asked or EstimateOptions()
    find = cache(lambda: find_project().loaded())
    settings = settings_of(context, text, find, variant, asked)
    subject = ops_subject.find(context, text, find, variant=variant)
    if folder := subject.of("file"):
        raise folder_refused(subject.title, len(folder))
    model = read_model(context, subject.title, subject.files)
    quant = quant_of(subject.of("model")[0].file.path)
    with machine(settings.profile, ram=asked.ram, gpus=asked.gpus) as here:
        found = compared(subject.title, quant, model, settings, here, asked)
        if not found.verdict.fits:
            from modelsync.fit import quants

            reference = _reference(context, text, find, variant)
            if reference is not None:
                smaller = quants.largest_fitting(context, reference, model, settings, here)
                found = found._replace(smaller=smaller)
    return found._replace(notes=(*subject.notes, *here.notes, *found.notes))


def settings_of(
    context: Context,
    text: str,
    find: Callable[[], LoadedProject],
    variant: "Variant",
    asked: EstimateOptions,
) -> LoadSettings:
    """How a model would be loaded: the profile, the manifest's load settings of a name, what is asked over both."""
    base = profile_of(asked.profile)
    if asked.profile is None and model_files.is_name(text):
        try:
            entry = variants.entry(context, find(), text, variant, fetch=True)
        except (ManifestError, NotFoundError):
            if model_files.from_environment(text) is None:
                raise
        else:
            base = from_load(entry.load, base)
    return asked.over(base)


def _reference(
    context: Context, text: str, find: Callable[[], LoadedProject], variant: "Variant"
) -> Reference | None:
    """The URI that a model is from; None where only the environment names it."""
    if not model_files.is_name(text):
        return context.reference(text)
    if model_files.from_environment(text) is not None:
        return None
    return variants.entry(context, find(), text, variant, fetch=True).request.reference
