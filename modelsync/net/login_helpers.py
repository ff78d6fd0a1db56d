"""Credential helpers of docker and podman: programs that keep logins in the system's keychain."""

import json
import re
import shutil
import subprocess

from modelsync.errors import ConfigError
from modelsync.net.server_text import server_text
from modelsync.spec.names import printable

DOCKER_HUB = "index.docker.io"
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"  # what docker and its helpers call it
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_HELPER_SECONDS = 60.0
_NONE_THERE = "credentials not found"


def program(helper: str) -> str:
    """The name of a helper's program, for people."""
    return f"docker-credential-{printable(helper, 60)}"


def fault(helper: str) -> str | None:
    """Why a helper cannot be run; None if it can."""
    if not _HELPER.fullmatch(helper):
        return "that is no name of a helper"
    return None if shutil.which(f"docker-credential-{helper}") else "it is not on the PATH"


def ask(helper: str, server: str, source: str) -> tuple[str, str] | None:
    """The user and the secret that a helper has for a server; None where it knows nothing, or is not here.

    A helper that is not here is no error: a public repository needs no login. `doctor` tells of it.

    Args:
        helper: Its name, as a configuration has it.
        server: The registry.
        source: The configuration, for messages.

    Raises:
        ConfigError: it failed.
    """
    if fault(helper) is not None:
        return None
    name = program(helper)
    path = shutil.which(f"docker-credential-{helper}") or name
    asked = _DOCKER_HUB_KEY if server == DOCKER_HUB else server
    try:
        done = subprocess.run(
            [path, "get"], input=asked.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"{name} did not answer within {_HELPER_SECONDS:g} s",
            hint=f"it is the credential helper that {printable(source)} names",
        ) from None
    except OSError as error:
        raise ConfigError(f"{name} cannot be run: {error.strerror}") from None
    if done.returncode:
        said = (done.stdout or done.stderr).decode("utf-8", "replace").strip()
        if _NONE_THERE in said:
            return None
        raise ConfigError(
            f"{name} has no answer for {printable(server, 100)}: {server_text(said) or done.returncode}",
            hint=f"it is the credential helper that {printable(source)} names",
        )
    try:
        answer = json.loads(done.stdout)
        user, secret = answer["Username"], answer["Secret"]
        if not (isinstance(user, str) and isinstance(secret, str)):
            raise TypeError
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ConfigError(
            f"{name} answered with something other than a login",
            hint=f"it is the credential helper that {printable(source)} names",
        ) from None
    return (user, secret) if secret else None
