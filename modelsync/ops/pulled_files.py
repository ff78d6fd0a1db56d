"""Asking for the files of a URI, without a manifest. Light while they are here."""

from collections.abc import Sequence
from pathlib import Path

from modelsync.context import Context
from modelsync.install import present
from modelsync.install.target import Target
from modelsync.ops import ensure
from modelsync.ops.pulled_request import model_of, recall, request_of, title_of
from modelsync.project.model_files import ModelFiles, of_model
from modelsync.store import pulled as store_pulled


def files(context: Context, text: str, *, download: bool = True, directory: Path | None = None) -> ModelFiles:
    """The files of a URI: resolved and fetched once, answered without a network from then on.

    Args:
        context: What to work with.
        text: The URI.
        download: Whether what is not here is fetched.
        directory: A folder to answer from, as `pull` fills it; None: the store.

    Raises:
        NotSyncedError: it was never pulled, and was not to be.
    """
    request = request_of(context, text)
    known = recall(context, request)
    if known is not None:
        model = model_of(request, known)
        ready: Sequence[Path] | None
        if directory is not None:
            from modelsync.ops import pull_places

            wanted = list(zip(known, pull_places.places([model], None)[0], strict=True))
            target = Target(directory.absolute(), "auto", None)
            came: list[None] = []
            ready = ensure.in_folder(
                context, model, target, wanted, download=download, keep=lambda: came.append(None)
            )
            ensure.offer(context, model, came=bool(came))
            return of_model(known, ready)
        found = present.right_in_store(context, model)
        ready = found or ensure.obtain(context, model, Path.cwd(), keep=lambda: None, download=download)
        ensure.offer(context, model, came=found is None)
        return of_model(known, ready)
    if context.offline or not download:
        raise store_pulled.unknown(title_of(request), hint=f"run `modelsync pull {title_of(request)}`")
    from modelsync.ops.pull import pull

    (one,) = pull(context, [text], directory=directory, offered=False).pulled
    ensure.offer(context, one.model, came=True)
    return one.files
