"""The plainest command lines, read without click.

A sync with nothing to do and the path of a model that is here are run by scripts and hooks all day, and should cost
little more than the interpreter's start; importing click alone costs more than both, and as much as verifying 200 MB.
So these few lines are read here. Anything else, and any variable of an option, is left to click.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modelsync.cli.invocation import Invocation
from modelsync.project.model_files import PREFIXES
from modelsync.settings import SETTINGS_ALONE

COMMANDS = ("sync", "path", "verify")
QUIET = {"-q": 1, "--quiet": 1, "-qq": 2}
MODES = {"--locked": "locked", "--frozen": "frozen"}


def read(words: Sequence[str], variables: Mapping[str, str]) -> Callable[[Invocation], object] | None:
    """The work of a command line, if it is one of the plainest; else None."""
    if any(
        "MODELSYNC_" in name and name not in SETTINGS_ALONE and not name.startswith(PREFIXES)
        for name in variables
    ):
        return None
    names = [
        word for word in words if word.isascii() and word[:1].isalnum() and not set(word) & set(":/\\*?[~$%=")
    ]
    flags = [word for word in words if word not in names]
    command, *names = names or [""]
    if command not in COMMANDS or any(flag not in QUIET and flag not in MODES for flag in flags):
        return None
    modes: dict[str, Any] = {MODES[flag]: True for flag in flags if flag in MODES}
    quiet = sum(QUIET.get(flag, 0) for flag in flags)
    if (command == "path" and len(names) != 1) or (command != "sync" and modes):
        return None

    def work(invocation: Invocation) -> int:
        if quiet:
            invocation.take("quiet", quiet, typed=True)
        invocation.enter()
        if command == "path":
            from modelsync.cli.fast import path

            path.show(invocation, names[0])
        elif command == "sync":
            from modelsync.cli.fast import sync
            from modelsync.ops.options import SyncOptions
            from modelsync.project.selection import Selection

            sync.perform(invocation, SyncOptions(Selection(names), **modes))
        else:
            from modelsync.cli.fast import verify
            from modelsync.project.selection import Selection

            return verify.perform(invocation, Selection(names))
        return 0

    return work
