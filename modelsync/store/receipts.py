"""Receipts: what a blob was when it was hashed. Light to read.

A receipt says "the file of this name had this size and time when its sha256 was last found right". As long
as a blob still has both, it need not be read again to know what it is. The receipt also keeps the seal (which finds rot
at memory speed) and where the bytes came from, for `cache list`.

    {"size": 4920739232, "mtime_ns": 17…, "seal": "…", "from": [{"path": "llama.gguf", …}]}
    {"size": 4920739232, "hashes": "…"}

The first may have `"bad": [[size, mtime_ns]]` too: other files under this digest that were found not to be it, in a
store that is only read or before a repair. The second line, of a file of several blocks alone, has the hash of each,
which tell where rot is. It is in the one file so that both come and go together, and is not read to know that a blob
is here.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from modelsync.store import atomic, small_files
from modelsync.store.layout import Store, receipt_in

if TYPE_CHECKING:
    from pathlib import Path

    from modelsync.spec.blocks import Blocks

MAX_ORIGINS = 16
MAX_BAD = 16
_LINE = 65_536  # bytes: the first line has no more
_REST = 64 << 20  # bytes that the second line may have: for 16 TiB
_SECOND = 1_000_000_000
_TOO_LARGE = 1 << 63  # bytes


class BlobOrigin(NamedTuple):
    """Where a blob came from.

    Attributes:
        path: The file's path there.
        repo: Its repo.
        revision: Its commit.
        url: Its canonical URL (no secret in it).
        said: What its source said of it then; see `spec.confirmation`.
    """

    path: str
    repo: str | None = None
    revision: str | None = None
    url: str | None = None
    said: str | None = None


class Receipt(NamedTuple):
    """What a blob was when it was hashed.

    Attributes:
        size: Bytes.
        mtime_ns: Its modification time.
        blake3: The BLAKE3 of its bytes, in hex: of a file of one block, and of any file in older receipts; else None.
        origins: Where it came from.
        seal: The BLAKE3 of the hashes of its blocks, in hex, where it has several; else None.
        damaged: Whether it was not what it should be.
        bad: Sizes and times of other files under this digest that were not what they should be.
    """

    size: int
    mtime_ns: int
    blake3: str | None = None
    origins: tuple[BlobOrigin, ...] = ()
    seal: str | None = None
    damaged: bool = False
    bad: tuple[tuple[int, int], ...] = ()

    def fits(self, seen: os.stat_result) -> bool:
        """Whether a file still has the size and time that it was hashed with."""
        return seen.st_size == self.size and same_time(self.mtime_ns, seen.st_mtime_ns)

    def condemns(self, seen: os.stat_result) -> bool:
        """Whether a file of this size and time was found not to be the blob."""
        if self.fits(seen):
            return self.damaged
        return any(seen.st_size == size and same_time(at, seen.st_mtime_ns) for size, at in self.bad)


def same_time(recorded: int, seen: int) -> bool:
    """Whether two times in ns are one, where the second may have lost its fraction.

    Archives and image layers keep whole seconds: what went through one is still known.
    """
    return seen in (recorded, recorded - recorded % _SECOND)


def read(place: "Path | str", sha256: str) -> Receipt | None:
    """The receipt of a blob in the store rooted at `place`; None where there is none, or none that makes sense."""
    try:
        descriptor = os.open(receipt_in(place, sha256), small_files.FLAGS)
        try:
            data = os.read(descriptor, _LINE)
        finally:
            os.close(descriptor)
        return _parse(json.loads(data.partition(b"\n")[0]))
    except (OSError, *small_files.SENSELESS):
        return None


def fitting(store: Store, sha256: str, seen: os.stat_result) -> Receipt | None:
    """The receipt that tells of a file of this size and time that it is the blob; None if none does.

    The store's own is asked first. It may also tell of a blob in a store that only is read and has no receipt of its
    own that fits: one that was found good when it was hashed again.
    """
    for place in store.places:
        receipt = read(place, sha256)
        if receipt is not None and receipt.condemns(seen):
            return None
        if receipt is not None and receipt.fits(seen):
            return receipt
    return None


def opinion(store: Store, sha256: str, seen: os.stat_result) -> Literal["good", "damaged", "other", "none"]:
    """What the receipts of a blob tell of a file of this size and time.

    Returns:
        `good` or `damaged`: it was hashed. `other`: each receipt is of another file. `none`: there is no receipt.
    """
    some = False
    for place in store.places:
        receipt = read(place, sha256)
        if receipt is not None and receipt.condemns(seen):
            return "damaged"
        if receipt is not None and receipt.fits(seen):
            return "good"
        some = some or receipt is not None
    return "other" if some else "none"


def condemned(store: Store, sha256: str, seen: os.stat_result) -> bool:
    """Whether a file of this size and time was found not to be the blob any more."""
    receipt = read(store.root, sha256)
    return receipt is not None and receipt.condemns(seen)


def condemn(store: Store, sha256: str, seen: os.stat_result) -> None:
    """Notes that a file of this size and time is not the blob, whatever another store's receipt says of it."""
    known = read(store.root, sha256)
    if known is None:
        note(store, sha256, Receipt(seen.st_size, seen.st_mtime_ns, damaged=True))
    elif not known.fits(seen) and not known.condemns(seen):
        bad = ((seen.st_size, seen.st_mtime_ns), *known.bad)
        note(store, sha256, known._replace(bad=bad), blocks(store, sha256))


def blocks(store: Store, sha256: str) -> "Blocks | None":
    """The hashes of a blob's blocks, from any receipt of it whose seal proves them; None where none does.

    They are its digest's, whatever became of the file since.
    """
    from modelsync.spec.blocks import HASH, Blocks, count

    for place in store.places:
        with suppress(OSError, *small_files.SENSELESS):
            lines = small_files.read(receipt_in(place, sha256), _LINE + _REST).split(b"\n", 2)
            receipt, value = _parse(json.loads(lines[0])), json.loads(lines[1])
            known = Blocks(_whole(value["size"]), bytes.fromhex(value["hashes"]))
            right = len(known.hashes) == HASH * count(known.size) and count(known.size) > 1
            if right and receipt is not None and receipt.seal == known.seal:
                return known
    return None


def write(store: Store, sha256: str, receipt: Receipt, hashes: "Blocks | None" = None) -> None:
    """Writes a receipt into the store's own root, with the hashes of the blocks that its seal is of."""
    atomic.put(store, store.receipt_path(sha256), dumps(receipt, hashes))


def begin(store: Store, sha256: str, receipt: Receipt, hashes: "Blocks | None" = None) -> None:
    """Writes the receipt of a blob that is about to appear; one that is there already is replaced."""
    if not atomic.begin(store.receipt_path(sha256), dumps(receipt, hashes)):
        replace(store, sha256, receipt, hashes)


def replace(store: Store, sha256: str, receipt: Receipt, hashes: "Blocks | None" = None) -> None:
    """Writes a receipt of a file that takes the place of what was there; what was bad stays known."""
    write(store, sha256, _with_bad(read(store.root, sha256), receipt), hashes)


def note(store: Store, sha256: str, receipt: Receipt, hashes: "Blocks | None" = None) -> None:
    """Writes a receipt, with what was known before of origins and bad files; else, it will be found out again."""
    known = read(store.root, sha256)
    receipt = _with_bad(known, receipt)
    before = known.origins if known is not None else ()
    new = tuple(origin for origin in receipt.origins if origin not in before)
    before = tuple(origin for origin in before if all(origin[:4] != one[:4] for one in new))
    receipt = receipt._replace(origins=(*before, *new)[:MAX_ORIGINS])
    if receipt != known or (receipt.seal is not None and blocks(store, sha256) is None):
        with suppress(OSError):
            write(store, sha256, receipt, hashes)


def _with_bad(known: Receipt | None, receipt: Receipt) -> Receipt:
    """A receipt that takes the place of another one, with the files that stay known as bad."""
    own = (receipt.size, receipt.mtime_ns)
    before = known.bad if known is not None else ()
    if known is not None and known.damaged:
        before = ((known.size, known.mtime_ns), *before)
    every = dict.fromkeys((*receipt.bad, *before))
    return receipt._replace(bad=tuple(one for one in every if one != own)[:MAX_BAD])


def sealed(seen: os.stat_result, found: "Blocks", origins: tuple[BlobOrigin, ...] = ()) -> Receipt:
    """The receipt of a good file that was just hashed."""
    from modelsync.spec.blocks import count

    blake3, seal = (found.seal, None) if count(found.size) == 1 else (None, found.seal)
    return Receipt(seen.st_size, seen.st_mtime_ns, blake3, origins, seal)


def dumps(receipt: Receipt, hashes: "Blocks | None" = None) -> bytes:
    """The receipt as it is written."""
    value: dict[str, Any] = {"size": receipt.size, "mtime_ns": receipt.mtime_ns}
    if receipt.damaged:
        value["damaged"] = True
    if receipt.bad:
        value["bad"] = receipt.bad
    if receipt.blake3 is not None:
        value["blake3"] = receipt.blake3
    if receipt.seal is not None:
        value["seal"] = receipt.seal
    value["from"] = [
        {k: v for k, v in origin._asdict().items() if v is not None} for origin in receipt.origins
    ]
    text = json.dumps(value)
    if hashes is not None and receipt.seal is not None:
        text += "\n" + json.dumps({"size": hashes.size, "hashes": hashes.hashes.hex()}) + "\n"
    return text.encode()


def _parse(value: Mapping[str, Any]) -> Receipt | None:
    size, mtime_ns, origins = _whole(value["size"]), value["mtime_ns"], value.get("from", [])
    blake3, seal = value.get("blake3"), value.get("seal")
    damaged = value.get("damaged") is True or blake3 == ""
    if (
        type(mtime_ns) is not int
        or type(origins) is not list
        or not (isinstance(blake3, str | None) and isinstance(seal, str | None))
        or not (blake3 or seal or damaged)
    ):
        return None
    origins = tuple(_origin(o) for o in origins[:MAX_ORIGINS])
    bad = tuple((_whole(one[0]), _time(one[1])) for one in value.get("bad", ())[:MAX_BAD])
    return Receipt(size, mtime_ns, blake3 or None, origins, seal, damaged, bad)


def _time(mtime_ns: object) -> int:
    if type(mtime_ns) is not int:
        raise ValueError(mtime_ns)
    return mtime_ns


def _whole(size: object) -> int:
    if type(size) is not int or not 0 <= size < _TOO_LARGE:  # a bool is an int, but no size
        raise ValueError(size)
    return size


def _origin(value: Mapping[str, Any]) -> BlobOrigin:
    def text(key: str) -> str | None:
        return value[key] if isinstance(value.get(key), str) else None

    return BlobOrigin(text("path") or "", text("repo"), text("revision"), text("url"), text("said"))
