"""The warning before a download that this machine could not run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from modelsync.context import Context
from modelsync.errors import (
    CancelledError,
    MisfitError,
    ModelsyncError,
)
from modelsync.fetch.wanted import Need
from modelsync.fit import machine
from modelsync.fit.machine import Machine
from modelsync.fit.model import ROLES, read_model
from modelsync.memory import placement
from modelsync.memory.estimate import Estimate
from modelsync.memory.load_settings import LoadSettings, from_load
from modelsync.sizes import size
from modelsync.spec.names import printable
from modelsync.system.parallel import run_all

_HEADER = 64 << 20  # bytes of a file that may be none of its weights: the reader's bound


_SMALL = 4  # a model of less than this part of RAM fits, with a cache and all


_SHORT = 8192  # tokens of a context that such a model has room for


_READERS = 8  # models looked at side by side


class Wanted(NamedTuple):
    """A model that is about to be fetched: what it is called, its files, its load settings."""

    title: str
    needs: Sequence[Need]
    load: Mapping[str, Any] = {}


def before(context: Context, wanted: Iterable[Wanted]) -> tuple[str, ...]:
    """Looks at models that are about to be fetched, and warns of those that cannot fit this machine.

    No header is read of what is small beside RAM, or larger than all memory. One that cannot be read, and an
    architecture that is not known, tell nothing.

    Returns:
        The warnings, which were told already.

    Raises:
        MisfitError: the context requires a fit, and one does not.
    """
    ram = None if context.offline else machine.steady_memory()
    doubtful = [] if ram is None else [one for one in wanted if not _surely_fits(context, one, ram.free)]
    here = machine.steady_machine() if doubtful else None
    if here is None:
        return ()
    found = run_all(
        lambda one: _misfit(context, here, one), doubtful, threads=_READERS, name="fit", cancel=context.cancel
    )
    told = tuple(words for words in found if words is not None)
    if told and context.require_fit:
        names = [one.title for one, words in zip(doubtful, found, strict=True) if words is not None]
        raise MisfitError(
            "; ".join(told),
            hint=f"`modelsync estimate {printable(names[0])}` says what would; or leave out --require-fit"
            " (MODELSYNC_REQUIRE_FIT)",
        )
    for words in told:
        context.warn(words)
    return told


def _surely_fits(context: Context, one: Wanted, room: int) -> bool:
    """Whether no header is needed to know it: it is small and so is its context, or it was found to fit before."""
    if all(need.file.sha256 in context.fitting for need in one.needs):
        return True
    length = one.load.get("n_ctx", 0)
    short = isinstance(length, int) and 0 <= length <= _SHORT and not (length == 0 and "n_ctx" in one.load)
    sizes = [need.file.size for need in one.needs]
    return short and all(size is not None for size in sizes) and _SMALL * sum(filter(None, sizes)) < room


def _misfit(context: Context, here: Machine, one: Wanted) -> str | None:
    """Why a model cannot run on this machine; None if it can, or nothing tells."""
    count = sum(need.file.size or 0 for need in one.needs)
    if count - _HEADER > _room(here):
        return f"{one.title} does not fit this machine: it is {size(count)}, and there is {_rooms(here)}"
    try:
        found = _reckoned(context, here, one)
    except CancelledError:
        raise
    except ModelsyncError:
        return None
    if found.bound or placement.verdict(found).fits:
        return None
    return f"{one.title} does not fit this machine: it needs {size(found.need)}, and there is {_rooms(here)}"


def _reckoned(context: Context, here: Machine, one: Wanted) -> Estimate:
    """What a model needs by the formulas.

    Raises:
        ModelsyncError: a header cannot be read, or llama.cpp would refuse the load settings.
    """
    by_role = ([need for need in one.needs if need.file.role == role] for role in ROLES)
    model = read_model(context, one.title, *by_role)
    return here.formula(model)(settings_of(one.load))


def settings_of(load: Mapping[str, Any]) -> LoadSettings:
    """How a model would be loaded on a machine that it is to fit: with its load settings, GPUs used where they are."""
    settings = from_load(load)
    return settings if "n_gpu_layers" in load else settings._replace(gpu_layers="auto")


def _room(here: Machine) -> int:
    """Bytes of all memory that models can have."""
    return here.ram.free + sum(gpu.free for gpu in here.gpus if not gpu.shared)


def _rooms(here: Machine) -> str:
    gpus = [gpu.free for gpu in here.gpus if not gpu.shared]
    words = f"room for {size(here.ram.free)} in RAM"
    return words + (f" and {size(sum(gpus))} on the GPU{'s' if len(gpus) > 1 else ''}" if gpus else "")
