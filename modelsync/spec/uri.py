"""Parses model URIs: many forms become one canonical form.

`hf:user/model`, `hf:user/model:QUANT`, `hf:user/model/path/file`, each with `#revision`; pages of
huggingface.co; `https://…`; `file:…` and relative paths; `oci://registry/repo[:tag|@digest]`, with `docker:` and
`ollama:` as the two well-known registries. A tag may be held to the manifest that it was: `#sha256:…`.
"""

import re
from typing import NamedTuple, TypeAlias

from modelsync.errors import UriError
from modelsync.spec import uri_forms as forms
from modelsync.spec.names import file_name, path_fault, printable

# Strings: `re` compiles and keeps the few that a program needs.
_HF = r"([^/:@#]+/[^/:@#]+)(?:@([^/:#]*))?(?::([^#]*)|/([^#]*))?(?:#(.*))?"
_REPO_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REPO = f"{_REPO_PART}/{_REPO_PART}"
_QUANT = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?"
_MANIFEST = r"(?a)sha256:[0-9a-f]{64}"
REVISION = r"[^\s~^:?*\[\]\\#]{1,255}"
BAD_REVISION = r"\.\.|//|@\{|/\.|^[./-]|[/.]$|\.lock$"


class HfUri(NamedTuple):
    """A model of the Hugging Face hub, or of a server that speaks its protocol."""

    repo: str
    path: str | None = None
    quant: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"hf:{self.repo}/{self.path.replace('%', '%25').replace('#', '%23')}"
        return f"hf:{self.repo}:{self.quant}" if self.quant is not None else f"hf:{self.repo}"

    @property
    def short_name(self) -> str:
        """What messages call the model: the repo without its user."""
        return self.repo.rpartition("/")[2]

    @property
    def is_local(self) -> bool:
        """Whether it names a file of this machine."""
        return False

    def address(self, hub: str) -> str | None:
        """The URL that requests for it go to; None where there are none.

        Args:
            hub: The hub to ask.
        """
        return hub


class WebUri(NamedTuple):
    """A file at a URL."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The file's name: the last part of the URL's path, decoded."""
        return file_name(forms.unquote(self.url.partition("?")[0]))

    @property
    def short_name(self) -> str:
        """What messages call the model."""
        return file_name(self.url.rstrip("/"))

    @property
    def is_local(self) -> bool:
        """Whether it names a file of this machine."""
        return False

    def address(self, hub: str) -> str | None:  # noqa: ARG002
        """The URL that requests for it go to."""
        return self.url


class FileUri(NamedTuple):
    """A file of this machine; `path` has posix separators and is absolute or relative to the manifest."""

    path: str

    def __str__(self) -> str:
        return f"file:{self.path}"

    @property
    def short_name(self) -> str:
        """What messages call the model."""
        return file_name(self.path)

    @property
    def is_local(self) -> bool:
        """Whether it names a file of this machine."""
        return True

    def address(self, hub: str) -> str | None:  # noqa: ARG002
        """None: no request is made for it."""
        return None


class OciUri(NamedTuple):
    """A model in an OCI registry; `reference` is `:tag` or `@sha256:…`. Docker Hub is `docker.io`."""

    registry: str
    repository: str
    reference: str

    def __str__(self) -> str:
        return f"oci://{self.registry}/{self.repository}{self.reference}"

    @property
    def short_name(self) -> str:
        """What messages call the model."""
        name = file_name(self.repository)
        return name if self.digest is not None else f"{name}{self.reference}"

    @property
    def digest(self) -> str | None:
        """`sha256:…` of the manifest that it names; None where it names a tag."""
        return self.reference[1:] if self.reference[0] == "@" else None

    @property
    def tag(self) -> str:
        """The tag; empty where it names a digest."""
        return "" if self.digest is not None else self.reference[1:]

    @property
    def is_local(self) -> bool:
        """Whether it names a file of this machine."""
        return False

    def address(self, hub: str) -> str | None:  # noqa: ARG002
        """The registry's URL."""
        return f"https://{forms.registry_host(self.registry)}"


Uri: TypeAlias = HfUri | WebUri | FileUri | OciUri


class Reference(NamedTuple):
    """A URI and the revision that was written with it."""

    uri: Uri
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.uri}#{self.revision}" if self.revision is not None else str(self.uri)


def parse(text: str, hub: str | None = None) -> Reference:
    """Reads a model URI in any of its forms.

    Args:
        text: The URI.
        hub: A hub whose pages are `hf:` URIs too, besides huggingface.co.

    Raises:
        UriError: it has no known form, or holds a password, a signature, …
    """
    if len(text) > forms.MAX_URI:
        raise forms.error(text, f"is longer than {forms.MAX_URI} characters")
    if not text.isprintable():
        raise forms.error(text, "has a control or invisible character")
    scheme, _, rest = text.partition(":")
    if scheme in {"hf", "huggingface"}:
        return _hub(text, rest.removeprefix("//"))
    page = forms.hub_page(text)
    if page is None and hub is not None:
        page = forms.endpoint_page(text, hub)
    if page is not None:
        return _page(text, page)
    if forms.is_path(text):
        return Reference(FileUri(forms.file_path(text, text)))
    if scheme in {"http", "https"}:
        return Reference(WebUri(forms.web_url(text)))
    if scheme == "file":
        return Reference(FileUri(forms.file_url_path(text, rest)))
    if scheme in {"oci", *forms.WELL_KNOWN}:
        rest, mark, manifest = rest.partition("#")
        if mark and not re.fullmatch(_MANIFEST, manifest):
            raise forms.error(text, "has a `#`: a model of a registry has a tag behind a `:`, or `@sha256:…`")
        return Reference(OciUri(*forms.registry_parts(text, scheme, rest)), manifest or None)
    raise _unknown(text)


def check_revision(text: str) -> str:
    """Returns `text` if it can be a branch, tag or commit.

    Raises:
        UriError: git has no such names.
    """
    if re.fullmatch(REVISION, text) and text.isprintable() and not re.search(BAD_REVISION, text):
        return text
    raise UriError(
        f"`{printable(text, 80)}` cannot be a revision: git has no such names",
        hint="a revision is a branch, a tag or a commit, such as main or v1.0",
    )


def _hub(text: str, rest: str) -> Reference:
    """Parses what follows the prefix: `user/model[@rev][:QUANT|/path][#rev]`."""
    match = re.fullmatch(_HF, rest)
    if not match:
        raise forms.error(text, "names no model: user/model is expected")
    repo, at, quant, path, revision = match.groups()
    # The hub's own rules for names.
    if not re.fullmatch(_REPO, repo) or "--" in repo or ".." in repo or repo.endswith(".git"):
        raise forms.error(text, f"has `{printable(repo, 100)}` for user/model, which no hub accepts")
    if at is not None and revision is not None:
        raise forms.error(text, "has two revisions, one behind @ and one behind #")
    if at is not None or revision is not None:
        revision = _revision(text, revision if at is None else at)
    if quant is not None and not re.fullmatch(_QUANT, quant):
        what = "a path behind its quant" if "/" in quant else f"`{printable(quant, 80)}` for a quant"
        raise forms.error(text, f"has {what}: either a quant or a file is expected")
    if quant is not None and forms.has_model_suffix(quant):
        raise forms.error(text, "has a file where a quant is expected", near=f"hf:{repo}/{quant}")
    if path is not None:
        path = forms.unquote(path)
        if not path:
            raise forms.error(text, "ends with `/` but names no file")
        fault = path_fault(path)
        if fault:
            raise forms.error(text, f"has a path that is refused: {fault}")
        if at and "." not in file_name(path):  # a branch may have a `/`
            near = f"hf:{repo}#{at}/{path}"
            raise forms.error(text, "may name a branch or a file: a revision goes to the end", near=near)
    return Reference(HfUri(repo, path, quant), revision)


def _page(text: str, rest: str) -> Reference:
    """Parses what follows the hub's URL in that of a page: of a model, a file or a folder."""
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    forms.check_query(text, query)
    user, model, kind, revision, path = (*rest.split("/", 4), "", "", "", "", "")[:5]
    if user in forms.OTHER_PAGES:
        raise forms.error(text, "is no page of a model")
    if kind not in forms.MODEL_PAGES:
        if kind in forms.OTHER_MODEL_PAGES:
            raise forms.error(text, "is no page of a model or of a file in it")
        path = forms.shown_file(query) or "/".join(part for part in (kind, revision, path) if part)
        return _hub(
            text, f"{user}/{model}" + (f"/{path}" if path else "") + (f"#{fragment}" if fragment else "")
        )
    if kind == "tree":
        reference = _hub(text, f"{user}/{model}" + _quant_of_folder(text, path.strip("/")))
    else:
        reference = _hub(text, f"{user}/{model}/{path}")
    revision = _revision(text, forms.unquote(revision))
    if fragment and fragment != revision:
        raise forms.error(text, f"has two revisions, {printable(revision)} and {printable(fragment)}")
    return reference if revision == "main" else reference._replace(revision=revision)


def _quant_of_folder(text: str, folder: str) -> str:
    """`:QUANT` for the folder of a quant; nothing for the repo's own page."""
    if not folder:
        return ""
    from modelsync.spec.labels import quant_of  # few programs need it

    quant = quant_of(file_name(forms.unquote(folder)))
    if quant is None:
        raise forms.error(
            text,
            "is the page of a folder that no quant names: name a file in it, a quant, or its files with `include`",
        )
    return f":{quant}"


def _revision(text: str, revision: str) -> str:
    try:
        return check_revision(revision)
    except UriError as error:
        raise forms.error(text, f"has a bad revision: {error.message}") from None


def _unknown(text: str) -> UriError:
    """The error for an unknown scheme, with the nearest valid form."""
    scheme, colon, rest = text.partition(":")
    if colon and "/" not in scheme:
        near = forms.nearest_scheme(scheme)
        what = (
            "has no known form"
            if near == scheme.lower()
            else f"has the unknown scheme `{printable(scheme, 40)}`"
        )
        return forms.error(text, what, near=f"{near}:{rest}" if near else None)
    hub = re.fullmatch(_HF, text)
    if hub and re.fullmatch(_REPO, hub[1]) and not forms.has_model_suffix(hub[1]):
        return forms.error(text, "has no known form", near=f"hf:{text}")
    return forms.error(text, "has no known form", near=f"./{text}" if forms.has_model_suffix(text) else None)
