"""Runs one command, and writes what it took to a pipe: `python -I -S launcher.py DESCRIPTOR COMMAND…`.

On Linux a process begins with the peak memory of the one that started it. So the bench, which is large, starts this
bare interpreter, and this one the contender: no figure of less than a bare interpreter's 9 MB can be told apart, and
every other is the program's own. It imports nothing that it can do without, to stay that small.
"""

import posix
import sys
import time


def main() -> None:
    """Writes wall seconds, wait status, processor seconds and peak memory, as `resource` has it."""
    pipe = int(sys.argv[1])
    posix.set_inheritable(pipe, False)
    begun = time.perf_counter()
    child = posix.posix_spawnp(sys.argv[2], sys.argv[2:], posix.environ)
    _, status, used = posix.wait4(child, 0)
    wall = time.perf_counter() - begun
    posix.write(pipe, f"{wall} {status} {used.ru_utime + used.ru_stime} {used.ru_maxrss}".encode())


if __name__ == "__main__":
    main()
