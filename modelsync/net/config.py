"""The user's own `config.toml`: what a repository's manifest is not trusted with."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from modelsync.errors import ConfigError, UriError
from modelsync.net.headers import user_header_fault
from modelsync.net.origin import of
from modelsync.spec.mirror import Mirror, read
from modelsync.spec.names import did_you_mean
from modelsync.spec.toml import Fault, loads
from modelsync.system import user_files

MAX_TEXT = 1 << 20  # characters

CACHES = ("hf-cache",)  # what `link-into` may name

EXAMPLE = """\
insecure-hosts = ["files.lan"]
extra-caches = ["/data/models"]
mirrors = ["oci://registry.lan/team/models", "file:/srv/models"]
trusted-mirrors = ["https://models.example.com/{sha256}"]
deny-code = true
link-into = ["hf-cache"]

[hosts."files.corp.example"]
headers = { Authorization = "Bearer ${TEAM_TOKEN}" }
"""
# Each key with what it is, for people.
KEYS: Mapping[str, str] = {
    "insecure-hosts": "Hosts, or host:port, that may be asked over plain http. No credential goes to them.",
    "extra-caches": "Folders of models that are looked through before a file is fetched, by name and size.",
    "link-into": "`hf-cache`: what is synced is put into the Hugging Face cache too.",
    "mirrors": "Places that are asked for a file by its digest before its origin, or where that is gone.",
    "trusted-mirrors": "Mirrors that count as if they stood in `mirrors` where a manifest names them.",
    "hosts": "By host or host:port, the headers that go to it; `${VAR}` is read from the environment when it is sent.",
    "deny-code": "true: files that can run code are refused, whatever a manifest's `allow-code` says.",
}
_KINDS: Mapping[type, str] = {bool: "true or false", list: "a list", dict: "a table", str: "text in quotes"}


class UserConfig(NamedTuple):
    """What the user said about hosts, folders, mirrors and code.

    Attributes:
        headers: `host` or `host:port` to headers; `${VAR}` in a value is expanded when it is sent.
        insecure_hosts: Hosts, or `host:port`, that may be asked over plain http, without credentials.
        extra_caches: Folders of models that are looked through before a file is fetched.
        link_into: Other tools' caches that what is synced is put into too: `hf-cache`, or none.
        mirrors: Places that are asked for a file by its digest, before its origin.
        trusted_mirrors: Those of manifests that count as if they stood in `mirrors`.
        path: The file, for messages; None when there is none.
        deny_code: Whether files that can run code are refused, whatever a manifest's `allow-code` says.
    """

    headers: Mapping[str, Mapping[str, str]] = {}
    insecure_hosts: frozenset[str] = frozenset()
    extra_caches: tuple[Path, ...] = ()
    link_into: frozenset[str] = frozenset()
    mirrors: tuple[Mirror, ...] = ()
    trusted_mirrors: tuple[Mirror, ...] = ()
    path: Path | None = None
    deny_code: bool = False


def load(path: Path | None) -> UserConfig:
    """Reads the user's configuration.

    Args:
        path: The file, which must be there; None: the one in the platform's user config folder, which need not.

    Raises:
        ConfigError: the file, its line or key, and what is wrong there.
    """
    place = path or default_place()
    if place is None:
        return UserConfig()
    try:
        text = user_files.read_text(place, 4 * MAX_TEXT)
    except FileNotFoundError:
        if path is None:
            return UserConfig()
        raise ConfigError(
            f"{path} is not there", hint="it is the config file that MODELSYNC_CONFIG names"
        ) from None
    except OSError as error:
        raise ConfigError(f"{place} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place} cannot be read: {error}") from None
    document = loads(text, str(place), ConfigError, limit=MAX_TEXT)
    try:
        return _config(document)._replace(path=place)
    except Fault as fault:
        raise fault.located(text, str(place), ConfigError) from None


def default_place() -> Path | None:
    """The file in the platform's user config folder; None for a user without a home, as in many containers."""
    import platformdirs

    try:
        folder = platformdirs.user_config_path("modelsync", appauthor=False)
    except RuntimeError:
        return None
    # Older ones answer with a `~` that is a folder of the working directory, which any user may have written.
    return folder / "config.toml" if folder.is_absolute() else None


def _config(document: Mapping[str, Any]) -> UserConfig:
    _check_keys(document, tuple(KEYS), ())
    insecure = _typed(document.get("insecure-hosts", []), list, ("insecure-hosts",))
    hosts = _typed(document.get("hosts", {}), dict, ("hosts",))
    into = _typed(document.get("link-into", []), list, ("link-into",))
    folders = _typed(document.get("extra-caches", []), list, ("extra-caches",))
    return UserConfig(
        {_host(host, ("hosts", host)): _headers(table, ("hosts", host)) for host, table in hosts.items()},
        frozenset(_host(host, ("insecure-hosts", index)) for index, host in enumerate(insecure)),
        tuple(_folder(folder, ("extra-caches", index)) for index, folder in enumerate(folders)),
        frozenset(_cache(name, ("link-into", index)) for index, name in enumerate(into)),
        _mirrors(document, "mirrors"),
        _mirrors(document, "trusted-mirrors"),
        deny_code=_typed(document.get("deny-code", False), bool, ("deny-code",)),
    )


def _mirrors(document: Mapping[str, Any], key: str) -> tuple[Mirror, ...]:
    texts = _typed(document.get(key, []), list, (key,))
    return tuple(_mirror(text, (key, index)) for index, text in enumerate(texts))


def _mirror(text: Any, at: tuple[str | int, ...]) -> Mirror:
    """A mirror; of a folder the whole path, or one in the user's home."""
    try:
        mirror = read(_typed(text, str, at), Path())
    except UriError as error:
        raise Fault(at, error.message, error.hint) from None
    if mirror.kind == "folder" and not Path(mirror.text).is_absolute():
        raise Fault(at, "the whole path of a folder is expected")
    return mirror


def _headers(table: Any, at: tuple[str | int, ...]) -> dict[str, str]:
    _check_keys(_typed(table, dict, at), ("headers",), at)
    headers: dict[str, str] = _typed(table.get("headers", {}), dict, (*at, "headers"))
    for name, value in headers.items():
        here = (*at, "headers", name)
        fault = user_header_fault(name, _typed(value, str, here))
        if fault:
            raise Fault(here, fault)
    return headers


def _folder(text: Any, at: tuple[str | int, ...]) -> Path:
    """An absolute path; `~` is the user's home."""
    try:
        folder = Path(_typed(text, str, at)).expanduser()
    except RuntimeError:
        raise Fault(at, "the home folder is not known", "give the whole path") from None
    if not folder.is_absolute() or "\0" in text:
        raise Fault(at, "the whole path of a folder is expected")
    return folder


def _cache(name: Any, at: tuple[str | int, ...]) -> str:
    if name not in CACHES:
        raise Fault(at, "no cache that files can be put into", f"known: {', '.join(CACHES)}")
    return str(name)


def _host(text: Any, at: tuple[str | int, ...]) -> str:
    """`host` or `host:port`, in the form that origins are compared in."""
    try:
        if not isinstance(text, str) or re.search(r"[/?#@\s]", text):
            raise UriError("")
        origin = of(f"https://{text}")
        has_port = urlsplit(f"//{text}").port is not None
        return f"{origin.bare_host}:{origin.port}" if has_port else origin.bare_host
    except UriError:
        raise Fault(at, "a host or host:port is expected, without https:// and path") from None


def _check_keys(table: Mapping[str, Any], known: Sequence[str], at: tuple[str | int, ...]) -> None:
    for key in table:
        if key not in known:
            raise Fault((*at, key), f"unknown key{did_you_mean(key, known)}", f"known: {', '.join(known)}")


def _typed(value: Any, kind: type, at: tuple[str | int, ...]) -> Any:
    if not isinstance(value, kind):
        raise Fault(at, f"{_KINDS[kind]} is expected")
    return value
