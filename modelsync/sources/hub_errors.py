"""Explains a hub's refusals, and says what to do.

The hub sends `X-Error-Code` and `X-Error-Message`. Without a token it answers 401 for what is missing, private or
gated alike; messages claim no more than that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from modelsync.errors import GatedError, HttpStatusError, ModelsyncError, NetworkError, NotFoundError
from modelsync.settings import DEFAULT_ENDPOINT
from modelsync.spec.names import listed, nearest, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# What names a hub, the first that is there.
_SETTINGS = "--endpoint, MODEL_ENDPOINT, HF_ENDPOINT or `endpoint` in the manifest"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_BAD_CREDENTIALS = re.compile(
    r"invalid (credentials|(user )?(access )?token)|token .*(expired|revoked)", re.IGNORECASE
)


def explain(
    error: ModelsyncError,
    endpoint: str,
    repo: str,
    *,
    revision: str | None = None,
    path: str | None = None,
    refs: Callable[[], Sequence[str]] = tuple,
) -> ModelsyncError:
    """Explains a hub's refusal about `repo`; the same error if it says enough.

    Args:
        error: What the request raised.
        endpoint: The hub that was asked.
        repo: `user/model`.
        revision: The branch, tag or commit that was asked for.
        path: The file that was asked for.
        refs: Returns the branches and tags; called if the hint names them.
    """
    if not isinstance(error, HttpStatusError):
        return _unreachable(error, endpoint)
    if error.redirected and error.hub is None:
        return error
    asked = endpoint
    if error.redirected and error.hub is not None:  # a mirror sends on what it does not have
        endpoint = error.hub
    page, code, status = f"{endpoint}/{repo}", error.error_code, error.status
    said = error.error_message or ""
    if status == 401 and _BAD_CREDENTIALS.search(said):
        return GatedError(
            f"{_host(endpoint)} does not accept the token it was sent: {printable(said)}",
            hint=f"set HF_TOKEN to a new one from {endpoint}/settings/tokens, or unset it for public models",
        )
    if endpoint != asked and status == 401:
        return _sent_on(error, asked, endpoint, repo)
    if code == "GatedRepo":
        return _gated(endpoint, repo)
    if status in (403, 451) and "disabled" in said.lower():
        return disabled(endpoint, repo)
    if code == "RevisionNotFound":
        return _no_revision(page, repo, revision or "main", refs())
    if code == "EntryNotFound":
        return NotFoundError(
            f"{repo} has no file {printable(path or '?')} at {printable(revision or 'main')}",
            hint=f"see what there is at {page}/tree/{printable(revision or 'main')}",
        )
    if code == "RepoNotFound" or status == 401:
        return NotFoundError(
            f"{_host(endpoint)} shows no repo {repo}: there is none, or it is private or gated",
            hint=f"look for it at {page}; if it needs an account, {_token(endpoint)}",
        )
    if status == 403:
        return GatedError(
            f"{_host(endpoint)} does not let this token read {repo}"
            + (f": {printable(said)}" if said else ""),
            hint=f"give the token read access to the repo at {endpoint}/settings/tokens "
            '(for a gated one the box "read access to public gated repositories")',
        )
    if status in (404, 410):
        return NotFoundError(
            f"{_host(endpoint)} has no repo {repo}, or is not a model hub",
            hint=f"look for {page}; the hub is set by {_SETTINGS}",
        )
    return error


def not_a_hub(endpoint: str, why: str) -> NetworkError:
    """The error for an endpoint whose answers are not a hub's."""
    return NetworkError(
        f"{_host(endpoint)} does not answer like a model hub: {why}",
        hint=f"is that the right address? It is set by {_SETTINGS}; "
        "a proxy's login page answers like this too",
    )


def disabled(endpoint: str, repo: str) -> NotFoundError:
    """The error for a repo that its hub has disabled."""
    return NotFoundError(
        f"{_host(endpoint)} has disabled {repo}: nobody can read it",
        hint=f"{endpoint}/{repo} may say why; look for the model in another repo",
    )


def _unreachable(error: ModelsyncError, endpoint: str) -> ModelsyncError:
    """Adds to a connection error which setting names the hub, if it is not the default."""
    if isinstance(error, NetworkError) and endpoint != DEFAULT_ENDPOINT:
        setting = f"the hub {_host(endpoint)} is set by {_SETTINGS}"
        error.advise(setting)
    return error


def _gated(endpoint: str, repo: str) -> GatedError:
    return GatedError(
        f"{repo} is gated: only accounts that its owner let in may read it",
        hint=f"accept the form at {endpoint}/{repo}, then {_token(endpoint)}; "
        'a fine-grained token needs the box "read access to public gated repositories"',
    )


def _sent_on(error: HttpStatusError, endpoint: str, hub: str, repo: str) -> GatedError:
    """The error for a hub that sends requests on to another one, which wants a token that it does not get."""
    why = "it is gated" if error.error_code == "GatedRepo" else "it may be gated or private"
    asked, host = _host(endpoint), _host(hub)
    return GatedError(
        f"{asked} sends requests for {repo} on to {host}, which lets nobody read it without a token ({why}); "
        f"the token of {asked} is not sent there",
        hint=f"set HF_ENDPOINT={hub} and HF_TOKEN to a token of {host}; or keep the endpoint, and give that token to "
        f'{host} alone, in your own config.toml: [hosts."{host}"] '
        'headers = { Authorization = "Bearer ${HF_TOKEN}" }',
    )


def _no_revision(page: str, repo: str, revision: str, refs: Sequence[str]) -> NotFoundError:
    there = f"it has {listed(refs)}" if refs else f"see {page}/commits/main"
    if _COMMIT.fullmatch(revision):  # it was there when it was locked
        return NotFoundError(
            f"{repo} has no commit {revision}",
            hint="if it was there before, its history was rewritten, and `modelsync lock --upgrade` locks what is "
            f"there now; {there}",
        )
    near = nearest(revision, refs)
    guess = f"; did you mean {printable(near)!r}?" if near else ""
    return NotFoundError(f"{repo} has no branch, tag or commit {printable(revision)!r}{guess}", hint=there)


def _token(endpoint: str) -> str:
    """How to send this hub a token: HF_TOKEN belongs to the environment's hub, never to a manifest's."""
    if endpoint == DEFAULT_ENDPOINT:
        return f"set HF_TOKEN to a token from {endpoint}/settings/tokens"
    host = _host(endpoint)
    return f"set HF_TOKEN (it goes to the hub that HF_ENDPOINT names), or headers for {host} in config.toml"


def _host(endpoint: str) -> str:
    return printable(urlsplit(endpoint).netloc or endpoint)
