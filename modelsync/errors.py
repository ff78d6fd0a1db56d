"""Every error that modelsync raises: one tree, each with a message, a hint and an exit code.

This module is public: `modelsync.ModelsyncError` is the base, and `modelsync.errors` has a class for each `code`.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

if TYPE_CHECKING:
    from typing import Self

Error = TypeVar("Error", bound="ModelsyncError")

# What each exit status of a command means.
EXIT_CODES: Mapping[int, str] = {
    0: "done",
    1: "a person must do something: a stale lock, a gated repo, a wrong hash, a model that is not here",
    2: "the command line, a manifest or lock that cannot be read, the disk",
    3: "the network, or a server that may answer later: try again",
    126: "run: the command cannot be run",
    127: "run: there is no such command",
    130: "interrupted; what has arrived is kept",
}


class Place(NamedTuple):
    """What an error is about in a file of the project.

    Attributes:
        file: Its path; its name alone where the error arose in code that knows no more.
        line: From 1 on, or None.
        keys: Where no line is known: the path of keys that stands there.
        words: What is wrong there, if it is less than what the error says.
    """

    file: str
    line: int | None = None
    keys: tuple[str, ...] = ()
    words: str | None = None


class ModelsyncError(Exception):
    """The base of all errors.

    Attributes:
        message: What happened, and to what; one sentence without a full stop.
        hint: The command or setting that mends it, or None.
        code: A stable kebab-case name for programs (`--format json`).
        exit_code: The exit status of a command that this error ends.
        details: Lines that belong below the message: what differs, one thing a line; the place in a file.
        places: What it is about in the project's files, for programs that show it there.
        model: The title of the model that it is about, where others went on without it.
        errors: All errors of a call that went on with the other models, this one among them; empty elsewhere.
        report: What such a call came to apart from them.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    details: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    model: str | None = None
    errors: "tuple[ModelsyncError, ...]" = ()
    report: object = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint: str | None = None
        if hint:
            self.advise(hint)

    def about(self, model: str, place: str | None = None) -> "Self":
        """The same error as that of one model, with its name and where that stands in the manifest in the message.

        It is another object: several models may have met the same one.
        """
        own = _twin(self)
        own.model = model
        said = self.message.removeprefix(f"{model}: ")  # a file is called by its model too
        own.message = ": ".join(filter(None, (place, model, said)))
        own.args = (own.message, *self.args[1:])
        return own

    def detailed(self, lines: Iterable[str]) -> "Self":
        """Puts lines below the message, and gives the error back. A traceback shows them too."""
        self.details = tuple(lines)
        for line in self.details:
            self.add_note(line)
        return self

    def at(self, *places: Place) -> "Self":
        """Puts down what it is about in the project's files, and gives the error back."""
        self.places = places
        return self

    def advise(self, hint: str) -> None:
        """Adds to the hint. A traceback shows it too."""
        self.hint = f"{self.hint}; {hint}" if self.hint else hint
        self.add_note(f"hint: {hint}")


def _twin(error: Error) -> Error:
    """A copy of an error, with its cause and its notes. `copy.copy` would call `__init__`, whose arguments differ."""
    own = type(error).__new__(type(error))
    own.__dict__.update(error.__dict__)
    if "__notes__" in own.__dict__:
        own.__notes__ = [*error.__notes__]
    own.__cause__, own.__context__ = error.__cause__, error.__context__
    own.__suppress_context__ = error.__suppress_context__
    return own.with_traceback(error.__traceback__)


# --- 2: usage, files of the user's, the disk ---------------------------------------------------------


class UsageError(ModelsyncError):
    """An invalid call or command line."""

    code = "usage"
    exit_code = 2


class UriError(UsageError):
    """A model URI without a known form."""

    code = "bad-uri"


class ManifestError(UsageError):
    """A `models.toml` that is missing, unreadable or invalid."""

    code = "bad-manifest"


class NoManifestError(ManifestError):
    """No manifest was named, and there is none in the working directory or above it."""


class LockfileError(UsageError):
    """A `models.lock` that is unreadable, too new, or contradicts itself."""

    code = "bad-lock"


class ConfigError(UsageError):
    """The user's own `config.toml`, `.netrc` or an environment variable is wrong."""

    code = "bad-config"


class StoreError(UsageError):
    """The store or a project folder cannot be read or written."""

    code = "store"


class NoWorkingDirectoryError(UsageError):
    """The folder that the program was started in was removed since."""

    code = "working-directory"

    def __init__(self) -> None:
        super().__init__("the working directory no longer exists", hint="`cd` to a folder that is there")


class DiskFullError(StoreError):
    """Not enough space for what was asked; nothing was lost."""

    code = "disk-full"


# --- 1: a person must do something -------------------------------------------------------------------


class StaleLockError(ModelsyncError):
    """The lock is out of date, and must not be written."""

    code = "stale-lock"


class DriftError(ModelsyncError):
    """A check found that upstream, or this machine, differs from the lock."""

    code = "drift"


class HashMismatchError(ModelsyncError):
    """Bytes whose hash is not the expected one. They were not published."""

    code = "hash-mismatch"


class NotAModelError(ModelsyncError):
    """A file that should be a model, projector or adapter is not a GGUF file."""

    code = "not-gguf"


class NotFoundError(ModelsyncError):
    """A name, file, repo or revision does not exist."""

    code = "not-found"


class GatedError(ModelsyncError):
    """A source requires credentials, or rejects those it was sent."""

    code = "gated"


class NotSyncedError(ModelsyncError):
    """A model is not on this machine, and must not be fetched."""

    code = "not-synced"


class OfflineError(NotSyncedError):
    """The network is needed, and offline mode is on."""

    code = "offline"


class RefusedError(ModelsyncError):
    """A manifest, a lock or a server asked for something unsafe; it was not done."""

    code = "refused"


class CodeRefusedError(RefusedError):
    """Files that can run code when they are loaded, and that nobody permitted. They were not taken.

    Attributes:
        files: Each with its path and why: a clause.
        label: What the first is called.
        denied: Whether the user's own config refuses them, whatever a manifest allows.
    """

    code = "can-run-code"
    files: tuple[tuple[str, str], ...] = ()
    label: str = ""
    denied: bool = False


class LicenseRefusedError(RefusedError):
    """A model whose license the project does not allow. It was neither locked nor fetched."""

    code = "license-refused"


class MisfitError(ModelsyncError):
    """A model needs more memory than this machine has."""

    code = "does-not-fit"


class ExtraMissingError(ModelsyncError):
    """A feature needs an optional package that is not installed."""

    code = "extra-missing"


# --- 3: the network ----------------------------------------------------------------------------------


class NetworkError(ModelsyncError):
    """A server could not be reached, or broke off, after all retries."""

    code = "network"
    exit_code = 3


class HttpStatusError(NetworkError):
    """A server answered with an error status.

    Attributes:
        status: The HTTP status.
        redirected: Whether it came from another host, after a redirect.
        hub: The URL of the host that answered, if it did as a hub does and not as a CDN.
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
        hub: str | None = None,
        retry_after: float | None = None,
        error_code: str | None = None,
        error_message: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.redirected = redirected
        self.hub = hub
        self.retry_after = retry_after
        self.error_code = error_code
        self.error_message = error_message

    @property
    def stale(self) -> bool:
        """Whether an address that a redirect named may have expired, so that it helps to ask for another one."""
        return self.redirected and self.hub is None and self.status in {401, 403, 404, 410}


# --- 130 ---------------------------------------------------------------------------------------------


class CancelledError(ModelsyncError):
    """The work was interrupted; what had arrived is kept for the next run."""

    code = "interrupted"
    exit_code = 130
