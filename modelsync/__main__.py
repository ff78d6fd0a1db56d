"""`modelsync` and `python -m modelsync`."""

import sys


def main() -> None:
    """Runs the command line and exits."""
    try:
        status = _run()
    except KeyboardInterrupt:  # a Ctrl-C during the imports, before `exit.finish` is there to tell it
        if sys.stderr is not None:
            sys.stderr.write("error: interrupted\n")
        status = 130
    if status == 130:
        # CPython remembers a Ctrl-C that came while a text was evaluated (named tuples are made so), handled or not,
        # and ends the process by that signal in place of the status. Evaluating another forgets it.
        exec("")  # noqa: S102
    sys.exit(status)


def _run() -> int:
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
    return status


if __name__ == "__main__":
    main()
