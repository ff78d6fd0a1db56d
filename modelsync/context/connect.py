"""Makes the client of a call: what it may log in with, how long it waits, who is told of its requests."""

import threading

from modelsync.context.options import CallOptions
from modelsync.context.telling import Telling
from modelsync.net import credentials
from modelsync.net.client import Client
from modelsync.net.config import UserConfig
from modelsync.net.logins import Logins
from modelsync.settings import Settings


def connect(
    settings: Settings,
    options: CallOptions,
    user: UserConfig,
    telling: Telling,
    *,
    endpoint: str | None,
    cancel: threading.Event,
) -> Client:
    """Makes a client. From then on no secret that it knows is told.

    Args:
        settings: Where defaults come from.
        options: What the call was asked.
        user: The user's configuration.
        telling: Told of requests, where anybody wants to see them.
        endpoint: The hub that a flag names, or None.
        cancel: Once set, every wait ends.
    """
    known = credentials.gather(
        settings, user, token=options.token, endpoint=endpoint, headers=options.headers
    )
    telling.redact = known.redact
    tracer = None
    if telling.hears_requests:
        from modelsync.net.trace import Tracer

        tracer = Tracer(telling.request, known.redact)
    return Client(
        credentials=known,
        insecure_hosts=user.insecure_hosts,
        timeout=(settings.http_timeout, settings.body_timeout),
        cancel=cancel,
        transport=options.transport,
        auth=options.auth,
        logins=Logins(),
        tracer=tracer,
    )
