"""The variant that `auto` means: the largest that fits this machine.

This goes by the machine's memory in total, less a part for the system, and by the formulas: a machine gives the same
answer every time, whatever else runs on it and whichever llama-cpp-python is installed. Layers go to GPUs as far as
they fit there, unless the load settings say how many do.
"""

from collections.abc import Sequence
from itertools import groupby

from modelsync.context import Context
from modelsync.errors import (
    MisfitError,
    NetworkError,
    NotFoundError,
    NotSyncedError,
    UsageError,
)
from modelsync.fit import machine
from modelsync.fit.machine import Machine
from modelsync.fit.model import PendingModel, estimate_pending
from modelsync.gguf.bounds import MAX_HEADER
from modelsync.install import present
from modelsync.memory import placement
from modelsync.project import lookup
from modelsync.project.lookup import LockedEntry
from modelsync.project.project import LoadedProject, Project
from modelsync.spec.lock.model import Lock
from modelsync.spec.manifest.model import Entry
from modelsync.spec.names import printable
from modelsync.spec.uri_forms import is_model_file


def largest(context: Context, project: LoadedProject, lock: Lock, name: str, *, fetch: bool) -> Entry:
    """The largest of a model's variants, the entry itself among them, that fits this machine.

    The largest is the one with the most bytes; of two with as many, the one that needs more memory. Headers are read
    from the largest down, of what is here or from what was kept of them, else over the network. Without a network
    only what is here is chosen among.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        lock: What is locked.
        name: The model.
        fetch: Whether what is not here may be chosen.

    Raises:
        MisfitError: none fits.
        NotSyncedError: none that fits is here, and none was to be fetched.
        StaleLockError: the lock lacks one of them.
        ModelsyncError: a header cannot be read.
    """
    manifest = project.manifest
    entries = [entry for entry in manifest.entries if entry.name == name]
    known = [LockedEntry(manifest, lock, entry, lookup.locked(project, lock, entry)) for entry in entries]
    key = (name, *(file.sha256 for one in known for file in one.model.files))
    if key not in context.decided:
        context.decided[key] = _decided(context, project, known, name, fetch=fetch and context.may_fetch)
    chosen, _ = context.decided[key]
    return next(entry for entry in entries if entry.variant == chosen)


def _decided(
    context: Context, project: Project, known: Sequence[LockedEntry], name: str, *, fetch: bool
) -> tuple[str | None, bool]:
    """The variant, and whether all that could have been it were looked at."""
    here = machine.steady_machine()
    if here is None:
        raise UsageError(
            f"this machine does not tell its memory, so it is not known what variant of {printable(name)} fits",
            hint="name one: --variant NAME",
        )
    sure, why = True, None
    for _, group in groupby(sorted(known, key=_bytes, reverse=True), key=_bytes):
        fitting: list[tuple[int, LockedEntry]] = []
        for one in group:
            if _bytes(one) - MAX_HEADER > here.room:
                continue
            if not fetch and not _is_here(context, project, one):
                sure = False
                continue
            try:
                need = _need(context, project, here, one)
            except (NetworkError, NotFoundError) as error:
                if isinstance(error, NotFoundError) and context.asks_origin:
                    raise  # what a mirror lacks is not to be chosen; what its origin lacks has to be told
                sure, why = False, error  # what is here can still be the answer
                continue
            if need is not None:
                fitting.append((need, one))
        if fitting:
            _, chosen = max(fitting, key=lambda each: each[0])
            context.known_to_fit.update(file.sha256 for file in chosen.model.files)
            return chosen.entry.variant, sure
    if why is not None:
        raise why
    if not sure:
        raise NotSyncedError(
            f"no variant of {printable(name)} that fits is on this machine",
            hint="run `modelsync sync --variant auto`",
        )
    raise MisfitError(
        f"no variant of {printable(name)} fits this machine, which has {here.room_in_words}",
        hint=f"`modelsync estimate {printable(name)}` says what one needs; --variant NAME takes one all the same",
    )


def _need(context: Context, project: Project, here: Machine, one: LockedEntry) -> int | None:
    """Bytes of memory that a variant needs; None: it does not fit. Of what is no GGUF model its size alone tells."""
    if not is_model_file(one.model.files[0].path):
        return _bytes(one) if _bytes(one) <= here.room else None
    needs = present.files_of(context, project, one)
    found = estimate_pending(context, here, PendingModel(one.entry.title, needs, one.entry.load))
    return found.need if placement.verdict(found).fits else None


def _bytes(one: LockedEntry) -> int:
    return sum(file.size for file in one.model.files)


def _is_here(context: Context, project: Project, one: LockedEntry) -> bool:
    ready = present.paths(context, project.folder(one.manifest), one.model)
    return present.state(context, one.model, ready) == "here"
