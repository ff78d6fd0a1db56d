"""One run of the program: its global options, and what a command builds from them."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from modelsync.cli.output import Color, Format, Output
from modelsync.display.terminal import wants_color

if TYPE_CHECKING:
    from modelsync.context import CallOptions, Context
    from modelsync.display.progress import Shown
    from modelsync.project.project import Project
    from modelsync.store.layout import Store
    from modelsync.transfer.progress import Listener


class Invocation:
    """The global options, each from the command line or else from its variable.

    Attributes:
        manifest: A manifest, or a folder that has one.
        package: An installed package that ships one.
        directory: Where to run, as if started there.
        endpoint: The hub to ask, over every other setting.
        offline: Whether the network is ruled out; None leaves it to the settings.
        quiet: 1: only errors are shown; 2: nothing is.
        verbose: Above 0: more details are shown.
        no_progress: Whether progress is not shown.
        color: Whether words are coloured.
        format: What is written to stdout.
        entered: Whether the command line was parsed, and the command began.
    """

    manifest: str | None = None
    package: str | None = None
    directory: str | None = None
    endpoint: str | None = None
    offline: bool | None = None
    quiet: int = 0
    verbose: int = 0
    no_progress: bool = False
    color: Color = "auto"
    format: Format = "text"
    entered: bool = False

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self._typed: set[str] = set()
        self._shown: Shown | None = None
        self.partial: dict[str, Any] = {}  # what the command did before its error, for `--format json`

    def take(self, name: str, value: Any, *, typed: bool) -> None:
        """Takes the value of an option: typed before or after the command, or from its variable.

        What is typed wins over a variable, and a later option over an earlier one; counts add up.
        """
        if typed:
            if name in self._typed and name in ("quiet", "verbose"):
                value += getattr(self, name)
            self._typed.add(name)
        elif name in self._typed:
            return
        setattr(self, name, value)

    def reread(self) -> None:
        """Finds format and colours in a command line that was not parsed to its end."""
        import os
        from itertools import pairwise

        words = sys.argv[1:]
        words = words[: words.index("--")] if "--" in words else words
        pairs = [
            (f"--{name}", os.environ.get(f"MODELSYNC_{name.upper()}", "")) for name in ("format", "color")
        ]
        pairs += pairwise([*words, ""])
        pairs += [(name, value) for name, _, value in (word.partition("=") for word in words)]
        for name, value in pairs:
            if "--json" in (name, value):
                self.take("format", "json", typed=True)
            if (name, value) in {("--format", "json"), ("--color", "always"), ("--color", "never")}:
                self.take(name[2:], value, typed=True)

    @property
    def output(self) -> Output:
        """Where the command writes words and data."""
        return Output(format=self.format, quiet=self.quiet, color=self.color)

    @property
    def seconds(self) -> float:
        """Since the program began."""
        return time.perf_counter() - self.started

    def hub(self) -> str:
        """The hub that the command's URIs mean."""
        from modelsync.context import CallOptions, Context

        with Context(options=CallOptions(endpoint=self.endpoint)) as context:
            return context.endpoint()

    def project(self) -> "Project":
        """The manifest and the lock that the command is about."""
        from modelsync.project import discovery

        manifest, package = self.manifest, self.package
        if manifest and package and len(self._typed & {"manifest", "package"}) == 1:
            # one of the two was typed: it wins over the variable of the other
            manifest, package = (manifest, None) if "manifest" in self._typed else (None, package)
        return discovery.find(manifest_path=manifest, package=package)

    def store(self) -> "Store":
        """The store that a command about it alone works on."""
        from modelsync import settings
        from modelsync.store.layout import open_store

        return open_store(settings.from_environment())

    @contextmanager
    def context(
        self, call: "CallOptions | None" = None, *, events: str | None = None, progress: bool = True
    ) -> "Iterator[Context]":
        """What the command works with, and a display of its progress for as long.

        Args:
            call: The command's own options; the global ones are added.
            events: Where the events are written.
            progress: Whether progress may be shown.
        """
        from modelsync.context import NO_OPTIONS, Context

        options = (call or NO_OPTIONS)._replace(endpoint=self.endpoint, offline=self.offline)
        with (
            self._display(progress) as shown,
            self._events(events, shown) as tell,
            Context(
                options=options, listener=tell, warn=self._warn, detail=self._tell_detail, trace=self.trace
            ) as context,
        ):
            self._shown = shown
            try:
                yield context
            finally:
                self._shown = None

    def _display(self, progress: bool) -> "AbstractContextManager[Shown | None]":
        """The display of progress; its module is imported only where something may be shown."""
        if not progress or self.quiet or self.no_progress:
            return nullcontext()
        from modelsync.display.progress import listener

        return listener(sys.stderr, color=wants_color(sys.stderr, self.color))

    def _events(
        self, place: str | None, beside: "Listener | None"
    ) -> "AbstractContextManager[Listener | None]":
        """The listener that writes events; `beside` alone where none are written."""
        if place is None:
            return nullcontext(beside)
        from modelsync.cli.events import writer

        return writer(place, beside, self._warn)

    def say(self, *lines: str) -> None:
        """Shows lines now; above the progress bars, while there are any."""
        if self.quiet:
            return
        if self._shown is None:
            self.output.words(*lines)
            return
        import click

        from modelsync.cli.layout import wrapped
        from modelsync.display.terminal import width

        for line in (part for each in lines for part in wrapped(each, width(sys.stderr))):
            self._shown.say(line if wants_color(sys.stderr, self.color) else click.unstyle(line))

    def _warn(self, words: str) -> None:
        import os

        import click

        from modelsync.cli import annotations
        from modelsync.cli.output import safe

        warning = f"{click.style('warning', fg='yellow', bold=True)}: {safe(words)}"
        self.say(warning, *annotations.warnings(words, os.environ))

    def _tell_detail(self, words: str) -> None:
        if self.verbose:
            from modelsync.cli.output import safe

            self.say(safe(words))

    @property
    def trace(self) -> Callable[[int, str], None] | None:
        """Shows lines about requests, as far as `-v` asks for them; None where it does not."""
        return self._tell_request if self.verbose and not self.quiet else None

    def _tell_request(self, level: int, line: str) -> None:
        if level <= self.verbose:
            import click

            from modelsync.cli.output import safe

            self.say(click.style(safe(line), dim=True))

    def enter(self) -> None:
        """Enters the folder of `--directory`; called when the command begins."""
        self.entered = True
        if self.directory is None:
            return
        import os

        from modelsync.errors import UsageError
        from modelsync.spec.names import printable

        try:
            os.chdir(self.directory)
        except OSError as error:
            raise UsageError(
                f"cannot enter {printable(self.directory)}: {error.strerror}",
                hint="--directory names the folder to run in",
            ) from None
