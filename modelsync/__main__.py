"""`modelsync` and `python -m modelsync`."""

import sys


def main() -> None:
    """Runs the command line and exits."""
    import gc

    # Start-up makes thousands of objects, all of which live on: looking for garbage among them costs a tenth of
    # a sync with nothing to do.
    gc.disable()
    from modelsync.cli import app

    gc.freeze()
    gc.enable()
    sys.exit(app.run())


if __name__ == "__main__":
    main()
