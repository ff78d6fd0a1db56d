"""Kills a process before each single effect that its work has on the disk, each time in a fork."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

EFFECTS = frozenset(
    {
        "os.rename",
        "os.remove",
        "os.chmod",
        "os.mkdir",
        "os.utime",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.rmdir",
    }
)
MOST = 200  # effects that one work may have


def before_each_step(work: Callable[[int], Callable[[], object]]) -> None:
    """Runs the work again and again, killed one effect later each time; prints the number of the run that ended.

    Args:
        work: Prepares the run of that number, and returns what is to be killed.
    """
    for number in range(1, MOST):
        run = work(number)
        child = os.fork()
        if child == 0:
            _count_down(number)
            run()
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            print(number)
            break


def _count_down(left: int) -> None:
    """Lets this process kill itself before its effect of that number."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in EFFECTS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
