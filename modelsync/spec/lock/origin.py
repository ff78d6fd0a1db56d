"""Checks that a locked file is what its request asks for, from where the request says.

A lock may come with a pull request, and its URLs are fetched. So each URL must follow from the request, the commit and
the path: the manifest alone tells where bytes come from.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from modelsync.errors import LockfileError, RefusedError
from modelsync.settings import DEFAULT_ENDPOINT
from modelsync.spec.lock.keys import is_commit
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.names import file_name, printable
from modelsync.spec.parts import joined_name, siblings
from modelsync.spec.roles import COMPANIONS, Companion, Role
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

    def of_role(self, role: Role) -> tuple[Reference, ...]:
        """The references that a file of that role may come from."""
        return (self.model,) if role == "model" else self.companions[role]


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
    return RequestReferences(model, companions, sha256, endpoint)


def _companions(companion: Companion, request: Mapping[str, Any], model: Reference) -> tuple[Reference, ...]:
    """The references of one role in a request."""
    key = companion.key
    if companion.many:
        texts = request.get(key, [])
        if (
            not isinstance(texts, list)
            or len(texts) > MAX_COMPANIONS
            or not all(isinstance(text, str) for text in texts)
        ):
            raise LockfileError(f"request: {key}: a list of up to {MAX_COMPANIONS} URIs is expected")
        return tuple(map(parse, texts))
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
        RefusedError: a file has another one.
    """
    if wanted.sha256 is None:
        return
    models = [file for file in files if file.role == "model"]
    for file in files:
        if isinstance(wanted.sha256, str):
            pin = wanted.sha256 if models == [file] else None
        else:
            pin = wanted.sha256.get(file_name(file.path))
        if pin is not None and file.sha256 != pin:
            raise RefusedError(f"{printable(file.path)}: its sha256 is not the one that the request pins")


def _fault(
    file: LockedFile, reference: Reference, wanted: RequestReferences, revision: str | None
) -> str | None:
    """Why the file is not one that the reference means; None if it is."""
    uri = reference.uri
    if isinstance(uri, HfUri):
        return _hub_fault(file, uri, reference.revision, wanted, revision)
    if file.repo is not None or file.revision is not None:
        return "it has a repo or a revision, but the request is of no hub"
    right = str(uri)
    if isinstance(uri, OciUri):  # the blob with the digest that is the file's own
        right = f"https://{uri.registry}/v2/{uri.repository}/blobs/sha256:{file.sha256}"
    allowed = _siblings(right)
    for url in [piece.url for piece in file.pieces] or [file.url or ""]:
        if url not in allowed and not (url == "" and isinstance(uri, FileUri)):
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
    if uri.path is not None and file.path not in {joined_name(uri.path), *siblings(uri.path)}:
        return f"the request asks for `{printable(uri.path)}`"
    for path, url in [(piece.path, piece.url) for piece in file.pieces] or [(file.path, file.url or "")]:
        right = hf_url(wanted.endpoint, repo, commit, path)
        if url != right:
            return _wrong_url(url, right)
    return None


def _wrong_url(url: str, right: str) -> str:
    """The message about a wrong URL, without its query, which may hold a secret."""
    return f"its url is `{printable(url.partition('?')[0])}`, and the request gives `{printable(right)}`"


def _siblings(url: str) -> tuple[str, ...]:
    """The URLs of all parts; their query is the same."""
    base, mark, query = url.partition("?") if url.startswith("http") else (url, "", "")
    return tuple(f"{sibling}{mark}{query}" for sibling in siblings(base))


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
