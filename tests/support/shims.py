"""C libraries that make a file system's locks lie or fail, for LD_PRELOAD."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SOURCE = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <dlfcn.h>
static int answer(void) { if (ANSWER) { errno = ANSWER; return -1; } return 0; }
int flock(int fd, int operation) { return answer(); }
int lockf(int fd, int command, off_t length) { return answer(); }
static int locks(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW;
}
int fcntl(int fd, int command, ...) {
    va_list rest; va_start(rest, command); void *argument = va_arg(rest, void *); va_end(rest);
    if (locks(command)) return answer();
    return ((int (*)(int, int, ...)) dlsym(RTLD_NEXT, "fcntl"))(fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
    va_list rest; va_start(rest, command); void *argument = va_arg(rest, void *); va_end(rest);
    if (locks(command)) return answer();
    return ((int (*)(int, int, ...)) dlsym(RTLD_NEXT, "fcntl64"))(fd, command, argument);
}
"""

ANSWERS = {"grants locks to everyone": 0, "has no locks": errno.ENOLCK}


def environment(folder: Path, answer: int) -> dict[str, str]:
    """The environment of a process whose locks are all answered so; 0: granted."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C compiler, to make a file system whose locks do not work")
    folder.mkdir(parents=True, exist_ok=True)
    source, library = folder / "locks.c", folder / "locks.so"
    source.write_text(_SOURCE)
    command = [compiler, "-shared", "-fPIC", f"-DANSWER={answer}", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return {**os.environ, "LD_PRELOAD": str(library)}
