"""Credentials, each bound to the origin it belongs to."""

import base64
import errno
import netrc
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from modelsync.errors import ConfigError, UsageError
from modelsync.net.config import UserConfig
from modelsync.net.headers import header_fault, user_header_fault
from modelsync.net.origin import DEFAULT_PORTS, Origin, is_loopback, of
from modelsync.settings import DEFAULT_ENDPOINT, Settings
from modelsync.spec.names import printable
from modelsync.system import user_files

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)
_SHORTEST_SECRET = 4  # characters; what is shorter would black out ordinary words


class Rule(NamedTuple):
    """Headers and the origins that they belong to.

    Attributes:
        host: The host.
        port: Its port; None: any.
        scheme: Its scheme; None: https, and on loopback http too.
        headers: What is sent to it; `${VAR}` in a value stands for a variable if `expands`.
        source: Where this comes from, for messages.
        expands: Whether `${VAR}` is expanded.
    """

    host: str
    port: int | None
    scheme: str | None
    headers: Mapping[str, str]
    source: str
    expands: bool = False

    def fits(self, origin: Origin) -> bool:
        """Whether these headers belong to that origin."""
        return (
            origin.host == self.host
            and self.port in (None, origin.port)
            and self.scheme in (None, origin.scheme)
        )


class Credentials:
    """Secrets, each with its origin. They appear in no repr.

    Args:
        rules: The first that has a header for an origin wins.
    """

    __slots__ = ("_learnt", "_rules")

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._learnt: set[str] = set()

    def __repr__(self) -> str:
        return f"<Credentials for {sorted({rule.host for rule in self._rules})}>"

    def headers_for(self, url: str) -> dict[str, str]:
        """The headers that go to this address; none over plain http, but to loopback.

        Raises:
            ConfigError: one of them names a variable that is not set.
        """
        origin = of(url)
        if origin.scheme != "https" and not is_loopback(origin.host):
            return {}
        chosen: dict[str, tuple[str, str]] = {}
        for rule in self._rules:
            if rule.fits(origin):
                for name, value in rule.headers.items():
                    if name.lower() not in chosen:
                        chosen[name.lower()] = (name, _expanded(name, value, rule))
        return dict(chosen.values())

    def source_for(self, url: str, name: str = "Authorization") -> str | None:
        """Where the header of that name comes from that goes to this address; None where none does."""
        origin = of(url)
        if origin.scheme != "https" and not is_loopback(origin.host):
            return None
        named = (rule for rule in self._rules if any(each.lower() == name.lower() for each in rule.headers))
        return next((rule.source for rule in named if rule.fits(origin)), None)

    def keep_secret(self, *words: str) -> None:
        """Has `redact` replace these too: what a login or a realm gave since."""
        self._learnt |= {word for word in words if len(word) >= _SHORTEST_SECRET}

    def redact(self, text: str) -> str:
        """The text with every known secret replaced by `***`."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> set[str]:
        values = {
            _VARIABLE.sub(lambda match: os.environ.get(match[1], ""), value) if rule.expands else value
            for rule in self._rules
            for value in rule.headers.values()
        }
        words = {
            word for value in values for word in (value, value.partition(" ")[2].strip(), *_login_of(value))
        }
        quoted = {quote(word, safe="") for word in words}
        return {word for word in words | quoted if len(word) >= _SHORTEST_SECRET} | self._learnt


def _login_of(value: str) -> tuple[str, ...]:
    """The password of a `Basic` header's value, and the pair that it stands in; empty for another header."""
    scheme, _, coded = value.partition(" ")
    if scheme.lower() != "basic":
        return ()
    try:
        pair = base64.b64decode(coded, validate=True).decode()
    except ValueError:
        return ()
    return (pair, pair.partition(":")[2])


def gather(
    settings: Settings,
    config: UserConfig,
    *,
    token: str | None = None,
    endpoint: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Credentials:
    """Collects every credential there is: flags, the token, the user's config.toml, .netrc; the first wins.

    Args:
        settings: The environment's; its token belongs to its own endpoint, else to https://huggingface.co.
        config: The user's configuration.
        token: An explicit token. It belongs to `endpoint` if given, else where the environment's does.
        endpoint: The endpoint of a flag or argument; never one that a manifest names.
        headers: Pairs of an address and a `Name: value` that goes to its origin.

    Raises:
        UsageError: a header is malformed.
        ConfigError: a token or .netrc is.
    """
    rules = [_flag(url, header) for url, header in headers]
    home = settings.endpoint or DEFAULT_ENDPOINT
    if token:
        rules.append(_bearer(token, endpoint or home, "the token that was given"))
    if settings.implicit_token:
        if settings.token:
            rules.append(_bearer(settings.token, home, "HF_TOKEN"))
        elif stored := _stored_token(settings.token_path):
            rules.append(_bearer(stored, home, str(settings.token_path)))
    rules += [_from_config(host, said, config) for host, said in config.headers.items()]
    rules += _from_netrc()
    return Credentials(rules)


def _flag(url: str, header: str) -> Rule:
    origin = of(url)
    name, colon, value = header.partition(":")
    name, value = name.strip(), value.strip()
    if not colon:  # the whole may be a secret: none of it is repeated
        raise UsageError("a header has no `:` behind its name", hint='--header "Authorization: Bearer …"')
    fault = user_header_fault(name, value)
    if fault:
        raise UsageError(
            f"the header `{printable(name)}` cannot be sent: {fault}",
            hint='--header "Authorization: Bearer …"',
        )
    return Rule(origin.host, origin.port, origin.scheme, {name: value}, "--header")


def _bearer(token: str, endpoint: str, source: str) -> Rule:
    origin = of(endpoint)
    if header_fault("Authorization", token) or " " in token:
        raise ConfigError(f"{source} holds no token: there are characters in it that none has")
    return Rule(origin.host, origin.port, origin.scheme, {"Authorization": f"Bearer {token}"}, source)


def _stored_token(path: Path | None) -> str | None:
    """The token that `hf auth login` wrote; a file that is not there or not ours to read holds none."""
    try:
        return user_files.read_text(path).strip() if path else None
    except (OSError, UnicodeDecodeError):
        return None


def _from_config(host: str, headers: Mapping[str, str], config: UserConfig) -> Rule:
    origin = of(f"https://{host}")
    loopback = is_loopback(origin.host)
    port = origin.port if origin.port != DEFAULT_PORTS["https"] or not loopback else None
    return Rule(origin.host, port, None, headers, str(config.path or "config.toml"), expands=True)


def _from_netrc() -> list[Rule]:
    """Logins by host. A `default` entry belongs to no host, so it goes to none."""
    named = os.environ.get("NETRC")
    try:
        candidates = [Path(named)] if named else [Path.home() / name for name in (".netrc", "_netrc")]
    except RuntimeError:  # no home
        return []
    for path in candidates:
        try:
            user_files.read(path)  # netrc itself would read what has no end
            hosts = netrc.netrc(path).hosts
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EFBIG):
                raise ConfigError(
                    f"{path} is no .netrc: {error.strerror}", hint="let NETRC name another file"
                ) from None
            continue
        except (netrc.NetrcParseError, UnicodeDecodeError) as error:
            where = f":{error.lineno}" if isinstance(error, netrc.NetrcParseError) else ""
            raise ConfigError(
                f"{path}{where} is no .netrc", hint="mend it, or let NETRC name another file"
            ) from None
        return [_login(host, *entry, path) for host, entry in hosts.items() if host != "default"]
    return []


def _login(host: str, user: str, account: str, password: str, path: Path) -> Rule:
    pair = base64.b64encode(f"{user or account}:{password}".encode()).decode()
    return Rule(host.lower(), None, None, {"Authorization": f"Basic {pair}"}, str(path))


def _expanded(name: str, value: str, rule: Rule) -> str:
    if not rule.expands:
        return value

    def variable(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise ConfigError(
                f"{rule.source}: the header `{name}` for {rule.host} needs the variable {match[1]}, which is not set",
                hint=f"set {match[1]}, or take the header out",
            )
        return found

    expanded = _VARIABLE.sub(variable, value)
    fault = header_fault(name, expanded)
    if fault:
        raise ConfigError(f"{rule.source}: the header `{name}` for {rule.host} cannot be sent: {fault}")
    return expanded
