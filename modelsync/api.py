"""The Python API: what `import modelsync` gives. Each call may be made from any thread, and from a notebook.

A server that runs an event loop calls these in a thread: `await asyncio.to_thread(modelsync.path, "llama3")`.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from modelsync.engine import asking, project
from modelsync.engine.context import Context
from modelsync.engine.modelfiles import ModelFiles
from modelsync.errors import UsageError

if TYPE_CHECKING:
    from llama_cpp import Llama

    from modelsync.cli.progress import Shown
    from modelsync.engine.estimating import Estimation
    from modelsync.engine.inspecting import Inspection
    from modelsync.engine.locking import LockReport
    from modelsync.engine.syncing import SyncReport
    from modelsync.engine.verifying import Row
    from modelsync.store.links import LinkMode
    from modelsync.transfer.progress import Event

    AnyPath = str | os.PathLike[str]


def path(
    name_or_uri: str,
    *,
    manifest: "AnyPath | None" = None,
    package: str | None = None,
    variant: str | None = None,
    download: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    max_rate: int | str | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
) -> Path:
    """The local path of a model, for llama.cpp to load: the file, or the first part of a split model.

    A file that is here is answered without a network and without hashing. One that is not is fetched as the lock
    says, checked, and kept in the store.

    Args:
        name_or_uri: A name of the manifest, or a URI (`hf:user/model:Q4_K_M`), resolved once and remembered.
        manifest: The manifest; None: the nearest `models.toml` upward, or `MODELSYNC_MANIFEST`.
        package: An installed package that ships its manifest and lock, instead.
        variant: The variant of the model; None: `MODELSYNC_VARIANT`, where the model has it. `auto`: the largest that
            fits this machine, by its memory in total; without a network, the largest of those that are here.
        download: False raises for what is not here.
        token: A token for the hub, over the environment's.
        endpoint: A hub, over every other setting.
        offline: True rules the network out; None leaves it to the environment.
        max_rate: The most bytes a second from the network, a number or as in `5MB`; None: `MODELSYNC_MAX_RATE`.
        on_progress: Told how far things are, in one thread at a time; None: a bar, where stderr is a terminal.
        cancel: Set it in another thread to interrupt the call.

    Raises:
        NotSyncedError: it is not here, and was not to be fetched.
        StaleLockError: the lock does not answer the manifest; the hint names `modelsync sync`.
        ModelsyncError: anything else that has a name: see `modelsync.errors`.
    """
    return files(
        name_or_uri,
        manifest=manifest,
        package=package,
        variant=variant,
        download=download,
        token=token,
        endpoint=endpoint,
        offline=offline,
        max_rate=max_rate,
        on_progress=on_progress,
        cancel=cancel,
    ).model


def files(
    name_or_uri: str,
    *,
    manifest: "AnyPath | None" = None,
    package: str | None = None,
    variant: str | None = None,
    download: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    max_rate: int | str | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
) -> ModelFiles:
    """All local files of a model: its parts, its projector, its adapters. As `path`, which see."""
    with _context(token, endpoint, offline, on_progress, cancel, max_rate) as context:
        return asking.files(
            context,
            name_or_uri,
            lambda: _find(context, manifest, package),
            variant=variant,
            download=download,
        )


def load(
    name_or_uri: str,
    *,
    manifest: "AnyPath | None" = None,
    package: str | None = None,
    variant: str | None = None,
    download: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    max_rate: int | str | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    **overrides: Any,
) -> "Llama":
    """Loads a model with llama-cpp-python: `[models.NAME.load]` of the manifest, with `overrides` laid over.

    A split model is loaded by its first part; a projector brings the chat handler that fits it, adapters are laid over
    the model, and a model that makes vectors is loaded for `create_embedding`. Each call loads a model of its own.
    The model's chat template is rendered when it is used: it came with the model, from whoever made the file, and
    llama-cpp-python's sandbox for it bounds what it can reach, not how long it runs.

    Args:
        name_or_uri: As for `path`, and so are the other named arguments.
        manifest: See `path`.
        package: See `path`.
        variant: See `path`.
        download: See `path`.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        max_rate: See `path`.
        on_progress: See `path`.
        cancel: See `path`.
        overrides: Keywords for `llama_cpp.Llama`; those that name a path or code too, which a manifest may not.

    Raises:
        ExtraMissingError: llama-cpp-python is not installed.
        UsageError: there is no such keyword; of the manifest, with file, line and key.
        ModelsyncError: llama.cpp cannot load the model; or anything that `path` raises.
    """
    from modelsync.engine import loading

    with _context(token, endpoint, offline, on_progress, cancel, max_rate) as context:
        return loading.load(
            context,
            name_or_uri,
            lambda: _find(context, manifest, package),
            variant=variant,
            download=download,
            overrides=overrides,
        )


def sync(
    *names: str,
    manifest: "AnyPath | None" = None,
    package: str | None = None,
    locked: bool = False,
    frozen: bool = False,
    check: bool = False,
    dry_run: bool = False,
    groups: Sequence[str] = (),
    only_groups: Sequence[str] = (),
    no_groups: Sequence[str] = (),
    all_groups: bool = False,
    variant: str | None = None,
    dir: "AnyPath | None" = None,
    link_mode: "LinkMode" = "auto",
    inexact: bool = False,
    upgrade: bool = False,
    upgrade_models: Sequence[str] = (),
    replace: bool = False,
    require_fit: bool | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    max_rate: int | str | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
) -> "SyncReport":
    """Makes this machine hold what the lock says: `modelsync sync`, whose flags these arguments are.

    Before a model is fetched that cannot fit this machine, a warning goes to the log `modelsync`, and into the
    report; with `require_fit` that is an error.

    Returns:
        What became of each model, the plan, and the bytes that were fetched and reused.

    Raises:
        StaleLockError: `locked`, and the lock does not answer the manifest.
        DriftError: `check`, and something would have to be done.
        MisfitError: no variant fits, with `variant="auto"`; or a model does not, with `require_fit`.
        ModelsyncError: anything else that has a name.
    """
    from modelsync.engine import syncing
    from modelsync.engine.selecting import Groups

    with _context(token, endpoint, offline, on_progress, cancel, max_rate, require_fit) as context:
        return syncing.sync(
            context,
            _find(context, manifest, package),
            names,
            locked=locked,
            frozen=frozen,
            check=check,
            dry_run=dry_run,
            groups=Groups(tuple(groups), tuple(only_groups), tuple(no_groups), all_groups),
            variant=variant,
            directory=Path(dir) if dir is not None else None,
            link_mode=link_mode,
            inexact=inexact,
            upgrade=upgrade,
            upgrade_models=upgrade_models,
            replace=replace,
        )


def pull(
    *uris: str,
    dir: "AnyPath | None" = None,
    filename: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    max_rate: int | str | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
) -> list[ModelFiles]:
    """Fetches models without a manifest: into the store, or as plain files under `dir`.

    Upstream is asked what each URI means now; what is here already is not fetched again.

    Args:
        uris: What to fetch, side by side.
        dir: A folder for plain files, at `<user>/<repo>/<path>`.
        filename: The name of the one file in `dir`.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        max_rate: See `path`.
        on_progress: See `path`.
        cancel: See `path`.

    Returns:
        The files of each URI, in order.
    """
    from modelsync.engine import pulling

    with _context(token, endpoint, offline, on_progress, cancel, max_rate) as context:
        report = pulling.pull(
            context, uris, directory=Path(dir) if dir is not None else None, filename=filename
        )
    return [pulled.files for pulled in report.pulled]


def lock(
    *,
    manifest: "AnyPath | None" = None,
    upgrade: bool = False,
    upgrade_models: Sequence[str] = (),
    dry_run: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    max_rate: int | str | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
) -> "LockReport":
    """Brings `models.lock` up to date with the manifest: `modelsync lock`.

    Args:
        manifest: See `path`.
        upgrade: Ask upstream about every model, not only about what the lock does not answer.
        upgrade_models: Ask upstream about these.
        dry_run: Write nothing.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        max_rate: See `path`.
        on_progress: See `path`.
        cancel: See `path`.
    """
    from modelsync.engine import locking

    with _context(token, endpoint, offline, on_progress, cancel, max_rate) as context:
        found = _find(context, manifest)
        return locking.lock(context, found, upgrade=upgrade, upgrade_models=upgrade_models, dry_run=dry_run)


def verify(
    *names: str,
    manifest: "AnyPath | None" = None,
    package: str | None = None,
    full: bool = False,
    repair: bool = False,
    variant: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
) -> "tuple[Row, ...]":
    """Hashes what is here again: `modelsync verify`. Each file is one row with its status, and where it is damaged.

    Args:
        names: The models; none: all that are locked.
        manifest: See `path`.
        package: See `path`.
        full: Hash with SHA-256 against the lock, not with BLAKE3 against the seal.
        repair: Fetch what is missing, and of what is damaged the damaged blocks. Without it, nothing is fetched.
        variant: See `path`.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        on_progress: See `path`.
        cancel: See `path`.

    Raises:
        ModelsyncError: with `repair`, the first that could not be repaired; the others were.
    """
    with _context(token, endpoint, offline if repair else True, on_progress, cancel) as context:
        found = _find(context, manifest, package)
        if not repair:
            from modelsync.engine import verifying

            return verifying.verify(context, found, names, full=full, variant=variant)
        from modelsync.engine import repairing

        done = repairing.repair(context, found, names, full=full, variant=variant)
    if done.error is not None:
        raise done.error
    return done.rows


def inspect(
    name_or_uri: str,
    *,
    manifest: "AnyPath | None" = None,
    package: str | None = None,
    variant: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
) -> "Inspection":
    """Reads what a model's GGUF header says: `modelsync inspect`. Of a model that is not here only that is fetched.

    Args:
        name_or_uri: A name of the manifest, a URI, or a path with a separator in it.
        manifest: See `path`.
        package: See `path`.
        variant: See `path`.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        on_progress: See `path`.
        cancel: See `path`.

    Raises:
        NotAModelError: it is no good GGUF file.
        NotSyncedError: neither it nor its header is here, and the network is ruled out.
        ModelsyncError: anything else that has a name.
    """
    from modelsync.engine import inspecting

    with _context(token, endpoint, offline, on_progress, cancel) as context:
        return inspecting.inspect(
            context, name_or_uri, lambda: _find(context, manifest, package), variant=variant
        )


def estimate(
    name_or_uri: str,
    *,
    ctx: int | None = None,
    gpu_layers: "int | Literal['auto'] | None" = None,
    flash_attn: bool | None = None,
    cache_type_k: str | None = None,
    cache_type_v: str | None = None,
    ubatch: int | None = None,
    swa_full: bool | None = None,
    profile: str | None = None,
    ram: int | None = None,
    gpus: Sequence[int] | None = None,
    manifest: "AnyPath | None" = None,
    package: str | None = None,
    variant: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
) -> "Estimation":
    """What memory a model will need, from its header alone: `modelsync estimate`.

    Args:
        name_or_uri: A name of the manifest, a URI with a quant or a file, or a path with a separator in it.
        ctx: Tokens of context; 0: what it was trained with; None: what the manifest or the profile says.
        gpu_layers: Layers on GPUs; -1: all; `auto`: as many as fit.
        flash_attn: Flash attention.
        cache_type_k: The type of the cache's keys: `f16`, `q8_0`, ….
        cache_type_v: The type of its values.
        ubatch: Tokens that are computed at once.
        swa_full: A whole cache for sliding windows.
        profile: Whose defaults: `llama-cpp-python` or `llama-server`.
        ram: Bytes of another machine's memory.
        gpus: Bytes of another machine's GPUs.
        manifest: See `path`.
        package: See `path`.
        variant: See `path`.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        on_progress: See `path`.
        cancel: See `path`.

    Raises:
        NotAModelError: it is no good GGUF file.
        UsageError: llama.cpp would refuse the settings.
        ModelsyncError: anything else that has a name.
    """
    from modelsync.engine import estimating

    asked = estimating.Asked(
        profile=profile,
        context=ctx,
        gpu_layers=gpu_layers,
        flash_attention=flash_attn,
        cache_type_k=cache_type_k,
        cache_type_v=cache_type_v,
        ubatch=ubatch,
        full_window=swa_full,
        ram=ram,
        gpus=tuple(gpus) if gpus is not None else () if ram is not None else None,
    )
    with _context(token, endpoint, offline, on_progress, cancel) as context:
        return estimating.estimate(
            context, name_or_uri, lambda: _find(context, manifest, package), variant=variant, asked=asked
        )


def _find(context: Context, manifest: "AnyPath | None", package: str | None = None) -> project.Project:
    """The project of a call: what its arguments say wins over `MODELSYNC_MANIFEST`."""
    if manifest is None and package is None:
        manifest = context.settings.manifest
    return project.find(manifest_path=manifest, package=package)


@contextmanager
def _context(
    token: str | None,
    endpoint: str | None,
    offline: bool | None,
    on_progress: "Callable[[Event], None] | None",
    cancel: threading.Event | None,
    max_rate: int | str | None = None,
    require_fit: bool | None = None,
) -> Iterator[Context]:
    with ExitStack() as stack:
        bar = None if on_progress else _bar(stack)
        context = Context(
            endpoint=endpoint,
            token=token,
            offline=offline,
            max_rate=None if max_rate is None else _rate(max_rate),
            require_fit=require_fit,
            listener=on_progress or bar,
            warn=bar.say if bar else None,
            cancel=cancel,
        )
        yield stack.enter_context(context)


def _rate(said: int | str) -> int:
    from modelsync.settings import bytes_a_second

    try:
        return bytes_a_second(str(said))
    except ValueError as error:
        raise UsageError(f"max_rate: {error}", hint="None is no limit") from None


def _bar(stack: ExitStack) -> "_Bar | None":
    """A listener that draws bars on a terminal."""
    return None if sys.stderr is None or not sys.stderr.isatty() else _Bar(stack)


class _Bar:
    """Draws bars, once there is something to draw: before that, nothing is imported for it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._drawing: list[Shown | None] = []

    def __call__(self, event: "Event") -> None:
        if (shown := self._shown()) is not None:
            shown(event)

    def say(self, words: str) -> None:
        """Writes a warning, above what is drawn."""
        if (shown := self._shown()) is not None:
            shown.say(f"warning: {words}")

    def _shown(self) -> "Shown | None":
        if not self._drawing:
            from modelsync.cli import progress

            self._drawing.append(self._stack.enter_context(progress.listener(sys.stderr)))
        return self._drawing[0]
