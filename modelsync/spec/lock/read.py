"""Reads a lock without trusting it: types, sizes, hashes, names and counts are bounded."""

from modelsync.errors import LockfileError
from modelsync.spec.lock.model import Lock

MAX_TEXT = 1 << 26  # characters


def parse(text: str, *, where: str = "models.lock") -> Lock:
    """Reads a lock and checks all of it.

    Args:
        text: The whole file.
        where: The file's name, for messages.

    Raises:
        LockfileError: it cannot be read, is of a later version, or contradicts itself.
        RefusedError: a URL, a path or a repo in it is not what the request gives.
    """
    from modelsync.spec.lock.check import AGAIN, lock
    from modelsync.spec.toml import loads

    try:
        document = loads(text, where, LockfileError, limit=MAX_TEXT)
    except LockfileError as fault:
        from modelsync.spec.lock.conflict import conflicted

        if not conflicted(text):
            fault.hint = AGAIN  # nobody is to mend a lock by hand
            raise
        hint = "`modelsync lock` reads both sides of the merge"
        raise LockfileError(fault.message, hint=hint).at(*fault.places) from None
    return lock(document, where)
