"""Settings from the environment, read in one place.

`MODELSYNC_…` are ours; `HF_…`, `MODEL_ENDPOINT`, `XDG_CACHE_HOME` and `NO_COLOR` mean what they mean to the
Hugging Face tools, llama.cpp and other programs.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.errors import ConfigError

DEFAULT_ENDPOINT = "https://huggingface.co"
DEFAULT_HTTP_TIMEOUT = 10.0
_LOOPBACK = r"(?i)(?:[^/?#@]*@)?(?:localhost|127(?:\.\d+){3}|\[::1\])(?:[:/]|$)"
TRUE_WORDS = frozenset({"1", "ON", "YES", "TRUE"})


class Settings(NamedTuple):
    """The environment's settings; flags and arguments override them one by one."""

    store: Path | None = None  # None: the platform's user cache folder
    readonly_stores: tuple[Path, ...] = ()
    manifest: Path | None = None
    variant: str | None = None
    endpoint: str | None = None  # MODEL_ENDPOINT, HF_ENDPOINT; never a manifest's
    token: str | None = None  # HF_TOKEN as a variable; the files are read when a request needs them
    token_path: Path | None = None
    implicit_token: bool = True
    offline: bool = False
    http_timeout: float = DEFAULT_HTTP_TIMEOUT  # seconds without a byte
    body_timeout: float = DEFAULT_HTTP_TIMEOUT  # the same for the bytes of files
    max_rate: int | None = None  # bytes a second, over all connections; None: no limit
    require_fit: bool = False  # refuse to fetch a model that cannot fit this machine
    adopt: bool = True  # look into other tools' caches before a file is fetched
    hf_cache: bool | None = (
        None  # put what is synced into the Hugging Face cache too; None: the config says it
    )
    mirrors: tuple[str, ...] = ()  # asked for a file by its digest, before its origin
    no_mirrors: bool = False  # ask none, whoever names it
    mirror_only: bool = False  # ask nothing but mirrors
    trust_size: bool = False  # a file of the right size is returned without hashing, whatever its time
    config_file: Path | None = None  # MODELSYNC_CONFIG; None: the platform's user config folder


def truth(word: str) -> bool:
    """Whether a variable's value is one of the true words, in any case."""
    return word.strip().upper() in TRUE_WORDS


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings from `environ` (default: the process's own).

    Raises:
        ConfigError: a variable has an invalid value; the message begins with its name.
    """
    env = os.environ if environ is None else environ
    found: dict[str, Any] = {}
    for field, variable in _VARIABLES.items():
        for name in variable.names:
            if text := unquoted(env.get(name, "")):
                found[field] = variable.read(name, text)
                if found[field]:
                    break
    if "token_path" not in found:
        found["token_path"] = _token_path(env)
    return Settings(**found)


def variable_of(field: str) -> str:
    """The variable of a setting, for an option that overrides it."""
    return _VARIABLES[field].names[0]


def check_endpoint(name: str, value: str) -> str:
    """Returns a hub's URL as it is asked, if it holds no secret: errors show it.

    Args:
        name: The variable or flag that has it.
        value: The URL; a host alone means https, or http on loopback.

    Raises:
        ConfigError: it holds a user or a password.
    """
    value = unquoted(value)
    if "://" not in value:
        value = f"{'http' if re.match(_LOOPBACK, value) else 'https'}://{value}"
    if value != without_login(value):
        raise ConfigError(
            f"{name} holds a user or a password",
            hint="take them out; a hub's logins stand in .netrc, its headers in config.toml",
        )
    return value


def unquoted(text: str) -> str:
    """The text without the quotes around it that files for `--env-file` and the like leave there."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def without_login(url: str) -> str:
    """The same URL without user and password."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url, count=1)


def _token_path(env: Mapping[str, str]) -> Path | None:
    """The token in Hugging Face's home: `HF_HOME`, else `${XDG_CACHE_HOME:-~/.cache}/huggingface`."""
    if env.get("HF_HOME"):
        return _path("HF_HOME", env["HF_HOME"]) / "token"
    try:
        return Path(env.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "token"
    except RuntimeError:  # a user without a home folder, as in many containers
        return None


def _path(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"{name}={value!r} is in a home folder that is not known", hint="give it the whole path"
        ) from None


def _paths(name: str, value: str) -> tuple[Path, ...]:
    return tuple(_path(name, part) for part in value.split(os.pathsep) if part)


def _text(_: str, value: str) -> str:
    return value


def _words(_: str, value: str) -> tuple[str, ...]:
    return tuple(value.split())


def _flag(_: str, value: str) -> bool:
    return truth(value)


def _no_flag(_: str, value: str) -> bool:
    return not truth(value)


def _rate(name: str, value: str) -> int:
    from modelsync.sizes import parse_rate

    try:
        return parse_rate(value)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}", hint=f"unset {name} for no limit") from None


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise ConfigError(f"{name}={value!r} is not a number of seconds", hint=f"for example {name}=30")
    return seconds


def _trust_size(name: str, value: str) -> bool:
    if value != "size":
        raise ConfigError(
            f"{name}={value!r} means nothing",
            hint=f"{name}=size takes files by their size; unset it to have unknown ones hashed once",
        )
    return True


class _Variable(NamedTuple):
    """Where a setting is read from.

    Attributes:
        names: The first of these that is not empty counts; of flags, the first that is true.
        read: Makes the setting of the name and the text.
        option: Whether the command line has an option for it too, with the same variable.
    """

    names: tuple[str, ...]
    read: Callable[[str, str], Any]
    option: bool = False


# Each setting, by its field in `Settings`. A new one is a line there and a line here.
_VARIABLES: Mapping[str, _Variable] = {
    "store": _Variable(("MODELSYNC_STORE",), _path),
    "readonly_stores": _Variable(("MODELSYNC_READONLY_STORES",), _paths),
    "manifest": _Variable(("MODELSYNC_MANIFEST",), _path, option=True),
    "variant": _Variable(("MODELSYNC_VARIANT",), _text, option=True),
    "endpoint": _Variable(("MODEL_ENDPOINT", "HF_ENDPOINT"), check_endpoint, option=True),
    "token": _Variable(("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"), _text),
    "token_path": _Variable(("HF_TOKEN_PATH",), _path),
    "implicit_token": _Variable(("HF_HUB_DISABLE_IMPLICIT_TOKEN",), _no_flag),
    "offline": _Variable(("MODELSYNC_OFFLINE", "HF_HUB_OFFLINE"), _flag, option=True),
    "http_timeout": _Variable(("MODELSYNC_HTTP_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"), _seconds),
    "body_timeout": _Variable(("MODELSYNC_HTTP_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"), _seconds),
    "max_rate": _Variable(("MODELSYNC_MAX_RATE",), _rate, option=True),
    "require_fit": _Variable(("MODELSYNC_REQUIRE_FIT",), _flag, option=True),
    "adopt": _Variable(("MODELSYNC_ADOPT",), _flag, option=True),
    "hf_cache": _Variable(("MODELSYNC_HF_CACHE",), _flag, option=True),
    "mirrors": _Variable(("MODELSYNC_MIRRORS",), _words),
    "no_mirrors": _Variable(("MODELSYNC_NO_MIRRORS",), _flag, option=True),
    "mirror_only": _Variable(("MODELSYNC_MIRROR_ONLY",), _flag, option=True),
    "trust_size": _Variable(("MODELSYNC_VERIFY",), _trust_size),
    "config_file": _Variable(("MODELSYNC_CONFIG",), _path),
}
_NAMES = dict.fromkeys(name for variable in _VARIABLES.values() for name in variable.names)

# All variables that are read here; options of the command line have some of their own beside these.
VARIABLES = (*_NAMES, "HF_HOME")
# Those without an option: a command line that is read without click may leave them to the settings.
SETTINGS_ALONE = frozenset(
    name for variable in _VARIABLES.values() if not variable.option for name in variable.names
)
