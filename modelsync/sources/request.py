"""A whole request: the model and its companions, each asked of the source it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.errors import HashMismatchError, UsageError
from modelsync.settings import DEFAULT_ENDPOINT
from modelsync.sources import source_for
from modelsync.sources.base import Question, Resolution
from modelsync.spec.names import file_name, printable
from modelsync.spec.roles import BY_ROLE, COMPANIONS
from modelsync.spec.uri import HfUri, Reference, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from modelsync.sources.base import Found, Source
    from modelsync.spec.lock.model import LockedFile
    from modelsync.spec.request import Request
    from modelsync.spec.roles import Companion, Role
    from modelsync.spec.uri import Uri


def resolve(
    request: Request,
    sources: Sequence[Source],
    *,
    folder: Path,
    endpoint: str = DEFAULT_ENDPOINT,
    previous: Sequence[LockedFile] = (),
) -> Resolution:
    """Finds all files that `request` means: the model's parts, its projector, adapters and draft head, in this order.

    Args:
        request: What the manifest asks for.
        sources: From `modelsync.sources.sources`.
        folder: The manifest's, for relative `file:` paths.
        endpoint: The hub to ask: a flag's, the environment's, the request's or the default.
        previous: The locked files of the same request; they spare reading what has not changed.

    Raises:
        HashMismatchError: a source publishes another sha256 than the request pins.
        UsageError: a pin names no file, a file is asked for twice, or no source reads a URI.
        ModelsyncError: whatever `Source.resolve` raises.
    """
    canonical = (request.endpoint or DEFAULT_ENDPOINT).rstrip("/")

    def ask(reference: Reference, role: Role, beside: tuple[str, ...] = ()) -> Resolution:
        question = Question(
            reference,
            role,
            endpoint.rstrip("/"),
            canonical,
            folder,
            beside,
            previous=tuple(previous),
            own_repo=_repo_of(reference.uri) is not None and _repo_of(reference.uri) == _repo_of(request.uri),
        )
        answer = source_for(reference.uri, sources).resolve(question)
        if role != "model" and len(answer.files) > 1:
            raise UsageError(f"{reference} is {len(answer.files)} files; {BY_ROLE[role].noun} is one file")
        return answer

    model = ask(request.reference, "model")
    answers = [model]
    beside = tuple(file.path for file in model.files)
    for role, reference in request.companions():
        if reference is True:
            reference = _beside(request.uri, model.revision, BY_ROLE[role])
        answers.append(ask(reference, role, beside if BY_ROLE[role].beside else ()))

    home = (_repo_of(request.uri), model.revision)
    files = tuple(
        file._replace(repo=None, revision=None) if (file.repo, file.revision) == home else file
        for answer in answers
        for file in answer.files
    )
    again = next((file for index, file in enumerate(files) if file in files[:index]), None)
    if again is not None:
        raise UsageError(
            f"{request.uri} asks for {printable(again.path)} twice", hint="leave one of them out"
        )
    pins = check_pins(request, files)
    # A pinned file need not be read to be locked: the sync checks it.
    files = tuple(file._replace(sha256=file.sha256 or pins.get(file.path)) for file in files)
    return Resolution(
        files,
        revision=model.revision,
        license=model.license,
        notes=tuple(dict.fromkeys(note for answer in answers for note in answer.notes)),
    )


def _repo_of(uri: Uri) -> str | None:
    return uri.repo if isinstance(uri, HfUri) else None


def _beside(uri: Uri, commit: str | None, companion: Companion) -> Reference:
    """Where to look for a companion "beside the model": in the model's commit, not at its branch."""
    if isinstance(uri, HfUri):
        return Reference(HfUri(uri.repo), commit)
    key, noun = companion.key, companion.noun.partition(" ")[2]
    raise UsageError(
        f"`{key} = true` looks in a hub's repo, and {uri} is in none",
        hint=f'name the {noun} by its own URI: {key} = "file:{key}-F16.gguf"',
    )


def check_pins(request: Request, files: Sequence[Found | LockedFile]) -> Mapping[str, str]:
    """Compares the sha256 of files, published or computed, with what the request pins.

    Returns:
        The pins by the paths of the files. A file whose sha256 is unknown passes.

    Raises:
        HashMismatchError: a file has another sha256 than its pin.
        UsageError: a pin names no file, or is one hash for a model of several files.
    """
    if not request.sha256:
        return {}
    pins: tuple[tuple[Found | LockedFile, str], ...]
    if isinstance(request.sha256, str):
        model = [file for file in files if file.role == "model"]
        if len(model) != 1:
            names = ", ".join(printable(file_name(file.path)) for file in model)
            raise UsageError(
                f"{request.uri} is {len(model)} files, and one sha256 is pinned",
                hint=f"make sha256 a table of file name to hash: {names}",
            )
        pins = ((model[0], request.sha256),)
    else:
        pins = tuple((_named(name, request, files), sha256) for name, sha256 in request.sha256)
    for file, sha256 in pins:
        if file.sha256 is not None and file.sha256 != sha256:
            raise HashMismatchError(
                f"{printable(file_name(file.path))} of {request.uri}: "
                f"the pinned sha256 is {sha256}, the source has {file.sha256}",
                hint="if the new file is the one you want, change `sha256` in the manifest; "
                "to stay with the old one, pin its `revision`",
            )
    return {file.path: sha256 for file, sha256 in pins}


def _named(name: str, request: Request, files: Sequence[Found | LockedFile]) -> Found | LockedFile:
    for file in files:
        if name in (file.path, file_name(file.path)):
            return file
    names = ", ".join(printable(file_name(file.path)) for file in files)
    raise UsageError(
        f"`sha256` pins {printable(name)!r}, which is no file of {request.uri}", hint=f"its files: {names}"
    )


class Owned(NamedTuple):
    """A file of a request, the URI that asked for it with its revision, and the source that reads that."""

    file: LockedFile | Found
    reference: Reference
    source: Source


def owners(
    request: Mapping[str, Any], files: Sequence[LockedFile | Found], sources: Sequence[Source]
) -> tuple[Owned, ...]:
    """The source of each file, which locates it and explains its errors.

    Args:
        request: As `Request.to_dict` gives it and a lock has it.
        files: In the lock's order.
        sources: From `modelsync.sources.sources`.

    Raises:
        UsageError: no source reads a URI, or there are adapters that no URI asks for.
    """
    own = str(request["uri"])
    texts = {each.role: iter(request.get(each.key, ())) for each in COMPANIONS if each.many}
    owned = []
    for file in files:
        text = own
        if file.role in texts:
            text = str(next(texts[file.role], ""))
        elif file.role != "model" and isinstance(named := request.get(BY_ROLE[file.role].key), str):
            text = named
        reference = parse(text)
        if text is own:
            reference = reference._replace(revision=request.get("revision", reference.revision))
        owned.append(Owned(file, reference, source_for(reference.uri, sources)))
    return tuple(owned)
