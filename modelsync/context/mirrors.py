"""Which mirrors a call asks, in which order, and whose word each of them is."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from modelsync.errors import UriError, UsageError

if TYPE_CHECKING:
    from modelsync.context.options import CallOptions
    from modelsync.net.config import UserConfig
    from modelsync.settings import Settings
    from modelsync.spec.mirror import Mirror


def mirrors(
    options: "CallOptions", settings: "Settings", user: "UserConfig", project: Sequence[str]
) -> "tuple[Mirror, ...]":
    """The mirrors of a call: those of the call or the environment, of the user's config, of the manifest; each once.

    Args:
        options: What the call was asked.
        settings: What the environment says.
        user: The user's config.
        project: The mirrors of the manifest, in canonical form.

    Raises:
        UsageError: two options contradict each other.
        UriError: one of them is no mirror.
    """
    from modelsync.spec.mirror import read

    ruled_out = settings.no_mirrors if options.no_mirrors is None else options.no_mirrors
    given = (options.mirrors,) if isinstance(options.mirrors, str) else options.mirrors
    said = settings.mirrors if given is None else tuple(given)
    if ruled_out or (given is not None and not said):
        if settings.mirror_only if options.mirror_only is None else options.mirror_only:
            raise UsageError(
                "no mirror is to be asked, and nothing else either",
                hint="leave out --no-mirrors or --mirror-only, and unset their variables",
            )
        return ()
    found = [*_named(said, None if given is not None else "MODELSYNC_MIRRORS"), *user.mirrors]
    trusted = {mirror.text for mirror in user.trusted_mirrors}
    theirs = (read(text) for text in project)
    found += (mirror._replace(trusted=mirror.text in trusted) for mirror in theirs)
    once: dict[str, Mirror] = {}
    for mirror in found:
        once.setdefault(mirror.text, mirror)
    return tuple(once.values())


def _named(texts: Sequence[str], variable: str | None) -> "Iterator[Mirror]":
    """The mirrors that a call or a variable names; folders are relative to the working directory."""
    from pathlib import Path

    from modelsync.spec.mirror import read

    for text in texts:
        try:
            yield read(text, Path.cwd())
        except UriError as error:
            raise UriError(
                f"{variable}: {error.message}" if variable else error.message, hint=error.hint
            ) from None
