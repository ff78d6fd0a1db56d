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
    log: Path | None = None  # where requests, warnings and errors are written down


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
    for field, variable in VARIABLES_OF.items():
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
    return VARIABLES_OF[field].names[0]


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


class Variable(NamedTuple):
    """Where a setting is read from.

    Attributes:
        names: The first of these that is not empty counts; of flags, the first that is true.
        read: Makes the setting of the name and the text.
        help: What it is, where the command line has no option for it.
        option: Whether the command line has an option for it too, with the same variable, which says what it is.
    """

    names: tuple[str, ...]
    read: Callable[[str, str], Any]
    help: str = ""
    option: bool = False


# Each setting, by its field in `Settings`, in the order in which they are told. A new one is a line there and here.
VARIABLES_OF: Mapping[str, Variable] = {
    "store": Variable(
        ("MODELSYNC_STORE",), _path, "The store's folder; else `modelsync` in the user's cache folder."
    ),
    "readonly_stores": Variable(
        ("MODELSYNC_READONLY_STORES",),
        _paths,
        "Stores that are searched and never written, joined as in PATH.",
    ),
    "config_file": Variable(
        ("MODELSYNC_CONFIG",), _path, "The user's config.toml; else in the user's config folder."
    ),
    "log": Variable(
        ("MODELSYNC_LOG",),
        _path,
        "A file to write down what -vv shows, without secrets, for its owner alone.",
    ),
    "manifest": Variable(("MODELSYNC_MANIFEST",), _path, option=True),
    "variant": Variable(("MODELSYNC_VARIANT",), _text, option=True),
    "endpoint": Variable(("MODEL_ENDPOINT", "HF_ENDPOINT"), check_endpoint, option=True),
    "offline": Variable(("MODELSYNC_OFFLINE", "HF_HUB_OFFLINE"), _flag, option=True),
    "max_rate": Variable(("MODELSYNC_MAX_RATE",), _rate, option=True),
    "require_fit": Variable(("MODELSYNC_REQUIRE_FIT",), _flag, option=True),
    "adopt": Variable(("MODELSYNC_ADOPT",), _flag, option=True),
    "hf_cache": Variable(("MODELSYNC_HF_CACHE",), _flag, option=True),
    "mirrors": Variable(
        ("MODELSYNC_MIRRORS",), _words, "Places that are asked for files by their digests first, as --mirror."
    ),
    "no_mirrors": Variable(("MODELSYNC_NO_MIRRORS",), _flag, option=True),
    "mirror_only": Variable(("MODELSYNC_MIRROR_ONLY",), _flag, option=True),
    "http_timeout": Variable(
        ("MODELSYNC_HTTP_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"),
        _seconds,
        "Seconds without a byte after which a server is given up: 10.",
    ),
    "body_timeout": Variable(
        ("MODELSYNC_HTTP_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"),
        _seconds,
        "Seconds without a byte of a file after which its server is given up: 10.",
    ),
    "trust_size": Variable(
        ("MODELSYNC_VERIFY",), _trust_size, "size: a file of the right size is taken without hashing it once."
    ),
    "token": Variable(
        ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"), _text, "A token for the hub that HF_ENDPOINT names."
    ),
    "token_path": Variable(("HF_TOKEN_PATH",), _path, "A file with that token; else `token` in HF_HOME."),
    "implicit_token": Variable(
        ("HF_HUB_DISABLE_IMPLICIT_TOKEN",), _no_flag, "1: a token in a file is not sent."
    ),
}
_NAMES = dict.fromkeys(name for variable in VARIABLES_OF.values() for name in variable.names)

# What is read elsewhere: by the part of the program that it concerns.
ELSEWHERE: Mapping[str, str] = {
    "MODELSYNC_PATH_<NAME>": "The path of a model, before every other place; MODELSYNC_MMPROJ_<NAME> and so on too.",
    "HF_HOME": "Hugging Face's folder: its cache and its token.",
    "HF_HUB_CACHE": "The Hugging Face cache; HUGGINGFACE_HUB_CACHE is its old name.",
    "HF_HUB_DISABLE_SYMLINKS": "1: what is put into that cache is copied.",
    "OLLAMA_MODELS": "Ollama's models; LLAMA_CACHE, KRONK_MODELS and MODELS_PATH are those of other tools.",
    "DOCKER_CONFIG": "The folder of docker's logins, for registries.",
    "DOCKER_AUTH_CONFIG": "Logins for registries, as JSON.",
    "REGISTRY_AUTH_FILE": "The file of podman's logins.",
    "NETRC": "The file of logins for servers; else ~/.netrc.",
    "HTTPS_PROXY": "The proxy; HTTP_PROXY, ALL_PROXY and NO_PROXY as everywhere.",
    "SSL_CERT_FILE": "Certificates that are trusted; SSL_CERT_DIR is a folder of them.",
    "GITHUB_ACTIONS": "true: errors and warnings are annotations too; paths are from GITHUB_WORKSPACE.",
    "SOURCE_DATE_EPOCH": "The time that `export --to cyclonedx` writes, in seconds since 1970; else it writes none.",
    "NO_COLOR": "No colours; FORCE_COLOR: colours in a pipe too.",
    "CUDA_VISIBLE_DEVICES": "The GPUs that count; HIP_VISIBLE_DEVICES too.",
    "XDG_CACHE_HOME": "Where the store and other tools' caches are; XDG_CONFIG_HOME, XDG_DATA_HOME and XDG_RUNTIME_DIR"
    " as elsewhere.",
}


# All variables that are read here; options of the command line have some of their own beside these.
VARIABLES = (*_NAMES, "HF_HOME")
# Those without an option: a command line that is read without click may leave them to the settings.
SETTINGS_ALONE = frozenset(
    name for variable in VARIABLES_OF.values() if not variable.option for name in variable.names
)
