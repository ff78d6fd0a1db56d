"""Public functions that fetch models without a project, and send them to registries: `pull`, `push`."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.api import calls
from modelsync.context import CallOptions
from modelsync.project.model_files import ModelFiles

if TYPE_CHECKING:
    import httpx2

    from modelsync.ops.push import PushReport
    from modelsync.registry.forms import Form
    from modelsync.transfer.progress import Event


def pull(
    *uris: str,
    dir: "calls.AnyPath | None" = None,
    filename: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    allow_code: Sequence[str] = (),
    revision: str | None = None,
    mmproj: "str | bool | None" = None,
    dry_run: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    adopt: bool | None = None,
    hf_cache: bool | None = None,
    mirrors: Sequence[str] | None = None,
    mirror_only: bool | None = None,
    max_rate: int | str | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> list[ModelFiles]:
    """Fetches models without a manifest: into the store, or as plain files under `dir`.

    Upstream is asked what each URI means now; what is here already is not fetched again.

    Args:
        uris: What to fetch, side by side.
        dir: A folder for plain files, at `<user>/<repo>/<path>`; with a revision `<user>/<repo>@<revision>/<path>`.
        filename: The name of the one file in `dir`.
        include: Globs of the files of each repo that are wanted, of any type: then each is a folder model.
        exclude: Globs of files that are left out.
        allow_code: Globs of files that may be there although they can run code when they are loaded.
        revision: The branch, tag or commit of each `hf:` URI that names none itself.
        mmproj: True: the projector beside each model too; or the URI of another.
        dry_run: Fetch nothing; the paths are those where the files would be.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        adopt: See `path`.
        hf_cache: See `path`.
        mirrors: See `path`.
        mirror_only: See `path`.
        max_rate: See `path`.
        progress: See `path`.
        on_progress: See `path`.
        cancel: See `path`.
        transport: See `path`.
        auth: See `path`.

    Returns:
        The files of each URI, in order.
    """
    from modelsync.ops import pull as ops_pull
    from modelsync.ops.options import FolderOptions, PullOptions

    call = CallOptions(
        endpoint=endpoint,
        token=token,
        offline=offline,
        adopt=adopt,
        hf_cache=hf_cache,
        mirrors=mirrors,
        mirror_only=mirror_only,
        max_rate=calls.rate(max_rate),
        transport=transport,
        auth=auth,
    )
    with calls.context(call, on_progress, cancel, progress=progress) as context:
        report = ops_pull.pull(
            context,
            uris,
            directory=Path(dir) if dir is not None else None,
            filename=filename,
            asked=PullOptions(
                FolderOptions(tuple(include), tuple(exclude), tuple(allow_code)),
                context.reference(mmproj) if isinstance(mmproj, str) else mmproj or None,
                revision,
                dry_run,
            ),
        )
        for note in report.left_out:
            context.warn(note)
    return [pulled.files for pulled in report.pulled]


def push(
    target: str,
    *names: str,
    manifest: "calls.AnyPath | None" = None,
    package: str | None = None,
    form: "Form" = "modelpack",
    tag: bool = False,
    dry_run: bool = False,
    max_rate: int | str | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> "PushReport":
    """Sends models that are locked and here to a repository of an OCI registry: `modelsync push`.

    Logins are those of docker and podman: `~/.docker/config.json`, `auth.json`, and their helpers.

    Args:
        target: `oci://registry/repository`.
        names: The models, each with its variants; none: all that are here.
        manifest: See `path`.
        package: See `path`.
        form: `modelpack`: files as they are; `image`: layers under `/models`, for those who mount images.
        tag: Also tag each model with its name, or `name.variant`.
        dry_run: Ask what is there, and send nothing.
        max_rate: The most bytes a second that are sent.
        progress: See `path`.
        on_progress: See `path`.
        cancel: See `path`.
        transport: See `path`.
        auth: See `path`.

    Returns:
        Where each model is, and the bytes that were sent and those that were there.

    Raises:
        NotSyncedError: a named model is not here.
        GatedError: the registry wants a login, or another one.
        ModelsyncError: the first by name that could not be pushed, with all errors and the report.
    """
    from modelsync.ops import push as ops_push
    from modelsync.ops.options import PushOptions

    call = CallOptions(max_rate=calls.rate(max_rate), transport=transport, auth=auth)
    with calls.context(call, on_progress, cancel, progress=progress) as context:
        found = calls.find(context, manifest, package)
        return ops_push.push(context, found, target, names, PushOptions(form, tag, dry_run))
