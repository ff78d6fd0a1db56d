"""What fits this machine: the variant that `auto` means, and a word before a download that could not be run.

Both go by the machine's memory in total, less a part for the system, and by the formulas: so a machine gives the
same answer every time, whatever else runs on it and whichever llama-cpp-python is installed. Layers go to GPUs as far
as they fit there, unless the load settings say how many do.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, NamedTuple

from modelsync.engine import hardware, paths, subjects
from modelsync.engine.context import Context
from modelsync.engine.estimating import ROLES, read_model
from modelsync.engine.fetching import Need
from modelsync.engine.hardware import Machine
from modelsync.engine.paths import Known
from modelsync.engine.project import Project
from modelsync.errors import (
    CancelledError,
    MisfitError,
    ModelsyncError,
    NetworkError,
    NotSyncedError,
    UsageError,
)
from modelsync.gguf import fit
from modelsync.gguf.estimate import Estimate
from modelsync.gguf.load_settings import LoadSettings, from_load
from modelsync.spec.lockfile import Lock
from modelsync.spec.manifest import Entry, Manifest
from modelsync.spec.names import printable
from modelsync.store import blobs

_HEADER = 64 << 20  # bytes of a file that may be none of its weights: the reader's bound
_SMALL = 4  # a model of less than this part of RAM fits, with a cache and all
_SHORT = 8192  # tokens of a context that such a model has room for
_READERS = 8  # models looked at side by side


class Wanted(NamedTuple):
    """A model that is about to be fetched: what it is called, its files, its load settings."""

    title: str
    needs: Sequence[Need]
    load: Mapping[str, Any] = {}


# --- variants ----------------------------------------------------------------------------------------


def largest(
    context: Context, project: Project, manifest: Manifest, lock: Lock, name: str, *, fetch: bool
) -> Entry:
    """The largest of a model's variants, the entry itself among them, that fits this machine.

    The largest is the one with the most bytes; of two with as many, the one that needs more memory. Headers are read
    from the largest down, of what is here or from what was kept of them, else over the network. Without a network
    only what is here is chosen among.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        manifest: What is wanted.
        lock: What is locked.
        name: The model.
        fetch: Whether what is not here may be chosen.

    Raises:
        MisfitError: none fits.
        NotSyncedError: none that fits is here, and none was to be fetched.
        StaleLockError: the lock lacks one of them.
        ModelsyncError: a header cannot be read.
    """
    entries = [entry for entry in manifest.entries if entry.name == name]
    known = [Known(manifest, lock, entry, paths.locked(project, lock, entry)) for entry in entries]
    key = (name, *(file.sha256 for one in known for file in one.model.files))
    if key not in context.decided:
        context.decided[key] = _decided(context, project, known, name, fetch=fetch and not context.offline)
    chosen, _ = context.decided[key]
    return next(entry for entry in entries if entry.variant == chosen)


def _decided(
    context: Context, project: Project, known: Sequence[Known], name: str, *, fetch: bool
) -> tuple[str | None, bool]:
    """The variant, and whether all that could have been it were looked at."""
    here = hardware.steady_machine()
    if here is None:
        raise UsageError(
            f"this machine does not tell its memory, so nobody knows what variant of {printable(name)} fits",
            hint="name one: --variant NAME",
        )
    sure, why = True, None
    for _, group in groupby(sorted(known, key=_bytes, reverse=True), key=_bytes):
        fitting: list[tuple[int, Known]] = []
        for one in group:
            if _bytes(one) - _HEADER > _room(here):
                continue
            if not fetch and not _is_here(context, project, one):
                sure = False
                continue
            try:
                needs = subjects.needs(context, project, one)
                found = _reckoned(context, here, Wanted(one.entry.title, needs, one.entry.load))
            except NetworkError as error:  # what is here can still be the answer
                sure, why = False, error
                continue
            if fit.verdict(found).fits:
                fitting.append((found.need, one))
        if fitting:
            _, chosen = max(fitting, key=lambda each: each[0])
            context.fitting.update(file.sha256 for file in chosen.model.files)
            return chosen.entry.variant, sure
    if why is not None:
        raise why
    if not sure:
        raise NotSyncedError(
            f"no variant of {printable(name)} that fits is on this machine",
            hint="run `modelsync sync --variant auto`",
        )
    raise MisfitError(
        f"no variant of {printable(name)} fits this machine, which has {_rooms(here)}",
        hint=f"`modelsync estimate {printable(name)}` says what one needs; --variant NAME takes one all the same",
    )


def _bytes(one: Known) -> int:
    return sum(file.size for file in one.model.files)


def _is_here(context: Context, project: Project, one: Known) -> bool:
    return paths.here(context, project.folder(one.manifest), one.model) is not None or all(
        blobs.find(context.store, file.sha256, file.size) is not None for file in one.model.files
    )


# --- before a download -------------------------------------------------------------------------------


def before(context: Context, wanted: Iterable[Wanted]) -> tuple[str, ...]:
    """Looks at models that are about to be fetched, and warns of those that cannot fit this machine.

    No header is read of what is small beside RAM, or larger than all memory. One that cannot be read, and an
    architecture that is not known, tell nothing.

    Returns:
        The warnings, which were told already.

    Raises:
        MisfitError: the context requires a fit, and one does not.
    """
    ram = None if context.offline else hardware.steady_memory()
    doubtful = [] if ram is None else [one for one in wanted if not _surely_fits(context, one, ram.free)]
    here = hardware.steady_machine() if doubtful else None
    if here is None:
        return ()
    with ThreadPoolExecutor(min(_READERS, len(doubtful)), thread_name_prefix="fit") as pool:
        try:
            found = list(pool.map(lambda one: _misfit(context, here, one), doubtful))
        except BaseException:
            context.cancel.set()
            raise
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
        return f"{one.title} does not fit this machine: it is {fit.size(count)}, and there is {_rooms(here)}"
    try:
        found = _reckoned(context, here, one)
    except CancelledError:
        raise
    except ModelsyncError:
        return None
    if found.bound or fit.verdict(found).fits:
        return None
    return (
        f"{one.title} does not fit this machine: it needs {fit.size(found.need)}, and there is {_rooms(here)}"
    )


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
    words = f"room for {fit.size(here.ram.free)} in RAM"
    return words + (f" and {fit.size(sum(gpus))} on the GPU{'s' if len(gpus) > 1 else ''}" if gpus else "")
