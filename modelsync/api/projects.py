"""Public functions about projects: `sync`, `lock`, `verify`, `licenses`."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.api import calls
from modelsync.context import CallOptions

if TYPE_CHECKING:
    import httpx2

    from modelsync.install.report import SyncReport
    from modelsync.ops.licenses import LicensesReport
    from modelsync.ops.proposal import LockReport
    from modelsync.ops.verify import VerifiedFile
    from modelsync.store.links import LinkMode
    from modelsync.transfer.progress import Event


def sync(
    *names: str,
    manifest: "calls.AnyPath | None" = None,
    package: str | None = None,
    locked: bool = False,
    frozen: bool = False,
    check: bool = False,
    dry_run: bool = False,
    groups: Sequence[str] = (),
    only_groups: Sequence[str] = (),
    no_groups: Sequence[str] = (),
    all_groups: bool = False,
    variant: str | Mapping[str, str] | None = None,
    all_variants: bool = False,
    dir: "calls.AnyPath | None" = None,
    link_mode: "LinkMode" = "auto",
    inexact: bool = False,
    upgrade: bool = False,
    upgrade_models: Sequence[str] = (),
    repin: bool = False,
    replace: bool = False,
    require_fit: bool | None = None,
    hf_cache: bool | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    adopt: bool | None = None,
    mirrors: Sequence[str] | None = None,
    mirror_only: bool | None = None,
    max_rate: int | str | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> "SyncReport":
    """Makes this machine hold what the lock says: `modelsync sync`, whose flags these arguments are.

    `variant` is a variant of the models that have it, or a mapping of names to variants; without one, a model is the
    entry itself. What was synced is what `path`, `files` and `load` mean afterwards, where they are told no variant.

    Before a model is fetched that cannot fit this machine, a warning goes to the log `modelsync`, and into the
    report; with `require_fit` that is an error.

    With `hf_cache` the files are put into the Hugging Face cache too, as far as the hub confirms them; None leaves that
    to `MODELSYNC_HF_CACHE` and the user's config.

    Returns:
        What became of each model, the plan, and the bytes that were fetched and reused.

    Raises:
        StaleLockError: `locked`, and the lock is not up to date with the manifest.
        DriftError: `check`, and something would have to be done.
        MisfitError: no variant fits, with `variant="auto"`; or a model does not, with `require_fit`.
        ModelsyncError: any other failure.
    """
    from modelsync.ops import sync as ops_sync
    from modelsync.ops.options import SyncOptions, Upgrade
    from modelsync.project.selection import Groups, Selection, every_variant

    chosen = every_variant(variant) if all_variants else variant
    options = SyncOptions(
        Selection(names, Groups(tuple(groups), tuple(only_groups), tuple(no_groups), all_groups), chosen),
        locked=locked,
        frozen=frozen,
        check=check,
        dry_run=dry_run,
        directory=Path(dir) if dir is not None else None,
        link_mode=link_mode,
        inexact=inexact,
        replace=replace,
        upgrade=Upgrade(upgrade, upgrade_models, repin),
    )
    call = CallOptions(
        endpoint=endpoint,
        token=token,
        offline=offline,
        adopt=adopt,
        mirrors=mirrors,
        mirror_only=mirror_only,
        max_rate=calls.rate(max_rate),
        require_fit=require_fit,
        hf_cache=hf_cache,
        transport=transport,
        auth=auth,
    )
    with calls.context(call, on_progress, cancel, progress=progress) as context:
        return ops_sync.sync(context, calls.find(context, manifest, package), options)


def lock(
    *,
    manifest: "calls.AnyPath | None" = None,
    upgrade: bool = False,
    upgrade_models: Sequence[str] = (),
    repin: bool = False,
    ours: bool | None = None,
    check: bool = False,
    dry_run: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    adopt: bool | None = None,
    mirrors: Sequence[str] | None = None,
    mirror_only: bool | None = None,
    max_rate: int | str | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> "LockReport":
    """Brings `models.lock` up to date with the manifest: `modelsync lock`.

    Args:
        manifest: See `path`.
        upgrade: Ask upstream about every model, not only about those that the lock lacks.
        upgrade_models: Ask upstream about these.
        repin: Move pins to the newest commit even where it has the same files.
        ours: Where a merge left two answers to one request in the lock: True takes that of the branch that was merged
            into, False the other's; None: that is an error.
        check: Ask upstream nothing and write nothing; raise if the lock is stale: `modelsync lock --check`.
        dry_run: Write nothing.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        adopt: See `path`.
        mirrors: See `path`.
        mirror_only: See `path`.
        max_rate: See `path`.
        progress: See `path`.
        on_progress: See `path`.
        cancel: See `path`.
        transport: See `path`.
        auth: See `path`.

    Raises:
        StaleLockError: with `check`, the lock is not up to date with the manifest.
        UsageError: `check` goes with no upgrade, no side and no dry run.
        ModelsyncError: any other failure.
    """
    from modelsync.errors import UsageError
    from modelsync.ops import lock as ops_lock
    from modelsync.ops.options import Merging, Upgrade
    from modelsync.ops.proposal import LockReport

    call = CallOptions(
        endpoint=endpoint,
        token=token,
        offline=offline,
        adopt=adopt,
        mirrors=mirrors,
        mirror_only=mirror_only,
        max_rate=calls.rate(max_rate),
        transport=transport,
        auth=auth,
    )
    with calls.context(call, on_progress, cancel, progress=progress) as context:
        found = calls.find(context, manifest)
        asked = Upgrade(upgrade, upgrade_models, repin)
        if check:
            if asked.wanted or ours is not None or dry_run:
                raise UsageError("check writes nothing, and goes with no upgrade, no side and no dry_run")
            return LockReport(ops_lock.check(found), (), written=False)
        return ops_lock.lock(context, found, asked, merging=Merging(ours), dry_run=dry_run)


def verify(
    *names: str,
    manifest: "calls.AnyPath | None" = None,
    package: str | None = None,
    full: bool = False,
    repair: bool = False,
    variant: str | Mapping[str, str] | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    adopt: bool | None = None,
    mirrors: Sequence[str] | None = None,
    mirror_only: bool | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> "tuple[VerifiedFile, ...]":
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
        adopt: See `path`.
        mirrors: See `path`.
        mirror_only: See `path`.
        progress: See `path`.
        on_progress: See `path`.
        cancel: See `path`.
        transport: See `path`.
        auth: See `path`.

    Raises:
        ModelsyncError: with `repair`, the first that could not be repaired; the others were.
    """
    from modelsync.project.selection import Selection

    selection = Selection(names, variant=variant)
    call = CallOptions(
        endpoint=endpoint,
        token=token,
        offline=offline if repair else True,
        adopt=adopt,
        mirrors=mirrors,
        mirror_only=mirror_only,
        transport=transport,
        auth=auth,
    )
    with calls.context(call, on_progress, cancel, progress=progress) as context:
        found = calls.find(context, manifest, package)
        if not repair:
            from modelsync.ops import verify as ops_verify

            return ops_verify.verify(context, found, selection, full=full)
        from modelsync.ops import repair as ops_repair

        done = ops_repair.repair(context, found, selection, full=full)
    if done.error is not None:
        raise done.error
    return done.rows


def licenses(
    *names: str,
    manifest: "calls.AnyPath | None" = None,
    package: str | None = None,
    groups: Sequence[str] = (),
    only_groups: Sequence[str] = (),
    no_groups: Sequence[str] = (),
    all_groups: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> "LicensesReport":
    """The license of each model, and whether its project allows it: `modelsync licenses`.

    Licenses are those of the lock, and what the manifest states. Hubs are asked only which repos are gated.

    Args:
        names: The models; none, and no groups: all.
        manifest: See `path`.
        package: See `path`.
        groups: See `sync`.
        only_groups: See `sync`.
        no_groups: See `sync`.
        all_groups: See `sync`.
        token: See `path`.
        endpoint: See `path`.
        offline: True: no hub is asked, and `gated` is None.
        cancel: See `path`.
        transport: See `path`.
        auth: See `path`.

    Returns:
        A row for each model, for its variants, and for companions of other repos. Nothing is refused here: `allowed`
        of a row says what `lock` and `sync` do.

    Raises:
        NotFoundError: a name or a group that nothing in the manifest has.
    """
    from modelsync.ops import licenses as ops_licenses
    from modelsync.project.selection import Groups, Selection

    chosen = Groups(tuple(groups), tuple(only_groups), tuple(no_groups), all_groups)
    call = CallOptions(endpoint=endpoint, token=token, offline=offline, transport=transport, auth=auth)
    with calls.context(call, None, cancel, progress=False) as context:
        return ops_licenses.rows(context, calls.find(context, manifest, package), Selection(names, chosen))
