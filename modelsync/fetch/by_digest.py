"""Where mirrors have a file, by its digest: which are asked, at which address, and which are left alone.

A mirror that failed is left alone for the rest of the call. One that a manifest alone names is asked only for digests
that the file's origin was seen to publish: else an edited lock and a mirror that goes with it would get past the hub.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from modelsync.context import Context
from modelsync.errors import (
    CancelledError,
    HttpStatusError,
    ModelsyncError,
    NotFoundError,
    NotSyncedError,
    StoreError,
)
from modelsync.fetch.wanted import WantedFile
from modelsync.net.retry import FinalNetworkError
from modelsync.spec.names import printable
from modelsync.transfer.jobs import Segment
from modelsync.transfer.least_rate import Trial
from modelsync.transfer.responses import OtherSizeError

if TYPE_CHECKING:
    from modelsync.sources.base import Found
    from modelsync.spec.lock.model import LockedFile
    from modelsync.spec.mirror import Mirror

_LACKS = frozenset({404, 410})

T = TypeVar("T")


class LeftAloneError(FinalNetworkError):
    """The mirror failed for another file before this one was asked for."""


class MirrorTry(NamedTuple):
    """A mirror as it is asked.

    Attributes:
        mirror: The mirror.
        last: Whether no other place is asked after it: then it gets the patience of an origin.
    """

    mirror: "Mirror"
    last: bool = False


def tries(context: Context) -> tuple[MirrorTry, ...]:
    """The mirrors of a call, in the order in which they are asked.

    Where nothing but mirrors may be asked, each is asked again at the end, with the patience that an origin gets.
    """
    mirrors = context.mirrors
    networks = [each for each in mirrors if each.kind != "folder"]
    if not (context.mirror_only and networks):
        return tuple(MirrorTry(each) for each in mirrors)
    first = [each for each in mirrors if each.kind == "folder"] if len(networks) == 1 else mirrors
    return (*(MirrorTry(each) for each in first), *(MirrorTry(each, last=True) for each in networks))


def in_folder(mirror: "Mirror", file: "LockedFile | Found") -> Path | None:
    """The file of that digest in a folder of this machine, if it has the size."""
    if file.sha256 is None:
        return None
    path = os.path.realpath(mirror.place_of(file.sha256))
    try:
        right = os.stat(path).st_size == file.size  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return Path(path) if right else None


def folder_fault(mirror: "Mirror") -> str | None:
    """Why nothing can be in a folder of this machine, as words; None: it is there."""
    try:
        is_folder = stat.S_ISDIR(os.stat(mirror.folder).st_mode)  # noqa: PTH116
    except FileNotFoundError:
        return "there is no such folder"
    except (OSError, ValueError) as error:
        return f"it cannot be read: {getattr(error, 'strerror', None) or error}"
    return None if is_folder else "it is no folder"


def leave(context: Context, mirror: "Mirror", words: str) -> None:
    """Asks a mirror for nothing more in this call, and says why, once."""
    if mirror not in context.left_alone:
        context.left_alone.add(mirror)
        context.warn(f"the mirror {mirror} is left alone for the rest of this run: {printable(words, 300)}")


class NetworkMirror:
    """A registry's repository, or a folder of a web server, as one call asks it.

    Args:
        context: What to work with.
        asked: The mirror, and whether another place is asked after it.

    Attributes:
        last: Whether no other place is asked after it.
        trial: What it is held to where another place is asked after it.
    """

    def __init__(self, context: Context, asked: MirrorTry) -> None:
        self._context = context
        self._mirror = asked.mirror
        self.last = asked.last
        self.trial = None if asked.last else Trial(context.settings.body_timeout, context.max_rate)

    def __str__(self) -> str:
        return str(self._mirror)

    @property
    def left_alone(self) -> bool:
        """Whether it is asked for nothing more."""
        return self._mirror in self._context.left_alone and not self.last

    def check(self) -> None:
        """To be called before each request.

        Raises:
            LeftAloneError: the mirror failed meanwhile.
        """
        if self.left_alone:
            raise LeftAloneError(f"{self._mirror} is left alone")

    def locate(self, wanted: WantedFile, *, any_size: bool = False) -> WantedFile | None:
        """The file as it is here; pieces that are joined are whole. None: the mirror is not asked for this one.

        Args:
            wanted: The file.
            any_size: Whether it is asked for though its size is not known.
        """
        context, sha256 = self._context, wanted.file.sha256
        unsized = wanted.file.size is None and not any_size
        if sha256 is None or unsized or context.offline or self.left_alone:
            return None
        if not self._mirror.trusted and not wanted.confirmed():
            context.detail(
                f"{wanted.label}: {self._mirror} is not asked: the manifest alone names it, and the file's origin does "
                "not confirm the digest"
            )
            return None
        url = self._url(sha256)
        context.client().wait_longer(url)
        segment = Segment(url, wanted.file.size, sha256=sha256)
        return wanted._replace(segments=(segment,), mirror=self._mirror, explain=_as_it_is)

    def failed(self, label: str, error: ModelsyncError) -> None:
        """Tells what a failure means: a word where it lacks the file, else it is left alone from now on."""
        if lacks(error):
            self._context.detail(f"{label}: {self._mirror} does not have it")
        else:
            self.broke(error)

    def broke(self, error: ModelsyncError) -> None:
        """Leaves the mirror alone from now on, unless it only lacks a file."""
        if not (lacks(error) or isinstance(error, (CancelledError, StoreError, LeftAloneError))):
            self._leave(error)

    def explain(self, wanted: WantedFile, error: ModelsyncError) -> ModelsyncError:
        """Names the mirror: to the file's source, the error would mean something else."""
        if isinstance(error, HttpStatusError) and error.status in _LACKS:
            return NotFoundError(
                f"{wanted.label}: {self._mirror} does not have it (sha256 {wanted.file.sha256})",
                hint="without --mirror-only its origin is asked too",
            )
        error = self._other_file(wanted.label, error)
        if isinstance(error, (CancelledError, HttpStatusError)) or str(self._mirror) in error.message:
            return error
        return type(error)(f"{wanted.label}: {self._mirror}: {error.message}", hint=error.hint)

    def _other_file(self, label: str, error: ModelsyncError) -> ModelsyncError:
        """The error about another file than was asked for: here it says nothing of what is upstream."""
        if not isinstance(error, OtherSizeError):
            return error
        words = f"{label}: {self._mirror} has another file by this sha256: {error.sizes}"
        hint = "whoever keeps the mirror has to mend it; --no-mirrors asks none"
        return OtherSizeError(words if error.sizes else error.message, sizes=error.sizes, hint=hint)

    def _url(self, sha256: str) -> str:
        if self._mirror.kind == "web":
            return self._mirror.place_of(sha256)
        return self._context.repository(*self._mirror.repository).blob_url(f"sha256:{sha256}")

    def _leave(self, error: ModelsyncError) -> None:
        if self.last:
            return
        words = error.message
        if isinstance(error, OtherSizeError) and error.sizes:
            words = f"it has another file by a sha256: {error.sizes}"
        leave(self._context, self._mirror, words)


def read_part(
    context: Context, wanted: WantedFile, read: Callable[[WantedFile, float | None], T]
) -> tuple[T | None, ModelsyncError | None]:
    """Reads a part of a file, such as its header, at a mirror.

    No digest decides about a part, so only mirrors that the user named are asked.

    Args:
        context: What to work with.
        wanted: The file.
        read: Reads it where a mirror has the file. Its second argument is the patience of a `Job`: None where no other
            place is asked.

    Returns:
        What the first mirror gave; None where none did. With the error of the last that was asked.
    """
    last: ModelsyncError | None = None
    for each in tries(context):
        if each.mirror.kind == "folder":
            path = in_folder(each.mirror, wanted.file)
            if path is None:
                continue
            there = wanted._replace(
                segments=(Segment(path.as_uri(), wanted.file.size),), mirror=each.mirror, explain=_as_it_is
            )
            try:
                return read(there, None), None
            except CancelledError:
                raise
            except ModelsyncError as error:
                context.detail(f"{wanted.label}: {each.mirror}: {printable(error.message, 300)}")
        elif each.mirror.trusted:
            mirror = NetworkMirror(context, each)
            try:
                found = mirror.locate(wanted)
                if found is not None:
                    return read(found, None if each.last else context.settings.body_timeout), None
            except CancelledError:
                raise
            except ModelsyncError as error:
                mirror.failed(wanted.label, error)
                last = mirror.explain(wanted, error)
    return None, last


def ruled_out(context: Context, words: str) -> NotSyncedError:
    """The error where no mirror may be asked for a part of a file, nor its origin.

    Args:
        context: What to work with.
        words: What is not here.
    """
    if context.offline:
        return NotSyncedError(
            f"{words}, and the network is ruled out",
            hint="leave out --offline, or sync it first",
        )
    return NotSyncedError(
        f"{words}, and no mirror that you named has it",
        hint="name one with --mirror, MODELSYNC_MIRRORS or in your own config.toml; or leave out --mirror-only",
    )


def lacks(error: ModelsyncError) -> bool:
    """Whether a mirror itself says that it does not have a file."""
    return isinstance(error, HttpStatusError) and error.status in _LACKS and not error.redirected


def _as_it_is(error: ModelsyncError) -> ModelsyncError:
    return error
