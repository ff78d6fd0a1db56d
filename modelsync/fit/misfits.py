"""Finds the models that cannot run on this machine, and warns of them."""

from collections.abc import Callable, Iterable

from modelsync.context import Context
from modelsync.errors import CancelledError, MisfitError, ModelsyncError
from modelsync.fit import machine
from modelsync.fit.machine import Machine
from modelsync.fit.model import PendingModel, estimate_pending
from modelsync.gguf.bounds import MAX_HEADER
from modelsync.memory import placement
from modelsync.sizes import size
from modelsync.spec.names import printable
from modelsync.system.parallel import run_all

SMALL = 4  # a model of less than this part of RAM fits, with a cache and all
_SHORT = 8192  # tokens of a context that such a model has room for


def warn_of_misfits(
    context: Context,
    models: Iterable[PendingModel],
    on_misfit: Callable[[PendingModel, MisfitError], None] | None = None,
) -> tuple[str, ...]:
    """Warns of models that cannot fit this machine.

    No header is read of what is small beside RAM, or larger than all memory. Of a header that cannot be read, and of
    an unknown architecture, nothing is said.

    Args:
        context: What to work with.
        models: The models.
        on_misfit: Called for each that does not fit where the context requires a fit, in place of raising.

    Returns:
        The warnings, which were told already.

    Raises:
        MisfitError: the context requires a fit, and one does not fit.
    """
    ram = machine.steady_memory() if context.may_fetch else None
    doubtful = [] if ram is None else [one for one in models if not _surely_fits(context, one, ram.free)]
    here = machine.steady_machine() if doubtful else None
    if here is None:
        return ()
    found = run_all(lambda one: _misfit(context, here, one), doubtful, name="fit", cancel=context.cancel)
    misfits = [(one, words) for one, words in zip(doubtful, found, strict=True) if words is not None]
    if not context.require_fit:
        for _, words in misfits:
            context.warn(words)
        return tuple(words for _, words in misfits)
    for one, words in misfits:
        error = MisfitError(
            words,
            hint=f"`modelsync estimate {printable(one.title)}` says what would; or leave out --require-fit"
            " (MODELSYNC_REQUIRE_FIT)",
        )
        if on_misfit is None:
            raise error
        error.model = one.title  # the words name it
        on_misfit(one, error)
    return ()


def _surely_fits(context: Context, one: PendingModel, room: int) -> bool:
    """Whether no header is needed to know it: it is small and so is its context, or it was found to fit before."""
    if all(wanted.file.sha256 in context.known_to_fit for wanted in one.files):
        return True
    length = one.load.get("n_ctx", 0)
    short = isinstance(length, int) and 0 <= length <= _SHORT and not (length == 0 and "n_ctx" in one.load)
    sizes = [wanted.file.size for wanted in one.files]
    return short and all(size is not None for size in sizes) and SMALL * sum(filter(None, sizes)) < room


def _misfit(context: Context, here: Machine, one: PendingModel) -> str | None:
    """Why a model cannot run on this machine; None if it can, or nothing tells."""
    room = here.room_in_words
    count = sum(wanted.file.size or 0 for wanted in one.files)
    if count - MAX_HEADER > here.room:
        return f"{one.title} does not fit this machine: it is {size(count)}, and there is {room}"
    try:
        found = estimate_pending(context, here, one)
    except CancelledError:
        raise
    except ModelsyncError:
        return None
    if found.bound or placement.verdict(found).fits:
        return None
    return f"{one.title} does not fit this machine: it needs {size(found.need)}, and there is {room}"
