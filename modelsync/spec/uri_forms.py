"""Parses the URI forms other than `hf:`: pages, URLs, paths, registries."""

import re

from modelsync.errors import UriError
from modelsync.spec.names import file_name, nearest, path_fault, printable

MAX_URI = 2048  # characters
SCHEMES = ("hf", "huggingface", "https", "http", "file", "oci", "docker", "ollama")
DOCKER_HUB = "docker.io"
_DOCKER_HUB_HOST = "registry-1.docker.io"
DOCKER_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", _DOCKER_HUB_HOST})
_OLLAMA = "registry.ollama.ai"
# The registry, and the namespace of names that have none: `ai`, as Docker Model Runner and llama.cpp have it.
WELL_KNOWN = {"docker": (DOCKER_HUB, "ai"), "ollama": (_OLLAMA, "library")}
_HUB_REGISTRIES = frozenset({"hf.co", "huggingface.co", "registry.hf.co"})
_HOST_PARTS = {"docker": 1, "ollama": 2}  # slashes from which on a name may begin with a registry
# What is offered where a text is no URI.
FORMS = (
    "a model URI is hf:user/model[:QUANT][#REVISION], hf:user/model/FILE[#REVISION], https://…/FILE, file:PATH, "
    "oci://registry/repo[:tag], docker:NAME or ollama:NAME"
)
OTHER_PAGES = frozenset(
    {"api", "blog", "collections", "datasets", "docs", "organizations", "papers", "spaces"}
)

# What follows user/model in the URLs of its pages: those of files, and others.
MODEL_PAGES = frozenset({"blob", "resolve", "raw", "tree"})
OTHER_MODEL_PAGES = frozenset(
    {"blame", "colab", "commit", "commits", "discussions", "edit", "new", "settings", "upload"}
)

# Strings, which `re` compiles at first use: nearly every URI is `hf:`, and start-up must be quick.
_HUB_PAGE = r"(?i)(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)(?:/(.*))?"
_HOST = r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
_WEB = rf"(?ai)(https?)://({_HOST})(/[^?#]*)?(\?[^#]*)?"
_WEB_CHARACTERS = r"(?a)[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*"
_PRIVATE = (
    r"(?i)signature|token|secret|passw|credential|api[_-]?key|access[_-]?key|key-pair-id"
    r"|^(?:sig|auth|authorization|jwt|pwd|policy)$"
)
_OCI_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_OCI = rf"(?ai)({_HOST})/({_OCI_PART}(?:/{_OCI_PART})*)(:[a-z0-9_][a-z0-9_.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
_MODEL_FILE = r"(?ai).*\.gguf(?:\.part[0-9]+of[0-9]+)?"
_OTHER_FILE = r"(?ai).*\.(?:bin|safetensors|onnx|zip|tar|json|pt|pth|ckpt|nemo|npz|tflite|txt|model)"
_DRIVE = r"(?a)[A-Za-z]:[/\\]"


def is_model_file(path: str) -> bool:
    """Whether the name is that of a GGUF file, or of a piece of one."""
    return path.endswith(".gguf") or re.fullmatch(_MODEL_FILE, path) is not None


def has_model_suffix(path: str) -> bool:
    """Whether the name ends as those of model files do, of any type."""
    return is_model_file(path) or re.fullmatch(_OTHER_FILE, path) is not None


def unquote(text: str) -> str:
    """`text` with its percent escapes decoded."""
    if "%" not in text:
        return text
    from urllib.parse import unquote as decode

    return decode(text)


# --- pages and URLs ----------------------------------------------------------------------------------


def hub_page(text: str) -> str | None:
    """What follows the host in a page URL of huggingface.co; None if it is none."""
    match = re.fullmatch(_HUB_PAGE, text)
    return match and (match[1] or "")


def endpoint_page(text: str, hub: str) -> str | None:
    """What follows a hub's URL in that of one of its pages of a model; None if it is none.

    Args:
        text: A URL.
        hub: The hub's own URL. Its host may serve other files too: only what is surely a page of a model counts.
    """
    host, slash, folder = hub.partition("://")[2].partition("/")
    match = re.fullmatch(
        rf"(?i:https?://{re.escape(host)}){re.escape(slash + folder.rstrip('/'))}/(.*)", text
    )
    if match is None:
        return None
    page = match[1]
    user, _, rest = re.split(r"[?#]", page, maxsplit=1)[0].strip("/").partition("/")
    model, _, rest = rest.partition("/")
    if not model or user in OTHER_PAGES:
        return None
    if rest:
        return page if rest.partition("/")[0] in MODEL_PAGES else None
    return None if has_model_suffix(model) else page


def shown_file(query: str) -> str | None:
    """The file that the hub's viewer shows on a model's page, percent-encoded."""
    match = re.search(r"(?:^|&)show_file_info=([^&]+)", query)
    return match[1].replace("%2F", "/") if match else None


def check_query(text: str, query: str) -> None:
    """Refuses a query that holds a secret: manifest and lock go into a repository."""
    for pair in re.split("[&;]", query):
        key = unquote(pair.partition("=")[0])
        if re.search(_PRIVATE, key):
            raise UriError(
                f"`{shown(text)}` holds a secret or a signature (`{printable(key, 40)}`)",
                hint="use the file's lasting URL; credentials come from the environment, .netrc or config.toml",
            )


def web_url(text: str) -> str:
    """The canonical form of the URL of a file."""
    if "#" in text:
        raise error(text, "has a `#`: only hf: URIs have revisions")
    scheme, host, path, query = _split_url(text)
    if not path or path.endswith("/"):
        raise error(text, "names no file: https://host/path is expected")
    decoded = unquote(path)
    fault = path_fault(file_name(decoded))
    if fault or not {".", ".."}.isdisjoint(decoded.split("/")):
        raise error(text, f"has a path that is refused: {fault or 'it has a part `.` or `..`'}")
    return f"{scheme}://{host}{path}{query}"


def check_endpoint(text: str) -> str:
    """The canonical form of a hub's URL: scheme, host, perhaps a path, no slash at the end.

    Raises:
        UriError: it is no such URL, or holds a password or a query.
    """
    scheme, host, path, query = _split_url(text)
    if query or not {".", ".."}.isdisjoint(unquote(path).split("/")):
        raise UriError(
            f"`{shown(text)}` is no endpoint: https://host is expected",
            hint="an endpoint is the URL of a hub, such as https://huggingface.co",
        )
    return f"{scheme}://{host}{path}".rstrip("/")


def authority_fault(authority: str) -> str | None:
    """What is wrong with the host of an address, and its port, as words behind the address; None for a good one.

    What `net.origin` could not ask is refused here, so that it is told where it is written.
    """
    host, colon, port = authority.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = authority, ""
    elif not re.fullmatch(r"(?a)[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        return f"has the port `{printable(port, 20)}`: a port is a number from 1 to 65535"
    labels = host.lower().removesuffix(".").split(".")
    numbers = re.fullmatch(r"(?a)[0-9]+|0x[0-9a-f]*", labels[-1])  # then all of it is an address
    is_address = len(labels) == 4 and all(re.fullmatch(r"(?a)[0-9]{1,3}", each) for each in labels)
    if not re.fullmatch(rf"(?ai){_HOST}", host) or "" in labels or (numbers and not is_address):
        return "names no host that can be asked"
    return None


def _split_url(text: str) -> tuple[str, str, str, str]:
    if len(text) > MAX_URI:
        raise error(text, f"is longer than {MAX_URI} characters")
    if re.match(r"[a-z]+://[^/?]*@", text, re.IGNORECASE):
        where = "credentials come from the environment, .netrc or config.toml"
        raise UriError(f"`{shown(text)}` holds a user or a password", hint=where)
    match = re.fullmatch(_WEB, text)
    if match and re.fullmatch(_WEB_CHARACTERS, text):
        scheme, host, path, query = match.groups(default="")
        if fault := authority_fault(host):
            raise error(text, fault)
        check_query(text, query[1:])
        return scheme.lower(), host.lower(), path, query
    near = None
    if match and text.isprintable() and not match[4]:
        from urllib.parse import quote

        near = quote(text, safe="._~:/?[]@!$&'()*+,;=%-")
    raise error(text, "is not written as a URL" if near else "is no URL", near=near)


# --- files -------------------------------------------------------------------------------------------


def is_path(text: str) -> bool:
    """Whether a text without a scheme is a path: by its start, or by a separator and `.gguf`."""
    if text.startswith(("./", "../", "/", ".\\", "..\\", "\\")) or re.match(_DRIVE, text):
        return True
    return ":" not in text and ("/" in text or "\\" in text) and is_model_file(text)


def file_url_path(text: str, rest: str) -> str:
    """`file:path` is taken as written; `file://` is a URL, whose path is encoded."""
    if not rest.startswith("//"):
        return file_path(text, rest)
    host, slash, path = rest[2:].partition("/")
    if host not in {"", "localhost"} or not slash:
        raise error(text, "names another machine", near=f"file:{rest[2:]}")
    path = unquote(path)
    return file_path(text, path if re.match(_DRIVE, path) else f"/{path}")


def file_path(text: str, path: str) -> str:
    """The path with posix separators and without empty and `.` parts; `..` stays."""
    path = path.replace("\\", "/")
    if path.startswith(("//", "~")):
        raise error(text, "is a network path" if path[0] == "/" else "begins with `~`: write the path out")
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if not parts or parts[-1] == ".." or path.endswith("/"):
        raise error(text, "names no file")
    if not path.isprintable():
        raise error(text, "has a control or invisible character")
    return ("/" if path[0] == "/" else "") + "/".join(parts)


# --- registries --------------------------------------------------------------------------------------


def registry_parts(text: str, scheme: str, rest: str) -> tuple[str, str, str]:
    """Registry, repository and reference (`:tag` or `@sha256:…`; a digest makes its tag a comment)."""
    if scheme == "oci" and not rest.startswith("//"):
        raise error(text, "has no registry", near=f"oci://{rest.lstrip('/')}")
    rest = rest.removeprefix("//")
    if scheme in WELL_KNOWN:
        rest = _with_registry(scheme, rest)
    authority, slash, _ = rest.partition("/")
    if slash and "@" in authority:
        where = "logins come from docker's or podman's files, or the environment"
        raise UriError(f"`{shown(text)}` holds a user or a password", hint=where)
    match = re.fullmatch(_OCI, rest)
    if not match:
        form = "oci://registry/repo" if scheme == "oci" else f"{scheme}:name"
        raise error(text, f"names no model of a registry: {form}[:tag|@sha256:…] is expected")
    registry, repository, tag, digest = match.groups()
    if fault := authority_fault(registry):
        raise error(text, fault)
    registry = registry.lower()
    if registry in _HUB_REGISTRIES:
        quant = tag if tag and tag.lower() != ":latest" else ""
        raise error(
            text, "names a repo of Hugging Face as a registry's model", near=f"hf:{repository}{quant}"
        )
    if registry in DOCKER_HUB_NAMES:
        registry = DOCKER_HUB
        repository = repository if "/" in repository else f"library/{repository}"
    if registry != _OLLAMA and repository != repository.lower():
        near = f"oci://{registry}/{repository.lower()}{tag or ''}"
        raise error(text, "has capital letters, which a registry's repository cannot have", near=near)
    return registry, repository, digest.lower() if digest else tag or ":latest"


def registry_host(registry: str) -> str:
    """The host that answers for a registry."""
    return _DOCKER_HUB_HOST if registry in DOCKER_HUB_NAMES else registry


def _with_registry(scheme: str, name: str) -> str:
    """The name with the registry that it begins with, or that is meant where it begins with none."""
    registry, namespace = WELL_KNOWN[scheme]
    host = name.partition("/")[0]
    if name.count("/") >= _HOST_PARTS[scheme] and ("." in host or ":" in host or host == "localhost"):
        return name
    return f"{registry}/{name}" if "/" in name else f"{registry}/{namespace}/{name}"


# --- errors ------------------------------------------------------------------------------------------


def nearest_scheme(scheme: str) -> str | None:
    """The known scheme that is most like this one, or None."""
    return scheme.lower() if scheme.lower() in SCHEMES else nearest(scheme.lower(), SCHEMES)


def error(text: str, what: str, *, near: str | None = None) -> UriError:
    """The error about `text`, shown without what may be a secret."""
    suggestion = f"; did you mean {shown(near)}?" if near is not None else ""
    return UriError(
        f"`{shown(text)}` {what}{suggestion}",
        hint=FORMS,
    )


def shown(text: str) -> str:
    """A URI as it may be shown: without the user, the password and the query in it."""
    text = re.sub(r"//[^/]*@", "//…@", text)
    return printable(re.sub(r"\?.*", "?…", text, flags=re.DOTALL))
