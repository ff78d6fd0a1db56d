"""Logins of container registries, from the files and helpers of docker and podman. Nothing is ever written."""

import base64
import binascii
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.errors import ConfigError
from modelsync.net import login_helpers
from modelsync.net.login_helpers import DOCKER_HUB
from modelsync.spec.names import printable
from modelsync.spec.uri_forms import DOCKER_HUB_NAMES
from modelsync.system import user_files

_IDENTITY = "<token>"  # the user in place of which a helper gives an identity token
_VARIABLE = "DOCKER_AUTH_CONFIG"


class Login(NamedTuple):
    """What is known for a registry. Its repr shows no secret.

    Attributes:
        source: Where it comes from, for messages.
        user: The user, or "".
        password: The password, or "".
        identity: An identity token: the realm's OAuth2 endpoint gives access tokens for it; or "".
        bearer: A token that the registry itself takes, or "".
    """

    source: str
    user: str = ""
    password: str = ""
    identity: str = ""
    bearer: str = ""

    def __repr__(self) -> str:
        return f"<Login from {self.source}>"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode() if self.password else ""
        return tuple(filter(None, (self.password, self.identity, self.bearer, pair)))


class KnownRegistry(NamedTuple):
    """A registry for which there is something, as `doctor` shows it.

    Attributes:
        registry: Host, perhaps with a namespace; "" for a helper that is asked about every registry.
        how: What there is: `password`, `identity token`, `token`, or the helper's program.
        source: The file, or the variable.
        fault: Why it cannot be used, or None.
    """

    registry: str
    how: str
    source: str
    fault: str | None = None


class _File(NamedTuple):
    """One configuration: the parts that are of use, keys as hosts with perhaps a namespace."""

    source: str
    auths: Mapping[str, Mapping[str, Any]]
    helpers: Mapping[str, str]
    store: str | None


class Logins:
    """Finds the login of a registry. Files are read when the first one is asked for; thread-safe.

    The first of these that has something for a registry counts: `DOCKER_AUTH_CONFIG` (JSON), the file of
    `REGISTRY_AUTH_FILE`, docker's `config.json` (in `DOCKER_CONFIG`, else in `~/.docker`), podman's `auth.json` in
    `XDG_RUNTIME_DIR` and in the user's configuration.
    """

    def __init__(self) -> None:
        self._files: list[_File] | None = None
        self._asked: dict[tuple[str, str], Login | None] = {}
        self._lock = threading.RLock()

    def find(self, registry: str, repository: str = "") -> Login | None:
        """The login for a repository, or None.

        Args:
            registry: Host, and port where it has one.
            repository: The repository's name: a file may have logins for parts of a registry.

        Raises:
            ConfigError: a file cannot be read, or a helper failed.
        """
        parts = repository.split("/") if repository else []
        hosts = [DOCKER_HUB] if registry in DOCKER_HUB_NAMES else [registry]
        keys = ["/".join([host, *parts[:count]]) for count in range(len(parts), -1, -1) for host in hosts]
        with self._lock:
            for file in self._read():
                found = self._in_file(file, keys, hosts[0])
                if found is not None:
                    return found
        return None

    def known(self) -> Iterator[KnownRegistry]:
        """Each registry for which there is something, in the order in which it counts. No helper is run.

        Raises:
            ConfigError: a file cannot be read.
        """
        with self._lock:
            files = self._read()
        for file in files:
            for registry, helper in file.helpers.items():
                yield KnownRegistry(
                    registry, login_helpers.program(helper), file.source, login_helpers.fault(helper)
                )
            if file.store is not None:
                yield KnownRegistry(
                    "", login_helpers.program(file.store), file.source, login_helpers.fault(file.store)
                )
            for registry, said in file.auths.items():
                try:
                    login = _login(said, file.source)
                except ConfigError as error:
                    yield KnownRegistry(registry, "nothing", file.source, error.message)
                    continue
                if login is not None:
                    how = "identity token" if login.identity else "token" if login.bearer else "password"
                    yield KnownRegistry(registry, how, file.source)

    def _in_file(self, file: _File, keys: list[str], host: str) -> Login | None:
        for key in keys:
            if key in file.helpers:
                return self._from_helper(file.helpers[key], key, file.source)
        if file.store is not None:
            found = self._from_helper(file.store, host, file.source)
            if found is not None:
                return found
        for key in keys:
            if key in file.auths:
                found = _login(file.auths[key], file.source)
                if found is not None:
                    return found
        return None

    def _from_helper(self, helper: str, server: str, source: str) -> Login | None:
        if (helper, server) not in self._asked:
            self._asked[helper, server] = _of_helper(helper, server, source)
        return self._asked[helper, server]

    def _read(self) -> list[_File]:
        if self._files is None:
            self._files = [file for file in self._all() if file is not None]
        return self._files

    def _all(self) -> Iterator[_File | None]:
        said = os.environ.get(_VARIABLE, "").strip()
        if said:
            yield _parsed(said.encode(), _VARIABLE)
        for path, named in self._paths():
            try:
                data = user_files.read(path, 4 << 20)
            except (FileNotFoundError, NotADirectoryError):
                if named:
                    raise ConfigError(
                        f"{printable(str(path))} is not there",
                        hint="it is the file that REGISTRY_AUTH_FILE names",
                    ) from None
                continue
            except PermissionError:
                continue  # another user's, as in a container: it has nothing for this one
            except OSError as error:
                raise ConfigError(f"{printable(str(path))} cannot be read: {error.strerror}") from None
            yield _parsed(data, str(path))

    def _paths(self) -> Iterator[tuple[Path, bool]]:
        """The files, and whether a variable names each."""
        get = os.environ.get
        if named := get("REGISTRY_AUTH_FILE"):
            yield Path(named), True
        home = _home()
        if folder := get("DOCKER_CONFIG"):
            yield Path(folder) / "config.json", False
        elif home is not None:
            yield home / ".docker" / "config.json", False
        if runtime := get("XDG_RUNTIME_DIR"):
            yield Path(runtime) / "containers" / "auth.json", False
        if config := get("XDG_CONFIG_HOME"):
            yield Path(config) / "containers" / "auth.json", False
        elif home is not None:
            yield home / ".config" / "containers" / "auth.json", False


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # a user without one, as in many containers
        return None


def _parsed(data: bytes, source: str) -> _File | None:
    """A configuration; None for an empty file.

    Raises:
        ConfigError: it is no JSON of the right shape.
    """
    if not data.strip():
        return None
    try:
        document = json.loads(data)
        auths = {registry: said or {} for registry, said in (document.get("auths") or {}).items()}
        helpers = document.get("credHelpers") or {}
        store = document.get("credsStore") or None
        if not all(isinstance(each, dict) for each in (auths, helpers, *auths.values())):
            raise TypeError
        if not all(isinstance(each, str) for each in (*helpers.values(), store or "")):
            raise TypeError
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise ConfigError(
            f"{printable(source)} is no docker configuration: JSON with `auths` is expected",
            hint="`docker login` or `podman login` writes it",
        ) from None
    return _File(
        source,
        {_key(registry): said for registry, said in auths.items()},
        {_key(registry): helper for registry, helper in helpers.items()},
        store,
    )


def _key(registry: str) -> str:
    """A key as hosts are compared: older ones are URLs, as `https://host/v1/`."""
    bare = registry.partition("://")[2] or registry
    bare = re.sub(r"/v[12]/?$", "", bare).rstrip("/")
    host, slash, rest = bare.partition("/")
    return f"{DOCKER_HUB if host in DOCKER_HUB_NAMES else host.lower()}{slash}{rest}"


def _login(said: Mapping[str, Any], source: str) -> Login | None:
    """The login of an entry of `auths`; None where it has none.

    Raises:
        ConfigError: `auth` is no base64 of `user:password`.
    """

    def text(key: str) -> str:
        value = said.get(key)
        return value if isinstance(value, str) else ""

    user, password = text("username"), text("password")
    if coded := text("auth"):
        try:
            bare = coded.replace("\n", "").replace("\r", "")  # as docker reads it
            user, _, password = base64.b64decode(bare, validate=True).decode().rstrip("\0").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ConfigError(
                f"{printable(source)} has an `auth` that is no base64 of user:password",
                hint="`docker login` or `podman login` writes it anew",
            ) from None
    if text("identitytoken"):
        return Login(source, user, identity=text("identitytoken"))
    if text("registrytoken"):
        return Login(source, user, bearer=text("registrytoken"))
    return Login(source, user, password) if user and password else None


def _of_helper(helper: str, server: str, source: str) -> Login | None:
    found = login_helpers.ask(helper, server, source)
    if found is None:
        return None
    user, secret = found
    where = f"{login_helpers.program(helper)}, which {source} names"
    return Login(where, identity=secret) if user == _IDENTITY else Login(where, user, secret)
