"""Every error that modelsync raises: one tree, each with words for people, a hint and an exit code.

Exit codes: 1, a person must do something; 2, usage, an unreadable file of the user's, the disk;
3, the network or a server that may answer later; 130, interrupted.
"""

from typing import ClassVar


class ModelsyncError(Exception):
    """Something went wrong that has a name.

    Attributes:
        message: What happened, and to what; one sentence without a full stop.
        hint: The command or setting that mends it, or None.
        code: A stable kebab-case word for programs (`--format json`).
        exit_code: What the process exits with when this ends a command.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint: str | None = None
        if hint:
            self.advise(hint)

    def advise(self, hint: str) -> None:
        """Adds to the hint. A traceback shows it too."""
        self.hint = f"{self.hint}; {hint}" if self.hint else hint
        self.add_note(f"hint: {hint}")


# --- 2: usage, files of the user's, the disk ---------------------------------------------------------


class UsageError(ModelsyncError):
    """A call or a command line that cannot mean anything."""

    code = "usage"
    exit_code = 2


class UriError(UsageError):
    """A model URI that has no known form."""

    code = "bad-uri"


class ManifestError(UsageError):
    """A `models.toml` that is missing, unreadable or says something impossible."""

    code = "bad-manifest"


class LockfileError(UsageError):
    """A `models.lock` that is unreadable, too new, or contradicts itself."""

    code = "bad-lock"


class ConfigError(UsageError):
    """The user's own `config.toml`, `.netrc` or an environment variable is wrong."""

    code = "bad-config"


class StoreError(UsageError):
    """The store or a project folder cannot be read or written."""

    code = "store"


class DiskFullError(StoreError):
    """Not enough space for what was asked; nothing was lost."""

    code = "disk-full"


# --- 1: a person must do something -------------------------------------------------------------------


class StaleLockError(ModelsyncError):
    """The lock does not answer the manifest any more, and was not to be written."""

    code = "stale-lock"


class DriftError(ModelsyncError):
    """A check found a difference: upstream against the lock, or this machine against it."""

    code = "drift"


class HashMismatchError(ModelsyncError):
    """Bytes that are not the ones that were promised. They were not published."""

    code = "hash-mismatch"


class NotAModelError(ModelsyncError):
    """What was to be a model, projector or adapter is not a GGUF file."""

    code = "not-gguf"


class NotFoundError(ModelsyncError):
    """A name, file, repo or revision that does not exist where it was looked for."""

    code = "not-found"


class GatedError(ModelsyncError):
    """A source wants credentials, or other ones, before it gives the file."""

    code = "gated"


class NotSyncedError(ModelsyncError):
    """A model is not on this machine and was not to be fetched."""

    code = "not-synced"


class OfflineError(NotSyncedError):
    """Something needs the network, and the network was ruled out."""

    code = "offline"


class RefusedError(ModelsyncError):
    """Something unsafe was asked for by a manifest, a lock or a server, and not done."""

    code = "refused"


class MisfitError(ModelsyncError):
    """A model that this machine has not the memory for."""

    code = "does-not-fit"


class ExtraMissingError(ModelsyncError):
    """A feature needs an optional package that is not installed."""

    code = "extra-missing"


# --- 3: the network ----------------------------------------------------------------------------------


class NetworkError(ModelsyncError):
    """A server could not be reached, or broke off, more often than is worth trying."""

    code = "network"
    exit_code = 3


class HttpStatusError(NetworkError):
    """A server answered with an error status.

    Attributes:
        status: The HTTP status.
        redirected: Whether another host than the one asked first gave it.
        retry_after: Seconds that the server asks to wait, or None.
        error_code: The hub's `X-Error-Code`, or None.
        error_message: The hub's `X-Error-Message`, cleaned of control characters, or None.
    """

    code = "http-status"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        redirected: bool = False,
        retry_after: float | None = None,
        error_code: str | None = None,
        error_message: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.redirected = redirected
        self.retry_after = retry_after
        self.error_code = error_code
        self.error_message = error_message


# --- 130 ---------------------------------------------------------------------------------------------


class CancelledError(ModelsyncError):
    """The work was interrupted; what had arrived is kept for the next run."""

    code = "interrupted"
    exit_code = 130
