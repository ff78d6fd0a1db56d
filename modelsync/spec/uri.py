"""Model URIs: every way that people write where a model is, brought to one canonical form.

`hf:user/model`, `hf:user/model:QUANT` and `hf:user/model/path/file.gguf`, each with `#revision`; pages of huggingface.co;
`https://…`; `file:…` and relative paths; `oci://…`, with `docker:` and `ollama:` as the two well-known registries.
"""

import re
from typing import NamedTuple, TypeAlias

from modelsync.errors import UriError
from modelsync.spec.names import file_name, nearest, path_fault, printable

FORMS = "hf:user/model[:QUANT], hf:user/model/file.gguf, https://…, file:path/file.gguf or oci://registry/repo[:tag]"
MAX_URI = 2048  # characters

_HOST = r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
_HF = re.compile(r"([^/:@#]+/[^/:@#]+)(?:@([^/:#]*))?(?::([^#]*)|/([^#]*))?(?:#(.*))?")
_REPO_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REPO = re.compile(f"{_REPO_PART}/{_REPO_PART}", re.ASCII)
_QUANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?", re.ASCII)
_REVISION = re.compile(r"[^\s~^:?*\[\]\\#]{1,255}")
_BAD_REVISION = re.compile(r"\.\.|//|@\{|/\.|^[./-]|[/.]$|\.lock$")
_HUB_PAGE = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)(?:/|$)(.*)", re.IGNORECASE)
_WEB = re.compile(rf"(https?)://({_HOST})(/[^?#]*)(\?[^#]*)?", re.ASCII | re.IGNORECASE)
_WEB_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*", re.ASCII)
_SECRET_KEY = re.compile(
    r"signature|token|secret|passw|credential|api[_-]?key|access[_-]?key|key-pair-id|^(?:sig|auth|authorization|jwt|pwd|policy)$",
    re.IGNORECASE,
)
_OCI_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_OCI = re.compile(
    rf"({_HOST})/({_OCI_PART}(?:/{_OCI_PART})*)(:[a-z0-9_][a-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?",
    re.ASCII | re.IGNORECASE,
)
_MODEL_FILE = re.compile(r".*\.gguf(?:\.part[0-9]+of[0-9]+)?", re.IGNORECASE | re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_WELL_KNOWN = {"docker": "registry-1.docker.io", "ollama": "registry.ollama.ai"}
_SCHEMES = ("hf", "huggingface", "https", "http", "file", "oci", *_WELL_KNOWN)


class HfUri(NamedTuple):
    """A model of the Hugging Face hub, or of what speaks its protocol."""

    repo: str
    path: str | None = None
    quant: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            path = self.path
            if "%" in path or "#" in path:
                path = path.replace("%", "%25").replace("#", "%23")
            return f"hf:{self.repo}/{path}"
        return f"hf:{self.repo}:{self.quant}" if self.quant is not None else f"hf:{self.repo}"


class WebUri(NamedTuple):
    """A file at a URL."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The file's own name: the last part of the URL's path, decoded."""
        return file_name(_unquote(self.url.partition("?")[0]))


class FileUri(NamedTuple):
    """A file of this machine; `path` has posix separators and is absolute or relative to the manifest."""

    path: str

    def __str__(self) -> str:
        return f"file:{self.path}"


class OciUri(NamedTuple):
    """A model in an OCI registry; `reference` is `:tag` or `@sha256:…`."""

    registry: str
    repository: str
    reference: str

    def __str__(self) -> str:
        return f"oci://{self.registry}/{self.repository}{self.reference}"


Uri: TypeAlias = HfUri | WebUri | FileUri | OciUri


class Reference(NamedTuple):
    """A URI and the revision that was written with it."""

    uri: Uri
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.uri}#{self.revision}" if self.revision is not None else str(self.uri)


def parse(text: str) -> Reference:
    """Reads a model URI in any of its forms.

    Raises:
        UriError: it has no known form, or holds what no manifest may hold: a password, a signature, a control character.
    """
    if text.startswith("hf:"):  # what nearly every URI is
        return _hub(text, text[5:] if text.startswith("hf://") else text[3:])
    text = text.strip()
    _check_text(text)
    page = _HUB_PAGE.fullmatch(text)
    if page:
        return _hub_page(text, page[1])
    if _is_path(text):
        return Reference(FileUri(_file_path(text, text)))
    scheme = _SCHEME.fullmatch(text)
    if not scheme or scheme[1] not in _SCHEMES:
        raise _unknown(text)
    name, rest = scheme[1], scheme[2]
    if name in {"hf", "huggingface"}:
        return _hub(text, rest.removeprefix("//"))
    if name == "file":
        return Reference(FileUri(_file_url_path(text, rest)))
    if name in {"http", "https"}:
        return Reference(WebUri(_web_url(text)))
    return Reference(_oci(text, name, rest))


def check_revision(text: str) -> str:
    """Returns `text` if it can be a branch, tag or commit.

    Raises:
        UriError: git has no such names.
    """
    if _REVISION.fullmatch(text) and text.isprintable() and not _BAD_REVISION.search(text):
        return text
    raise UriError(
        f"`{printable(text)}` cannot be a revision", hint="a revision is a branch, a tag or a commit, such as main or v1.0"
    )


def is_model_file(path: str) -> bool:
    """Whether the name is one that GGUF files have: `.gguf`, or a piece of one."""
    return path.endswith(".gguf") or _MODEL_FILE.fullmatch(path) is not None


# --- Hugging Face ------------------------------------------------------------------------------------


def _hub(text: str, rest: str) -> Reference:
    """`rest` is what stands behind the prefix: `user/model[@rev][:QUANT|/path][#rev]`."""
    _check_text(text)
    match = _HF.fullmatch(rest)
    if not match:
        raise _error(text, "names no model: user/model is expected")
    repo, at, quant, path, revision = match.groups()
    _check_repo(text, repo)
    if at is not None:
        if revision is not None:
            raise _error(text, "has two revisions: one behind @ and one behind #")
        revision = at
    if revision is not None:
        _check_revision_of(text, revision)
    if quant is not None:
        _check_quant(text, repo, quant)
    if path is not None:
        path = _check_path(text, path)
    return Reference(HfUri(repo, path, quant), revision)


def _hub_page(text: str, rest: str) -> Reference:
    """`rest` is what stands behind the host of a page of huggingface.co."""
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    _check_query(text, query)
    repo, rest = "/".join(rest.split("/")[:2]), rest.split("/")[2:]
    if repo.split("/")[0] in {"datasets", "spaces", "api", "docs", "collections", "papers", "blog"}:
        raise _error(text, f"is a page of {repo.split('/')[0]}, not of a model")
    kind = rest[0] if rest else ""
    if kind not in {"blob", "resolve", "raw", "tree"}:
        shown = re.search(r"(?:^|&)show_file_info=([^&]+)", query)
        path = _unquote(shown[1]).replace("%", "%25") if shown else "/".join(rest)
        return _hub(text, (f"{repo}/{path}" if path else repo) + (f"#{fragment}" if fragment else ""))
    revision, path = _unquote(rest[1]) if len(rest) > 1 else "", "/".join(rest[2:]).rstrip("/")
    _check_repo(text, repo)
    _check_revision_of(text, revision)
    if fragment and fragment != revision:
        raise _error(text, f"has two revisions: {printable(revision)} and {printable(fragment)}")
    if kind == "tree" and path:
        raise _error(text, "is the page of a folder: name a file in it, or a quant")
    uri = HfUri(repo) if kind == "tree" else HfUri(repo, _check_path(text, path))
    return Reference(uri, None if revision == "main" and not fragment else revision)


def _check_repo(text: str, repo: str) -> None:
    """The hub's rules: letters, digits, `_`, `.`, `-`; neither `--` nor `..`; no `.git` at the end."""
    if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo or repo.endswith(".git"):
        raise _error(text, f"has `{printable(repo, 100)}` for its user/model, which no hub accepts")


def _check_quant(text: str, repo: str, quant: str) -> None:
    if is_model_file(quant):
        raise _error(text, "has a file where a quant is expected", near=f"hf:{repo}/{quant}")
    if not _QUANT.fullmatch(quant):
        what = "a path behind its quant" if "/" in quant else f"`{printable(quant, 80)}` for a quant"
        raise _error(text, f"has {what}; either a quant or a file is expected")


def _check_path(text: str, path: str) -> str:
    if "%" in path:
        path = _unquote(path)
    fault = path_fault(path)
    if fault:
        raise _error(text, f"has a path that is refused: {fault}" if path else "ends with `/` and names no file")
    if not is_model_file(path):
        raise _error(text, "names a file that is no model: .gguf is expected at its end")
    return path


def _check_revision_of(text: str, revision: str) -> None:
    try:
        check_revision(revision)
    except UriError:
        raise _error(text, f"has `{printable(revision, 80)}` for a revision, which git does not allow") from None


# --- the web -----------------------------------------------------------------------------------------


def _web_url(text: str) -> str:
    if "#" in text:
        raise _error(text, "has a `#`: only hf: URIs have revisions")
    if re.match(r"https?://[^/?]*@", text):
        raise _error(text, "holds a user or password: credentials come from the environment, .netrc or your config.toml")
    if not _WEB_CHARACTERS.fullmatch(text):
        from urllib.parse import quote

        near = quote(text, safe="._~:/?[]@!$&'()*+,;=%-")
        raise _error(text, "has characters that a URL cannot have", near=None if "?" in text else near)
    match = _WEB.fullmatch(text)
    if not match:
        raise _error(text, "is no URL of a file: https://host/path is expected")
    scheme, host, path, query = match.groups()
    _check_query(text, (query or "")[1:])
    fault = path_fault(_unquote(path)[1:].rstrip("/") if path != "/" else "")
    if path.endswith("/"):
        raise _error(text, "names no file: it ends with `/`")
    if fault:
        raise _error(text, f"has a path that is refused: {fault}")
    return f"{scheme.lower()}://{host.lower()}{path}{query or ''}"


def _check_query(text: str, query: str) -> None:
    for pair in re.split("[&;]", query):
        key = _unquote(pair.partition("=")[0])
        if _SECRET_KEY.search(key):
            raise UriError(
                f"`{_shown(text)}` holds a secret or a signature (`{printable(key, 40)}`): it would be written into the lock",
                hint="use the file's lasting URL; credentials come from the environment, .netrc or your config.toml",
            )


# --- files -------------------------------------------------------------------------------------------


def _is_path(text: str) -> bool:
    if text.startswith(("./", "../", "/", ".\\", "..\\", "\\")) or _DRIVE.match(text):
        return True
    return ("/" in text or "\\" in text) and is_model_file(text) and ":" not in text


def _file_url_path(text: str, rest: str) -> str:
    """`file:path` is taken as written; `file://` is a URL, whose path is encoded."""
    if not rest.startswith("//"):
        return _file_path(text, rest)
    host, slash, path = rest[2:].partition("/")
    if host not in {"", "localhost"} or not slash:
        raise _error(text, "names another host: a file URL is file:///path", near=f"file:{rest[2:]}")
    path = _unquote(path)
    return _file_path(text, path if _DRIVE.match(path) else f"/{path}")


def _file_path(text: str, path: str) -> str:
    path = path.replace("\\", "/")
    if path.startswith("//"):
        raise _error(text, "is a network path: only files of this machine are taken")
    if path.startswith("~"):
        raise _error(text, "begins with `~`, which is not expanded: write the path out")
    root = "/" if path.startswith("/") else ""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if not parts or parts[-1] == ".." or path.endswith("/"):
        raise _error(text, "names no file")
    if not all(part.isprintable() for part in parts):
        raise _error(text, "has a control or invisible character")
    return root + "/".join(parts)


# --- registries --------------------------------------------------------------------------------------


def _oci(text: str, scheme: str, rest: str) -> OciUri:
    if scheme == "oci":
        if not rest.startswith("//"):
            raise _error(text, "has no registry", near=f"oci://{rest.lstrip('/')}")
        rest = rest[2:]
    else:
        rest = rest.removeprefix("//")
        library = {"ollama": "library/", "docker": "library/"}[scheme] if "/" not in rest.partition("@")[0] else ""
        rest = f"{_WELL_KNOWN[scheme]}/{library}{rest}"
    match = _OCI.fullmatch(rest)
    if not match:
        raise _error(text, "is no model of a registry: oci://registry/repo[:tag] or oci://registry/repo@sha256:… is expected")
    registry, repository, tag, digest = match.groups()
    return OciUri(registry.lower(), repository, (digest and digest.lower()) or tag or ":latest")


# --- errors ------------------------------------------------------------------------------------------


def _check_text(text: str) -> None:
    if len(text) > MAX_URI:
        raise _error(text, f"is longer than {MAX_URI} characters")
    if not text.isprintable():
        raise _error(text, "has a control or invisible character")


def _unknown(text: str) -> UriError:
    """The error for what has no known scheme, with the nearest right form."""
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in _SCHEMES:
        return _error(text, "has no known form", near=f"{scheme.lower()}:{rest}")
    hub = _HF.fullmatch(text)
    if hub and _REPO.fullmatch(hub[1]):
        return _error(text, "has no known form", near=f"hf:{text}")
    if is_model_file(text) and not colon:
        return _error(text, "has no known form", near=f"./{text}")
    if colon and "/" not in scheme:
        near = nearest(scheme.lower(), _SCHEMES)
        return _error(text, f"has the unknown scheme `{printable(scheme, 40)}`", near=f"{near}:{rest}" if near else None)
    return _error(text, "has no known form")


def _error(text: str, what: str, *, near: str | None = None) -> UriError:
    """An error about `text`, which is shown without what may be a secret in it."""
    suggestion = f"; did you mean {_shown(near)}?" if near is not None else ""
    return UriError(f"`{_shown(text)}` {what}{suggestion}", hint=f"a model URI is {FORMS}")


def _shown(text: str) -> str:
    text = re.sub(r"//[^/]*@", "//…@", text)
    return printable(re.sub(r"\?.*", "?…", text, flags=re.DOTALL))


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)
