"""Checks that a locked file is what its request asks for, from where the request says.

A lock may come with a pull request, and its URLs are fetched. So each URL must follow from the request, the commit and
the path: the manifest alone tells where bytes come from.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from modelsync.errors import LockfileError, RefusedError
from modelsync.settings import DEFAULT_ENDPOINT
from modelsync.spec.globs import MAX_GLOBS, Globs, check_glob
from modelsync.spec.lock.keys import is_commit, is_manifest
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.names import path_fault, printable
from modelsync.spec.oci_url import BlobUrl
from modelsync.spec.oci_url import read as read_blob_url
from modelsync.spec.parts import joined_name, together
from modelsync.spec.pins import pins_of
from modelsync.spec.roles import COMPANIONS, OWN_ROLES, Companion, Role
from modelsync.spec.uri import FileUri, HfUri, OciUri, Reference, parse
from modelsync.spec.uri_forms import check_endpoint

MAX_COMPANIONS = 64  # of one role
_NO_COMPANIONS: Mapping[Role, tuple[Reference, ...]] = {each.role: () for each in COMPANIONS}


class RequestReferences(NamedTuple):
    """The request of a locked model, read and checked."""

    model: Reference
    companions: Mapping[Role, tuple[Reference, ...]]
    sha256: str | Mapping[str, str] | None
    endpoint: str
    globs: Globs | None = None  # of a folder model

    def of_role(self, role: Role) -> tuple[Reference, ...]:
        """The references that a file of that role may come from."""
        if role not in OWN_ROLES and (self.companions[role] or not self.brings_companions):
            return self.companions[role]
        return (self.model,) if self.brings_companions or role == self.own_role else ()

    @property
    def own_role(self) -> Role:
        """The role of the model's own files, but of a registry's, which may be a folder without globs."""
        return "model" if self.globs is None else "file"

    @property
    def brings_companions(self) -> bool:
        """Whether what the URI names is a model with all that goes with it: a registry's."""
        return isinstance(self.model.uri, OciUri)


def asked(request: Mapping[str, Any]) -> RequestReferences:
    """Reads a request as `Request.to_dict` writes it.

    Raises:
        ModelsyncError: something in it is of the wrong type or form.
    """
    model = parse(_text(request, "uri"))
    if "revision" in request:
        model = model._replace(revision=_text(request, "revision"))
    if len(request) == 1:
        return RequestReferences(model, _NO_COMPANIONS, None, DEFAULT_ENDPOINT)
    companions = {each.role: _companions(each, request, model) for each in COMPANIONS}
    sha256 = request.get("sha256")
    pins = list(sha256.values()) if isinstance(sha256, dict) else [] if sha256 is None else [sha256]
    if not all(isinstance(pin, str) for pin in pins):
        raise LockfileError("request: sha256: a SHA-256, or a table of them, is expected")
    endpoint = check_endpoint(_text(request, "endpoint")) if "endpoint" in request else DEFAULT_ENDPOINT
    globs = _globs(request, model, companions)
    return RequestReferences(model, companions, sha256, endpoint, globs)


def _globs(
    request: Mapping[str, Any], model: Reference, companions: Mapping[Role, tuple[Reference, ...]]
) -> Globs | None:
    """Which files a folder model has; None if the request is of none."""
    include, exclude = (_texts(request, key, MAX_GLOBS, "globs") for key in ("include", "exclude"))
    if not include and not exclude:
        return None
    uri = model.uri
    if not include or not isinstance(uri, HfUri) or uri.path or uri.quant or any(companions.values()):
        raise LockfileError("request: include: globs are of a whole repo of a hub, and of nothing else")
    return Globs(tuple(map(check_glob, include)), tuple(map(check_glob, exclude)))


def _companions(companion: Companion, request: Mapping[str, Any], model: Reference) -> tuple[Reference, ...]:
    """The references of one role in a request."""
    key = companion.key
    if companion.many:
        return tuple(map(parse, _texts(request, key, MAX_COMPANIONS, "URIs")))
    if key not in request:
        return ()
    if companion.beside and request[key] is True:
        return (model._replace(uri=HfUri(model.uri.repo) if isinstance(model.uri, HfUri) else model.uri),)
    return (parse(_text(request, key)),)


def check_origin(file: LockedFile, wanted: RequestReferences, revision: str | None) -> None:
    """Refuses a file that the request does not ask for.

    Args:
        file: A locked file.
        wanted: The request of its model.
        revision: The commit of its model.

    Raises:
        RefusedError: its repo, commit, path or URL is another than the request gives.
        LockfileError: it is a hub's file without a commit.
    """
    fault: str | None = f"the request asks for no {file.role}"
    for reference in wanted.of_role(file.role):
        fault = _fault(file, reference, wanted, revision)
        if fault is None:
            return
    raise RefusedError(str(fault))


def check_hashes(files: tuple[LockedFile, ...], wanted: RequestReferences) -> None:
    """Refuses hashes other than those that the request pins.

    Raises:
        RefusedError: a file has another one, or a pin is of no file or of several.
    """
    for pin in pins_of(wanted.sha256, files):
        if len(pin.files) != 1:
            what = "one sha256" if pin.path is None else f"the sha256 of `{printable(pin.path)}`"
            raise RefusedError(f"the request pins {what}, and {len(pin.files)} of its files are meant")
        if pin.files[0].sha256 != pin.sha256:
            name = printable(pin.files[0].path)
            raise RefusedError(f"{name}: its sha256 is not the one that the request pins")


def _fault(
    file: LockedFile, reference: Reference, wanted: RequestReferences, revision: str | None
) -> str | None:
    """Why the file is not one that the reference means; None if it is."""
    uri = reference.uri
    if isinstance(uri, HfUri):
        return _hub_fault(file, uri, reference.revision, wanted, revision)
    if isinstance(uri, OciUri):
        return _registry_fault(file, reference, wanted, revision)
    if file.repo is not None or file.revision is not None:
        return "it has a repo or a revision, but the request is of no hub"
    right = str(uri)
    for url in [piece.url for piece in file.pieces] or [file.url or ""]:
        if not _together(url, right) and not (url == "" and isinstance(uri, FileUri)):
            return _wrong_url(url, right)
    return None


def _hub_fault(
    file: LockedFile, uri: HfUri, pin: str | None, wanted: RequestReferences, revision: str | None
) -> str | None:
    model = wanted.model.uri
    repo = file.repo or (model.repo if isinstance(model, HfUri) else "")
    if repo != uri.repo:
        return f"its repo is `{printable(repo)}`, and the request says `{uri.repo}`"
    commit = file.revision or revision
    if commit is None or not is_commit(commit):
        raise LockfileError("it has no commit")
    if pin is not None and pin != commit and is_commit(pin):
        return f"its commit is {commit}, and the request says {pin}"
    if uri.path is not None and not (together(file.path, uri.path) or file.path == joined_name(uri.path)):
        return f"the request asks for `{printable(uri.path)}`"
    for path, url in [(piece.path, piece.url) for piece in file.pieces] or [(file.path, file.url or "")]:
        right = hf_url(wanted.endpoint, repo, commit, path)
        if url != right:
            return _wrong_url(url, right)
    return None


def _registry_fault(
    file: LockedFile, reference: Reference, wanted: RequestReferences, revision: str | None
) -> str | None:
    """The URL of a file names the blob that is the file; or, with a `#`, a tar and the file's name in it."""
    uri = reference.uri
    assert isinstance(uri, OciUri)
    if file.repo is not None or file.pieces:
        return "it has a repo or pieces, but the request is of a registry"
    url = read_blob_url(file.url or "")
    blob = BlobUrl(uri.registry, uri.repository, file.sha256)
    if url is None or url._replace(sha256=blob.sha256, member=None) != blob:
        return _wrong_url(file.url or "", str(blob))
    if url.member is None and url != blob:
        return _wrong_url(str(url), str(blob))
    fault = path_fault(url.member) if url.member is not None else None
    if fault is not None:
        return f"its name in a layer is refused: {fault}"
    if file.revision is not None and file.role in OWN_ROLES:
        return "its manifest is another one than the model's"
    manifest = file.revision or (revision if wanted.model.uri == uri else None)
    if manifest is None or not is_manifest(manifest):
        raise LockfileError("it has no digest of a manifest")
    pin = reference.revision or uri.digest
    if pin is not None and manifest != pin:
        return f"its manifest is {manifest}, and the request says {printable(pin)}"
    return None


def _wrong_url(url: str, right: str) -> str:
    """The message about a wrong URL, without its query, which may hold a secret."""
    return f"its url is `{printable(url.partition('?')[0])}`, and the request gives `{printable(right)}`"


def _together(url: str, right: str) -> bool:
    """Whether a URL is that of the file or of one of its parts; their query is the same."""
    if not right.startswith("http"):
        return together(url, right)
    (base, *query), (wanted, *other) = url.partition("?"), right.partition("?")
    return query == other and together(base, wanted)


def _texts(table: Mapping[str, Any], key: str, limit: int, what: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or len(value) > limit or not all(isinstance(text, str) for text in value):
        raise LockfileError(f"request: {key}: a list of up to {limit} {what} is expected")
    return value


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise LockfileError(f"request: {key}: a text is expected")
    return value


def hf_url(endpoint: str, repo: str, commit: str, path: str) -> str:
    """Where a hub has the file `path` of `repo` at `commit`: the URL that a lock holds."""
    if (
        not path.isascii()
        or not path.replace("/", "").replace("-", "").replace(".", "").replace("_", "").isalnum()
    ):
        from urllib.parse import quote

        path = quote(path)
    return f"{endpoint}/{repo}/resolve/{commit}/{path}"
