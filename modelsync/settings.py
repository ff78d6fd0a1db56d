"""Settings from the environment, read in one place.

`MODELSYNC_…` are ours; `HF_…`, `MODEL_ENDPOINT`, `XDG_CACHE_HOME` and `NO_COLOR` mean what they mean to the
Hugging Face tools, llama.cpp and other programs.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from modelsync.errors import ConfigError
from modelsync.sizes import parse_rate

DEFAULT_ENDPOINT = "https://huggingface.co"
DEFAULT_HTTP_TIMEOUT = 10.0
TRUE_WORDS = frozenset({"1", "ON", "YES", "TRUE"})

# All that are read here; command-line options have more.
VARIABLES = (
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
    "HF_TOKEN_PATH",
    "HUGGING_FACE_HUB_TOKEN",
    "MODELSYNC_CONFIG",
    "MODELSYNC_HTTP_TIMEOUT",
    "MODELSYNC_MANIFEST",
    "MODELSYNC_MAX_RATE",
    "MODELSYNC_OFFLINE",
    "MODELSYNC_READONLY_STORES",
    "MODELSYNC_REQUIRE_FIT",
    "MODELSYNC_STORE",
    "MODELSYNC_VARIANT",
    "MODEL_ENDPOINT",
)


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
    max_rate: int | None = None  # bytes a second, over all connections; None: no limit
    require_fit: bool = False  # refuse to fetch a model that cannot fit this machine
    config_file: Path | None = None  # MODELSYNC_CONFIG; None: the platform's user config folder


def truth(word: str | None) -> bool:
    """Whether a variable's value is one of the true words, in any case."""
    return word is not None and word.strip().upper() in TRUE_WORDS


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings from `environ` (default: the process's own).

    Raises:
        ConfigError: a variable has an invalid value; the message begins with its name.
    """
    env = os.environ if environ is None else environ

    def text(*names: str) -> str | None:
        return next((env[name].strip() for name in names if env.get(name, "").strip()), None)

    def path(name: str) -> Path | None:
        value = text(name)
        return _path(name, value) if value else None

    readonly = "MODELSYNC_READONLY_STORES"
    hub = next((name for name in ("MODEL_ENDPOINT", "HF_ENDPOINT") if text(name)), None)
    return Settings(
        store=path("MODELSYNC_STORE"),
        readonly_stores=tuple(
            _path(readonly, part) for part in (text(readonly) or "").split(os.pathsep) if part
        ),
        manifest=path("MODELSYNC_MANIFEST"),
        variant=text("MODELSYNC_VARIANT"),
        endpoint=check_endpoint(hub, env[hub].strip()) if hub else None,
        token=text("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        token_path=path("HF_TOKEN_PATH") or _token_path(env),
        implicit_token=not truth(env.get("HF_HUB_DISABLE_IMPLICIT_TOKEN")),
        offline=truth(env.get("MODELSYNC_OFFLINE")) or truth(env.get("HF_HUB_OFFLINE")),
        http_timeout=_seconds("MODELSYNC_HTTP_TIMEOUT", text("MODELSYNC_HTTP_TIMEOUT")),
        max_rate=_rate("MODELSYNC_MAX_RATE", text("MODELSYNC_MAX_RATE")),
        require_fit=truth(env.get("MODELSYNC_REQUIRE_FIT")),
        config_file=path("MODELSYNC_CONFIG"),
    )


def check_endpoint(name: str, value: str) -> str:
    """Returns a hub's URL if it holds no secret: errors show it.

    Args:
        name: The variable or flag that has it.
        value: The URL.

    Raises:
        ConfigError: it holds a user or a password.
    """
    if value != without_login(value):
        raise ConfigError(
            f"{name} holds a user or a password",
            hint="take them out; a hub's logins stand in .netrc, its headers in config.toml",
        )
    return value


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


def _rate(name: str, value: str | None) -> int | None:
    try:
        return None if value is None else parse_rate(value)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}", hint=f"unset {name} for no limit") from None


def _seconds(name: str, value: str | None) -> float:
    if value is None:
        return DEFAULT_HTTP_TIMEOUT
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise ConfigError(f"{name}={value!r} is not a number of seconds", hint=f"for example {name}=30")
    return seconds
