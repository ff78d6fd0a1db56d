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
from modelsync.spec.uri_forms import check_endpoint

MAX_MIRRORS = 64

_FIELD = re.compile(r"\{sha256(?::2)?\}")
_SAMPLE = "0" * 64


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
        UriError: it is no mirror.
    """
    scheme = text.partition(":")[0].lower() if re.match(r"[A-Za-z]{2,}:", text) else ""
    if scheme == "oci":
        return Mirror("oci", _oci(text))
    if scheme in ("http", "https"):
        return Mirror("web", _web(text))
    if scheme in ("", "file") and text and folder is not None:
        return Mirror("folder", _folder(text, scheme, folder))
    wanted = "oci://registry/repo, https://host/{sha256}"
    if folder is None and scheme in ("", "file") and "/" in text:
        raise UriError(
            f"`{printable(text, 100)}` is no mirror that a manifest may name: {wanted}",
            hint="a folder of this machine goes with --mirror, MODELSYNC_MIRRORS or your own config.toml",
        )
    raise UriError(f"`{printable(text, 100)}` is no mirror: {wanted}{' or a folder' if folder else ''}")


def _oci(text: str) -> str:
    bare = text.rstrip("/")
    uri = parse(bare).uri
    if not isinstance(uri, OciUri) or not bare.endswith(uri.repository):
        raise UriError(
            "a mirror has neither tag nor digest", hint="for example oci://registry.example.com/team/models"
        )
    return f"oci://{uri.registry}/{uri.repository}"


def _web(text: str) -> str:
    sample = _filled(text, _SAMPLE)
    if "{" in sample or "}" in sample:
        raise UriError(
            f"`{printable(text, 100)}` has braces that mean nothing",
            hint="{sha256} is the digest, {sha256:2} its first two digits",
        )
    host = sample.partition("://")[2].partition("/")[0]
    if _FIELD.search(text.partition("://")[2].partition("/")[0]):
        raise UriError(f"`{printable(text, 100)}`: the digest belongs into the path, not into {host[:20]}…")
    checked = check_endpoint(sample)
    # The canonical form of scheme and host, with the path as it was written.
    begin = checked[: len(checked) - len(checked.partition("://")[2].partition("/")[2])]
    return f"{begin}{text.partition('://')[2].partition('/')[2]}".rstrip("/")


def _folder(text: str, scheme: str, folder: Path) -> str:
    path = text
    if scheme == "file":
        path = text[len("file:") :]
        if path.startswith("//"):
            path = unquote(re.sub(r"^//(localhost)?(?=/)", "", path, flags=re.IGNORECASE))
        if path.startswith("//"):
            raise UriError(
                f"`{printable(text, 100)}` names another machine", hint="for example file:///srv/models"
            )
    if "\0" in path or not path:
        raise UriError(f"`{printable(text, 100)}` names no folder")
    try:
        return str(folder / Path(path).expanduser())
    except RuntimeError:
        raise UriError(f"`{printable(text, 100)}` is in a home that is not known") from None


def _filled(template: str, sha256: str) -> str:
    return template.replace("{sha256:2}", sha256[:2]).replace("{sha256}", sha256)
