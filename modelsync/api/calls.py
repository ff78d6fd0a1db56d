"""The context and the project of an API call."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from modelsync.context import CallOptions, Context
from modelsync.errors import UsageError
from modelsync.project import discovery, project

if TYPE_CHECKING:
    from modelsync.display.progress import Shown
    from modelsync.transfer.progress import Event

AnyPath = str | os.PathLike[str]


def find(context: Context, manifest: AnyPath | None, package: str | None = None) -> project.Project:
    """Finds the project of a call; its arguments win over `MODELSYNC_MANIFEST`."""
    if manifest is None and package is None:
        manifest = context.settings.manifest
    return discovery.find(manifest_path=manifest, package=package)


@contextmanager
def context(
    options: CallOptions,
    on_progress: "Callable[[Event], None] | None",
    cancel: threading.Event | None,
    *,
    progress: bool | None = None,
) -> Iterator[Context]:
    """What one call works with.

    Args:
        options: What the call was asked.
        on_progress: Called with each event, in place of bars.
        cancel: Set by another thread to interrupt the call.
        progress: Whether bars are drawn; None: where stderr is a terminal, or a notebook shows it.
    """
    with ExitStack() as stack:
        bar = None if on_progress else _bar(stack, progress)
        made = Context(
            options=options, listener=on_progress or bar, warn=bar.say if bar else None, cancel=cancel
        )
        yield stack.enter_context(made)


def rate(said: int | str | None) -> int | None:
    """The argument `max_rate` as bytes a second; None: no limit but the settings'.

    Raises:
        UsageError: it is not a rate.
    """
    if said is None:
        return None
    from modelsync.sizes import parse_rate

    try:
        return parse_rate(str(said))
    except ValueError as error:
        raise UsageError(f"max_rate: {error}", hint="None is no limit") from None


def byte_count(keyword: str, said: int | str) -> int:
    """The bytes that a keyword's value means: a number of them, or a text with a unit.

    Raises:
        UsageError: a text is no size, or has no unit.
    """
    from modelsync import sizes

    try:
        return sizes.parse(said) if isinstance(said, str) else int(said)
    except ValueError as error:
        raise UsageError(f"{keyword}: {error}") from None


def _bar(stack: ExitStack, wanted: bool | None) -> "_Bar | None":
    """A listener that draws bars on a terminal, and writes lines elsewhere."""
    if sys.stderr is None:
        return None
    from modelsync.display.terminal import in_notebook

    shown = (sys.stderr.isatty() or in_notebook(sys.stderr)) if wanted is None else wanted
    return _Bar(stack) if shown else None


class _Bar:
    """Draws bars. Nothing is imported for it before the first event."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._drawing: list[Shown | None] = []

    def __call__(self, event: "Event") -> None:
        if (shown := self._shown()) is not None:
            shown(event)

    def say(self, words: str) -> None:
        """Writes a warning, above what is drawn."""
        if (shown := self._shown()) is not None:
            shown.say(f"warning: {words}")

    def _shown(self) -> "Shown | None":
        if not self._drawing:
            from modelsync.display import progress

            self._drawing.append(self._stack.enter_context(progress.listener(sys.stderr)))
        return self._drawing[0]
