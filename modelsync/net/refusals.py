"""Messages for error statuses: the server, the hub's own words, and what mends it."""

import json
import re
from http import HTTPStatus

from modelsync.errors import HttpStatusError
from modelsync.net.credentials import Credentials
from modelsync.net.exchange import FinalAnswer
from modelsync.net.host_limits import retry_after
from modelsync.net.origin import public_url
from modelsync.net.server_text import server_text
from modelsync.net.tokens import login_hint, repository_of

_CREDENTIALS = (
    "credentials come from HF_TOKEN (for the hub), --header, .netrc, or [hosts] in your own config.toml; "
    "they go to the host that they belong to alone"
)
_HUB_PATH = re.compile(r"/api/models/|/resolve/[^?]*$")  # in addresses of hubs, and of no CDN
_HINTS = {
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    429: "try again later",
}


def refusal(answer: FinalAnswer, credentials: Credentials, data: bytes = b"") -> HttpStatusError:
    """The error for an answer with an error status.

    Args:
        answer: The answer.
        credentials: Whose secrets are not shown.
        data: The answer's body, or the beginning of it: a registry says there what is wrong.
    """
    registry = repository_of(answer.url) is not None and not answer.redirected
    code, said = _registry_words(data) if registry else (None, None)
    code = answer.headers.get("x-error-code", code)
    said = answer.headers.get("x-error-message", said)
    words = server_text(credentials.redact(said)) if said else None
    seconds = retry_after(answer.headers)
    message = f"{public_url(answer.url)} answered {answer.status}"
    phrase = words or _phrase(answer.status)
    if phrase:
        message += f": {phrase}"
    if answer.status == 429 and seconds is not None:
        message += f" (it asks to wait {seconds:g} s)"
    hint = _HINTS.get(answer.status)
    if registry and answer.status in {401, 403}:
        hint = login_hint(answer.origin.authority)
    if registry and answer.status == 429:
        hint = _limit_hint(answer)
    hub = str(answer.origin) if (code and not registry) or _HUB_PATH.search(answer.url) else None
    if hub is not None and answer.status == 429:
        hint = "try again later; with a token (HF_TOKEN) the hub allows more"
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


def _limit_hint(answer: FinalAnswer) -> str:
    """What helps where a registry counts pulls. Docker Hub says how many it allows: `100;w=21600`."""
    said = re.fullmatch(r"(?a)([0-9]{1,9});w=([0-9]{1,9})", answer.headers.get("ratelimit-limit", ""))
    count = f"it allows {said[1]} pulls in {int(said[2]) / 3600:g} hours; " if said else ""
    return f"{count}with a login it may allow more ({login_hint(answer.origin.authority)}); a mirror needs no pull"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _registry_words(data: bytes) -> tuple[str | None, str | None]:
    """The code and the words of a registry's error: `{"errors": [{"code", "message", "detail"}]}`."""
    try:
        first = json.loads(data)["errors"][0]
        code, words = first.get("code"), first.get("message")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None, None
    code = code if isinstance(code, str) and code else None
    return code, words if isinstance(words, str) and words else code
