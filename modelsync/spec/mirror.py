"""Mirrors: places that have bytes by their digest. Pure.

`oci://registry/repo` is a repository of a registry, whose blobs are named by digest. In the address of a web mirror,
`{sha256}` is the digest in hex and `{sha256:2}` its first two digits; without them, files stand below the address by
their digests. A folder is the same on this machine.
"""

import re
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote

from modelsync.errors import UriError
from modelsync.spec.names import printable
from modelsync.spec.uri import OciUri, parse
from modelsync.spec.uri_forms import MAX_URI, authority_fault, shown

_FIELD = re.compile(r"\{sha256(?::2)?\}")
_UNKNOWN_FIELD = re.compile(r"\{(?!sha256(?::2)?\})[a-z0-9_]+(?::[0-9]*)?\}")
_EXPECTED = "a mirror is oci://registry/repo or https://host/{sha256}, or a folder that the user names"


class Mirror(NamedTuple):
    """A mirror as it is written, in canonical form.

    Attributes:
        kind: `oci`, `web`, or `folder`: one of this machine.
        text: `oci://registry/repo`, a URL, or an absolute path.
        trusted: Whether the user named it. One that a manifest alone names is used only for digests that the file's
            origin confirms.
    """

    kind: Literal["oci", "web", "folder"]
    text: str
    trusted: bool = True

    def __str__(self) -> str:
        return printable(self.text, 200)

    def place_of(self, sha256: str) -> str:
        """The URL or the path of a file. Not for `oci`."""
        whole = self.text if "{sha256}" in self.text else f"{self.text.rstrip('/')}/{{sha256}}"
        return _filled(whole, sha256)

    @property
    def folder(self) -> str:
        """The folder that all its files are in. For `folder` alone."""
        before, field, _ = self.text.partition("{sha256")
        return before.rpartition("/")[0] or "/" if field else self.text

    @property
    def repository(self) -> tuple[str, str]:
        """Registry and repository. For `oci` alone."""
        registry, _, name = self.text.removeprefix("oci://").partition("/")
        return registry, name


def read(text: str, folder: Path | None = None) -> Mirror:
    """Reads a mirror.

    Args:
        text: As it is written.
        folder: What a relative path is relative to; None: no folder of this machine is taken.

    Raises:
        UriError: it is no mirror; its hint says what is expected.
    """
    scheme = text.partition(":")[0].lower() if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text) else ""
    if not text.strip():
        raise UriError("the mirror is an empty text", hint=_EXPECTED)
    if text != text.strip() or not text.isprintable():
        raise _refused(text, "begins or ends with a blank, or has an invisible character")
    if scheme == "oci":
        return Mirror("oci", _oci(text))
    if scheme in ("http", "https"):
        return Mirror("web", _web(text))
    if scheme in ("", "file") and "://" not in text.removeprefix("file://"):
        if folder is not None:
            return Mirror("folder", _folder(text, scheme, folder))
        raise _refused(
            text,
            "is a folder, and a manifest may name none",
            "a folder of this machine goes with --mirror, MODELSYNC_MIRRORS or your own config.toml",
        )
    raise _refused(
        text, "is of no kind that can be a mirror", f"{_EXPECTED}; a bucket goes by its https address"
    )


def _oci(text: str) -> str:
    bare = text.rstrip("/")
    authority, _, name = bare.partition("://")[2].partition("/")
    _check_address(text, authority)
    if not name or "{" in name:
        raise _refused(text, "names no repository", "for example oci://registry.example.com/team/models")
    try:
        uri = parse(bare).uri
    except UriError as error:
        raise UriError(error.message, hint=_EXPECTED) from None
    if not isinstance(uri, OciUri) or not bare.endswith(uri.repository):
        raise _refused(
            text, "has a tag or a digest: a mirror is a whole repository", "leave out what follows its name"
        )
    return f"oci://{uri.registry}/{uri.repository}"


def _web(text: str) -> str:
    authority, _, path = text.partition("://")[2].partition("/")
    _check_address(text, authority)
    _check_fields(text, authority, path)
    if not {".", ".."}.isdisjoint(unquote(path).split("/")):
        raise _refused(text, "has a path with a part `.` or `..`")
    if not re.fullmatch(r"(?a)[A-Za-z0-9._~:/@!$&'()*+,;=%{}-]*", path):
        raise _refused(text, "is not written as a URL: encode its path, as `%20` for a blank")
    return f"{text.partition(':')[0].lower()}://{authority.lower()}/{path}".rstrip("/")


def _check_address(text: str, authority: str) -> None:
    """Refuses what can never be asked, or holds a secret: an address stands in files that others read, and in logs."""
    if "@" in authority:
        raise _refused(
            text,
            "holds a user or a password",
            "leave them out: logins come from docker's or podman's files, .netrc or [hosts] in your own config.toml",
        )
    if "?" in text or "#" in text:
        raise _refused(
            text, "has a `?` or a `#`", "leave out what follows: files are asked for by their paths alone"
        )
    if "{" in authority:
        raise _refused(text, "has the digest in its host", "it belongs into the path")
    if fault := authority_fault(authority):
        raise _refused(text, fault)


def _check_fields(text: str, *parts: str) -> None:
    """Refuses a field that nothing fills in."""
    if any(re.search(r"[{}]", _FIELD.sub("", part)) for part in parts):
        raise _refused(
            text, "has braces that mean nothing", "{sha256} is the digest, {sha256:2} its first two digits"
        )


def _refused(text: str, what: str, hint: str | None = None) -> UriError:
    return UriError(f"the mirror `{shown(text[:MAX_URI])}` {what}", hint=hint or _EXPECTED)


def _folder(text: str, scheme: str, folder: Path) -> str:
    path = text
    if scheme == "file":
        path = text[len("file:") :]
        if path.startswith("//"):
            path = unquote(re.sub(r"^//(localhost)?(?=/)", "", path, flags=re.IGNORECASE))
        if path.startswith("//"):
            raise _refused(text, "names another machine", "for example file:///srv/models")
    if "\0" in path or not path:
        raise _refused(text, "names no folder")
    if _UNKNOWN_FIELD.search(path):  # other braces may be in a name
        _check_fields(text, path)
    try:
        return str(folder / Path(path).expanduser())
    except RuntimeError:
        raise _refused(text, "is in a home that is not known") from None


def _filled(template: str, sha256: str) -> str:
    return template.replace("{sha256:2}", sha256[:2]).replace("{sha256}", sha256)
