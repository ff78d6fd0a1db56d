"""`python -m tests.hub --root DIR`: serve the folders `DIR/user/model/` as a hub until it is interrupted.

The first line of output is the endpoint, for `HF_ENDPOINT`. Files that change make a new commit on main.
"""

import argparse
import contextlib
import signal
import sys
import time
from pathlib import Path

from .folders import FolderHub


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.hub", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder that holds user/model/ folders")
    parser.add_argument("--port", type=int, default=0, help="the hub's port (0: any free one)")
    parser.add_argument("--gated", action="append", default=[], metavar="user/model", help="gate a repo")
    parser.add_argument("--token", action="append", default=[], help="a token that may read gated repos")
    parser.add_argument("--log", action="store_true", help="tell the requests on stderr")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), FolderHub(options.root, port=options.port) as hub:
        hub.tokens.update(options.token)
        for name in options.gated:
            hub.repo(name, gated="auto").accepted.update(options.token)
        print(hub.endpoint, flush=True)
        told = 0
        while True:
            time.sleep(0.2)
            for seen in hub.requests[told:] if options.log else ():
                line = f"{seen.server} {seen.method} {seen.path} {seen.range or ''} -> {seen.status}"
                print(line, file=sys.stderr, flush=True)
                told += 1


if __name__ == "__main__":
    main()
