"""A whole request: the model and its companions, each asked of the source it comes from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.errors import HashMismatchError, NotFoundError, UsageError
from modelsync.settings import DEFAULT_ENDPOINT
from modelsync.sources import source_for
from modelsync.sources.base import Question, Resolution
from modelsync.spec.names import did_you_mean, file_name, listed, printable
from modelsync.spec.pins import Pin, pins_of
from modelsync.spec.roles import BY_ROLE, COMPANIONS, OWN_ROLES
from modelsync.spec.uri import HfUri, OciUri, Reference, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from modelsync.sources.base import Found, Source
    from modelsync.spec.lock.model import LockedFile, LockedModel
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
    kept: LockedModel | None = None,
) -> Resolution:
    """Finds all files that `request` means: the model's parts, its projector, adapters and draft head, in this order.

    Args:
        request: What the manifest asks for.
        sources: From `modelsync.sources.sources`.
        folder: The manifest's, for relative `file:` paths.
        endpoint: The hub to ask: a flag's, the environment's, the request's or the default.
        previous: The locked files of the same request; they spare reading what has not changed.
        kept: The lock's entry for it, where only what has moved is wanted; see `Question`.

    Raises:
        HashMismatchError: a source publishes another sha256 than the request pins.
        UsageError: a pin names no file, a file is asked for twice, or no source reads a URI.
        ModelsyncError: whatever `Source.resolve` raises.
    """
    canonical = (request.endpoint or DEFAULT_ENDPOINT).rstrip("/")

    globs = request.globs
    if globs is not None and not isinstance(request.uri, HfUri):
        raise UsageError(
            f"{request.uri} is no repo of a hub, and globs are of one", hint="for example hf:user/model"
        )

    def ask(reference: Reference, role: Role, beside: tuple[str, ...] = ()) -> Resolution:
        question = Question(
            reference,
            role,
            endpoint.rstrip("/"),
            canonical,
            folder,
            beside,
            previous=tuple(previous),
            globs=globs if role == "file" else None,
            own_repo=_repo_of(reference.uri) is not None and _repo_of(reference.uri) == _repo_of(request.uri),
            kept=kept,
        )
        answer = source_for(reference.uri, sources).resolve(question)
        if role not in OWN_ROLES and len(answer.files) > 1:
            raise UsageError(f"{reference} is {len(answer.files)} files; {BY_ROLE[role].noun} is one file")
        return answer

    model = ask(request.reference, "model" if globs is None else "file")
    answers = [model]
    own = tuple(file for file in model.files if file.role in OWN_ROLES)
    beside = tuple(file.path for file in own)
    named: dict[Role, tuple[Found, ...]] = {}
    for role, reference in request.companions():
        if isinstance(request.uri, OciUri):
            _check_brings(request.uri, model, BY_ROLE[role], required=reference is True)
            if reference is True:
                continue
        if reference is True:
            reference = _beside(request.uri, model.revision, BY_ROLE[role])
        answer = ask(reference, role, beside if BY_ROLE[role].beside else ())
        answers.append(answer)
        named[role] = (
            *named.get(role, ()),
            *(file._replace(license=answer.license if file.revision else None) for file in answer.files),
        )
    # What a registry's model brings along is taken, unless the request names another in its place.
    companions = {each.role: [file for file in model.files if file.role == each.role] for each in COMPANIONS}
    companions |= {role: list(files) for role, files in named.items()}

    home = (_repo_of(request.uri), model.revision)
    files = tuple(
        file._replace(repo=None, revision=None, license=None) if (file.repo, file.revision) == home else file
        for file in (*own, *(file for each in COMPANIONS for file in companions[each.role]))
    )
    # an image may well have a layer twice
    counts = Counter(file for file in files if file.layer is None)
    again = next((file for file, count in counts.items() if count > 1), None)
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
        left_out=model.left_out,
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


def _check_brings(uri: OciUri, model: Resolution, companion: Companion, *, required: bool) -> None:
    """Checks that a registry's model may have a companion, and brings it along where that is required.

    Raises:
        UsageError: it is a folder of files.
        NotFoundError: it brings none.
    """
    noun = companion.noun.partition(" ")[2]
    if any(file.layer is not None for file in model.files):
        return  # what is in it shows itself when it is read
    if any(file.role == "file" for file in model.files):
        raise UsageError(
            f"{uri} is a folder of files, and {companion.noun} goes with a GGUF model",
            hint="give it, or the GGUF model, a name of its own",
        )
    if required and all(file.role != companion.role for file in model.files):
        raise NotFoundError(
            f"{uri} has no {noun}",
            hint=f'name it by its own URI: {companion.key} = "hf:user/model/{companion.key}-F16.gguf"',
        )


def check_pins(request: Request, files: Sequence[Found | LockedFile]) -> Mapping[str, str]:
    """Compares the sha256 of files, published or computed, with what the request pins.

    Returns:
        The pins by the paths of the files. A file whose sha256 is unknown passes.

    Raises:
        HashMismatchError: a file has another sha256 than its pin.
        UsageError: a pin names no file, or is one hash for a model of several files.
    """
    pins = {}
    for pin in pins_of(request.sha256, files):
        if len(pin.files) != 1:
            raise _unclear(pin, request, files)
        file = pin.files[0]
        if file.sha256 is not None and file.sha256 != pin.sha256:
            raise HashMismatchError(
                f"{printable(file.path)} of {request.uri}: "
                f"the pinned sha256 is {pin.sha256}, the source has {file.sha256}",
                hint="if the new file is the one you want, change `sha256` in the manifest; "
                "to stay with the old one, pin its `revision`",
            )
        pins[file.path] = pin.sha256
    return pins


def _unclear(
    pin: Pin[Found | LockedFile], request: Request, files: Sequence[Found | LockedFile]
) -> UsageError:
    """The error about a pin that is not of one file."""
    if pin.path is None:
        return UsageError(
            f"{request.uri} is {len(pin.files)} files, and one sha256 is pinned",
            hint=f"make sha256 a table of path to hash: {listed([file.path for file in pin.files])}",
        )
    name = printable(pin.path)
    if pin.files:
        return UsageError(
            f"`sha256` pins `{name}`, and {len(pin.files)} files of this entry have that path",
            hint="one of them is of another repo: name that by a URI of its own, in a model of its own",
        )
    paths = [file.path for file in files]
    same = next((path for path in paths if file_name(path) == file_name(pin.path)), None)
    near = f"; did you mean `{printable(same)}`?" if same is not None else did_you_mean(pin.path, paths)
    return UsageError(
        f"`sha256` pins `{name}`, which is no file of {request.uri}{near}", hint=f"its files: {listed(paths)}"
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
    home = parse(own)
    home = home._replace(revision=request.get("revision", home.revision))
    source = source_for(home.uri, sources)
    brings = isinstance(home.uri, OciUri)  # what it brings along, no URI of its own asks for
    texts = {
        each.role: iter(request.get(each.key, ()))
        for each in COMPANIONS
        if each.many and not (brings and each.key not in request)
    }
    owned = []
    for file in files:
        text = own
        if file.role in texts:
            text = str(next(texts[file.role], ""))
        elif file.role not in OWN_ROLES and isinstance(named := request.get(BY_ROLE[file.role].key), str):
            text = named
        if text is own:
            owned.append(Owned(file, home, source))
        else:
            reference = parse(text)
            owned.append(Owned(file, reference, source_for(reference.uri, sources)))
    return tuple(owned)
