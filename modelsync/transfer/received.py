"""How much of a file has arrived in a partial. Read-only."""

from pathlib import Path

from modelsync.errors import ModelsyncError, NetworkError
from modelsync.sizes import size
from modelsync.store import small_files
from modelsync.system.disks import boot_id
from modelsync.transfer import journal

_LONGEST = 64 << 20  # bytes of a journal that are read


def received(folder: Path) -> int:
    """The bytes that a partial has and that count; 0 where it cannot be read.

    Another process may be at work on it: its last lines may be missing.

    Args:
        folder: The folder of the partial.
    """
    try:
        data = small_files.read(folder / "journal", _LONGEST)
    except (OSError, ValueError):
        return 0
    first = data.partition(b"\n")[0].decode("utf-8", "replace")
    if not first.startswith(f"{journal.MAGIC} "):
        return 0
    state = journal.read(data, first.removeprefix(f"{journal.MAGIC} "), boot_id())
    return state.ranges.covered if state is not None else 0


def tell_kept(error: ModelsyncError, folder: Path) -> None:
    """Adds to an error how much of a file has arrived, where the network broke off: the next run goes on from there.

    Args:
        error: What went wrong.
        folder: The folder of the partial.
    """
    if isinstance(error, NetworkError) and (count := received(folder)):
        error.advise(f"{size(count)} are kept; run it again")
