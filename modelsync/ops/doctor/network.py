"""The hub, the token that goes to it, and the way there; with one request, if there is a network."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from modelsync.context import CallOptions, Context
from modelsync.errors import ConfigError, HttpStatusError, ModelsyncError
from modelsync.ops.doctor.findings import Finding, fault
from modelsync.settings import DEFAULT_ENDPOINT, Settings
from modelsync.spec.names import printable
from modelsync.system import user_files

SECONDS = 5.0  # that the one request may go without a byte
_MOST = 1 << 20  # bytes of its answer


def network(
    context: Context, settings: Settings, asked: str | None, project: str | None
) -> Iterator[Finding]:
    """Endpoint, token, user's configuration, proxy, certificates, and one request.

    Args:
        context: What to ask with.
        settings: The environment's.
        asked: The endpoint of a flag.
        project: The endpoint that the manifest names, if it does.
    """
    endpoint = context.endpoint(project)
    found = _endpoint(endpoint, settings, asked, project)
    yield found
    if found.state == "wrong":
        yield _config(settings)
        return
    sound = True
    for finding in (*_token(endpoint, settings), _config(settings), *_way(endpoint)):
        sound = sound and finding.state != "wrong"
        yield finding
    if context.offline:
        yield Finding("request", "none made: the network is ruled out", "note")
    elif context.mirror_only:
        yield Finding("request", "none made: only mirrors are to be asked", "note")
    elif sound:  # what is wrong already would only go wrong again
        yield _request(endpoint, settings)


def _endpoint(endpoint: str, settings: Settings, asked: str | None, project: str | None) -> Finding:
    from modelsync.net.origin import of

    if asked:
        where = "--endpoint"
    elif settings.endpoint:
        where = "MODEL_ENDPOINT" if os.environ.get("MODEL_ENDPOINT", "").strip() else "HF_ENDPOINT"
    else:
        where = "the manifest" if project else "the default"
    try:
        of(endpoint)
    except ModelsyncError as error:
        hint = "an endpoint is the URL of a hub, such as https://huggingface.co"
        return Finding("endpoint", f"{error.message} ({where})", "wrong", hint)
    return Finding("endpoint", f"{printable(endpoint)} ({where})")


def _token(endpoint: str, settings: Settings) -> Iterator[Finding]:
    from modelsync.net import config, credentials

    try:
        user = config.load(settings.config_file)
    except ModelsyncError:
        user = config.UserConfig()  # `_config` says what is wrong with it
    try:
        known = credentials.gather(settings, user)
        known.headers_for(endpoint)  # with all that is to be put into them
        source = known.source_for(endpoint)
    except ModelsyncError as error:
        yield fault("token", error)
        return
    if source is None:
        home = settings.endpoint or DEFAULT_ENDPOINT
        words = "none: public models alone"
        if not settings.implicit_token:
            words += "; HF_HUB_DISABLE_IMPLICIT_TOKEN is set"
        elif endpoint.rstrip("/") != home.rstrip("/") and (settings.token or _is_file(settings.token_path)):
            words += f"; the one that is here belongs to {printable(home)}"
        yield Finding("token", words, "note")
        if settings.implicit_token and not settings.token and settings.token_path is not None:
            yield from _unread(settings.token_path)
        return
    if source == "HF_TOKEN" and not os.environ.get("HF_TOKEN", "").strip():
        source = "HUGGING_FACE_HUB_TOKEN"
    yield Finding("token", f"from {printable(source, 1000)}")
    yield from _readers(Path(source))


def _unread(path: Path) -> Iterator[Finding]:
    """Why a token file that is here tells none; nothing where it is another hub's."""
    shown = printable(str(path), 1000)
    try:
        if user_files.read_text(path).strip():
            return
        why = "is empty"
    except FileNotFoundError:
        return
    except UnicodeDecodeError:
        why = "is no text"
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
    yield Finding(
        "token file", f"{shown} {why}", "warning", "`hf auth login` writes it again; or set HF_TOKEN"
    )


def _readers(path: Path) -> Iterator[Finding]:
    """Whether others can read a file with a secret in it."""
    if sys.platform == "win32" or not path.is_absolute():
        return
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        shown = printable(str(path), 1000)
        yield Finding("token file", f"others can read {shown}", "warning", f"`chmod 600 {shown}`")


def _config(settings: Settings) -> Finding:
    from modelsync.net import config

    try:
        user = config.load(settings.config_file)
    except ModelsyncError as error:
        return fault("config.toml", error)
    if user.path is None:
        place = config.default_place()
        return Finding("config.toml", f"none; it would be {printable(str(place), 1000)}" if place else "none")
    hosts = f"{len(user.headers)} host{'' if len(user.headers) == 1 else 's'} with headers"
    insecure = f", {len(user.insecure_hosts)} over plain http" if user.insecure_hosts else ""
    return Finding("config.toml", f"{printable(str(user.path), 1000)}: {hosts}{insecure}")


def registries() -> Iterator[Finding]:
    """Which container registries there is a login for, and where it comes from; no helper is run."""
    from modelsync.net.logins import Logins

    for known in Logins().known():
        shown = printable(known.registry, 200) or "all registries"
        text = f"{known.how} ({printable(known.source, 1000)})"
        if known.fault is None:
            yield Finding(shown, text)
        else:
            hint = "install it, or log in again with `docker login` or `podman login`"
            yield Finding(shown, f"{text}: {known.fault}", "warning", hint)


def _way(endpoint: str) -> Iterator[Finding]:
    """Proxy and certificates."""
    from modelsync.net.origin import of
    from modelsync.net.proxies import Proxies

    try:
        origin = of(endpoint)
        proxy = Proxies().proxy_for(origin)
    except ModelsyncError as error:
        yield fault("proxy", error)
        return
    yield Finding("proxy", str(proxy) if proxy else "none")
    if origin.scheme == "https":
        yield _certificates()


def _certificates() -> Finding:
    named = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    for name in named:
        path = Path(os.environ[name])
        if not path.exists():
            return Finding(
                "certificates",
                f"{name} names {printable(str(path), 1000)}, which is not there",
                "wrong",
                f"set {name} to the certificates to trust, or unset it",
            )
    try:
        from modelsync.net.tls import client_context

        client_context()
    except ConfigError as error:
        return Finding("certificates", error.message, "wrong", error.hint)
    return Finding("certificates", f"those of {' and '.join(named)}" if named else "the system's")


def _request(endpoint: str, settings: Settings) -> Finding:
    """Asks the hub whose token it was sent."""
    import json

    from modelsync.net.documents import read_document

    name, shown = "request", printable(endpoint)
    quick = settings._replace(
        http_timeout=min(SECONDS, settings.http_timeout), body_timeout=min(SECONDS, settings.body_timeout)
    )
    with Context(quick, CallOptions(endpoint=endpoint)) as context:
        began = time.perf_counter()
        try:
            client = context.client()
            with client.open(f"{endpoint}/api/whoami-v2") as body:
                data = read_document(body, _MOST)
        except HttpStatusError as error:
            known = context.client().credentials.source_for(endpoint) is not None
            return _refused(error, endpoint, time.perf_counter() - began, known=known)
        except ModelsyncError as error:
            hint = error.hint or "is there a network? a proxy is HTTPS_PROXY; another hub is HF_ENDPOINT"
            return Finding(name, error.message, "wrong", hint)
        seconds = time.perf_counter() - began
    try:
        user = json.loads(data).get("name")
    except (ValueError, AttributeError, RecursionError):
        return Finding(
            name,
            f"{shown} answers, and not as a hub does",
            "wrong",
            "is this the address of a hub? a login page of the network gives such answers too",
        )
    who = f", and knows the token of {printable(user, 60)}" if isinstance(user, str) else ""
    return Finding(name, f"{shown} answers in {seconds * 1000:.0f} ms{who}")


def _refused(error: HttpStatusError, endpoint: str, seconds: float, *, known: bool) -> Finding:
    """What an answer with an error means: that somebody is there, at least. `known`: a token was sent."""
    shown = printable(endpoint)
    took = f"{shown} answers in {seconds * 1000:.0f} ms"
    if error.status in (401, 403) and known:
        return Finding(
            "request",
            f"{shown} does not accept the token",
            "wrong",
            f"make a new one at {shown}/settings/tokens, or unset it for public models",
        )
    if error.status in (401, 403):
        return Finding("request", took)
    if error.status in (404, 405):
        return Finding("request", f"{took}; it does not tell whether it knows a token")
    if error.status == 407:
        return fault("request", error)
    return Finding("request", f"{shown} answers with status {error.status}", "warning", "try again later")


def _is_file(path: Path | None) -> bool:
    return path is not None and path.is_file()
