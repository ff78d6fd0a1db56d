"""Messages for error statuses: the server, the hub's own words, and what mends it."""

import re
from http import HTTPStatus

from modelsync.errors import HttpStatusError
from modelsync.net.credentials import Credentials
from modelsync.net.exchange import FinalAnswer
from modelsync.net.host_limits import retry_after
from modelsync.net.origin import public_url
from modelsync.net.server_text import server_text

_CREDENTIALS = (
    "credentials come from HF_TOKEN (for the hub), --header, .netrc, or [hosts] in your own config.toml; "
    "they go to the host that they belong to alone"
)
_HUB_PATH = re.compile(r"/api/models/|/resolve/[^?]*$")  # in addresses of hubs, and of no CDN
_HINTS = {
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    429: "try again later; with a token (HF_TOKEN) the hub allows more",
}


def refusal(answer: FinalAnswer, credentials: Credentials) -> HttpStatusError:
    """The error for an answer with an error status."""
    code = answer.headers.get("x-error-code")
    said = answer.headers.get("x-error-message")
    words = server_text(credentials.redact(said)) if said else None
    seconds = retry_after(answer.headers)
    message = f"{public_url(answer.url)} answered {answer.status}"
    phrase = words or _phrase(answer.status)
    if phrase:
        message += f": {phrase}"
    if answer.status == 429 and seconds is not None:
        message += f" (it asks to wait {seconds:g} s)"
    hint = _HINTS.get(answer.status)
    hub = str(answer.origin) if code or _HUB_PATH.search(answer.url) else None
    if answer.redirected and hub is None and answer.status in {401, 403}:
        hint = "the address that the hub redirected to may have expired: try again"
    return HttpStatusError(
        message,
        status=answer.status,
        redirected=answer.redirected,
        hub=hub,
        retry_after=seconds,
        error_code=server_text(credentials.redact(code)) if code else None,
        error_message=words,
        hint=hint,
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
