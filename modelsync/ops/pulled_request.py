"""What a pulled URI asks for, what it is called, and what it meant last time."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from modelsync.context import Context
from modelsync.errors import UsageError
from modelsync.install import present
from modelsync.ops.options import PLAIN_PULL, FolderOptions, PullOptions
from modelsync.spec.globs import check_glob
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.request import Request
from modelsync.spec.uri import FileUri, HfUri, Reference
from modelsync.store import pulled as store_pulled


def request_of(context: Context, text: str, options: PullOptions = PLAIN_PULL) -> Request:
    """What a URI asks for, with no relative path: that would mean something else in another folder.

    Raises:
        UsageError: globs cannot be of that URI, or one cannot be a glob; or a projector goes with globs.
    """
    reference, globs = context.reference(text), options.globs
    if options.revision is not None and isinstance(reference.uri, HfUri):
        reference = reference._replace(revision=reference.revision or options.revision)
    if options.mmproj is not None and globs.include:
        raise UsageError("--mmproj goes with a GGUF model, and --include makes a folder of files")
    if globs.exclude and not globs.include:
        raise UsageError("--exclude takes files away from those of --include", hint="add --include '*'")
    if globs.include:
        return _folder_request(reference, globs)
    if isinstance(reference.uri, FileUri):
        reference = reference._replace(uri=FileUri(Path(reference.uri.path).absolute().as_posix()))
    return Request(reference.uri, reference.revision, mmproj=options.mmproj)


def _folder_request(reference: Reference, globs: FolderOptions) -> Request:
    uri = reference.uri
    if not isinstance(uri, HfUri) or uri.path is not None or uri.quant is not None:
        whole = f"hf:{uri.repo}" if isinstance(uri, HfUri) else "hf:user/model"
        raise UsageError(f"--include goes with a whole repo, and {reference} is none", hint=f"give {whole}")
    include, exclude = (tuple(map(check_glob, each)) for each in (globs.include, globs.exclude))
    return Request(uri, reference.revision, include=include, exclude=exclude)


def title_of(request: Request) -> str:
    """The URI, and the globs of a folder model as a person types them: what messages and the store call it."""
    globs = [("--include", glob) for glob in request.include] + [
        ("--exclude", glob) for glob in request.exclude
    ]
    beside = [] if request.mmproj is None else ["--mmproj"]
    beside += [str(request.mmproj)] if isinstance(request.mmproj, Reference) else []
    return " ".join((str(request.reference), *beside, *(f"{option} {quote(glob)}" for option, glob in globs)))


def model_of(request: Request, files: Sequence[LockedFile]) -> LockedModel:
    """The model that a request meant, as a lock would have it."""
    return LockedModel(name=request.uri.short_name, request=request.to_dict(), files=tuple(files))


def remember(
    context: Context, requests: Sequence[Request], models: Sequence[LockedModel], *, unless_here: bool = False
) -> None:
    """Writes down what each request means now; with `unless_here` only where what it meant before is gone."""
    for request, model in zip(requests, models, strict=True):
        known = recall(context, request) if unless_here else None
        if known is None or present.in_store(context, known) is None:
            store_pulled.remember(context.store, title_of(request), model.files)


def recall(context: Context, request: Request) -> tuple[LockedFile, ...] | None:
    """The files that a request meant when it was last pulled; None if it never was."""
    return store_pulled.recall(context.store, title_of(request))
