"""Explains the refusals of registries, and says what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelsync.errors import GatedError, HttpStatusError, ModelsyncError, NotFoundError, RefusedError
from modelsync.net.tokens import login_hint
from modelsync.spec.names import listed, nearest, printable
from modelsync.transfer.responses import OtherSizeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelsync.spec.oci_url import BlobUrl
    from modelsync.spec.uri import OciUri, Uri

_OLLAMA = "registry.ollama.ai"


@contextmanager
def about(uri: Uri) -> Iterator[None]:
    """Names the model in errors about what its manifest says."""
    try:
        yield
    except (NotFoundError, RefusedError) as error:
        raise type(error)(f"{uri}: {error.message}", hint=error.hint) from error


def explain(error: ModelsyncError, uri: OciUri) -> ModelsyncError:
    """Explains a registry's refusal; the same error if it says enough.

    Registries answer 401, 403 or 404 for what is missing and for what is private alike; messages claim no more.

    Args:
        error: What the request raised.
        uri: The model that was asked about.
    """
    if not isinstance(error, HttpStatusError) or error.redirected:
        return error
    place = f"{uri.registry} shows no repository {uri.repository}"
    said = f": {printable(error.error_message)}" if error.error_message else ""
    if error.status in (401, 403):
        return GatedError(
            f"{place} to this machine (HTTP {error.status}{said}): there is none, or it is private",
            hint=f"check its name; if it needs an account, {login_hint(uri.registry)}",
        )
    if error.status in (404, 410) and error.error_code not in ("BLOB_UNKNOWN", "MANIFEST_UNKNOWN"):
        return NotFoundError(
            f"{place}: there is none, or it is private", hint=f"check its name; or {login_hint(uri.registry)}"
        )
    return error


def no_blob(error: HttpStatusError, uri: OciUri, digest: str) -> ModelsyncError:
    """Explains a registry's refusal to give a blob that a lock names."""
    if error.status in (404, 410) and not error.redirected:
        return NotFoundError(
            f"{uri.registry}/{uri.repository} does not have the layer {digest} (any more)",
            hint="`modelsync lock --upgrade` locks what its tag names now",
        )
    return explain(error, uri)


def other_size(error: OtherSizeError, url: BlobUrl) -> OtherSizeError:
    """The error about a layer of another size than its manifest says: a digest never gets another one."""
    return OtherSizeError(
        error.message,
        sizes=error.sizes,
        hint=f"a manifest in {url.registry}/{url.repository} says the wrong size: its owner has to push it again",
    )


def no_manifest(uri: OciUri, digest: str) -> NotFoundError:
    """The error about a manifest that is not there by its digest."""
    return NotFoundError(
        f"{uri.registry}/{uri.repository} has no manifest {digest}",
        hint="if it was there before, it was removed, and `modelsync lock --upgrade` locks what its tag names now",
    )


def no_tag(uri: OciUri, tags: Sequence[str]) -> NotFoundError:
    """The error about a tag that is not there.

    Args:
        uri: The model.
        tags: Those of its repository, as far as the registry tells.
    """
    near = nearest(uri.tag, tags)
    guess = f"; did you mean {printable(near)!r}?" if near else ""
    page = _page(uri)
    hint = f"it has {listed(tags)}" if tags else f"see {page}" if page else "check its name and its tag"
    return NotFoundError(
        f"{uri.registry} has no {uri.repository} with the tag {printable(uri.tag)!r}{guess}", hint=hint
    )


def _page(uri: OciUri) -> str | None:
    """Where people look at a repository of a well-known registry."""
    if uri.registry == _OLLAMA:
        return f"https://ollama.com/{uri.repository}/tags"
    return f"https://hub.docker.com/r/{uri.repository}" if uri.registry == "docker.io" else None
