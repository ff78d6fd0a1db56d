"""`modelsync` and `python -m modelsync`."""

import sys


def main() -> None:
    """Runs the command line and exits."""
    import gc
    import os

    # Start-up makes some ten thousand objects, which all live on: a sync with nothing to do spent a fifth of its
    # time looking for garbage among them.
    gc.set_threshold(100_000)
    from modelsync.cli import exit, fast
    from modelsync.cli.invocation import Invocation

    work = fast.read(sys.argv[1:], os.environ)
    if work is None:
        from modelsync.cli import app

        work = app.work
    status = exit.finish(work, Invocation())
    gc.freeze()
    sys.exit(status)


if __name__ == "__main__":
    main()
