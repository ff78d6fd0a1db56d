"""A lock that git could not merge: the text of each side, read from between its markers. Pure."""

import re
from typing import NamedTuple

from modelsync.errors import LockfileError, Place
from modelsync.spec.names import printable

_MARKER = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?: (.*))?$")
_LABEL = 60  # characters of a branch's name that are shown


class Sides(NamedTuple):
    """The two texts that a merge left in one file, and what git calls them.

    Attributes:
        ours: What `--ours` takes.
        theirs: What `--theirs` takes.
        labels: The names beside the markers: `HEAD`, a branch, a commit; may be empty.
    """

    ours: str
    theirs: str
    labels: tuple[str, str]


def conflicted(text: str) -> bool:
    """Whether a text has the markers of a merge."""
    return any(line.startswith(("<<<<<<<", ">>>>>>>")) and _MARKER.match(line) for line in text.splitlines())


def sides(text: str, where: str = "models.lock") -> Sides | None:
    """The two sides of a merge; None where the text has no markers. A common ancestor (diff3) is left out.

    Args:
        text: The whole file.
        where: The file's name, for messages.

    Raises:
        LockfileError: the markers are not in order.
    """
    if not conflicted(text):
        return None
    ours: list[str] = []
    theirs: list[str] = []
    labels = {"<": "", ">": ""}
    place = "both"
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        found = _MARKER.match(line.rstrip("\r\n"))
        if found is None:
            if place in ("both", "ours"):
                ours.append(line)
            if place in ("both", "theirs"):
                theirs.append(line)
            continue
        sign = found[1][0]
        following = _FOLLOWING.get((place, sign))
        if following is None:
            fault = LockfileError(f"{where}:{number}: the markers of a merge are not in order", hint=_BY_HAND)
            raise fault.at(Place(where, number))
        place = following
        if sign in labels:
            labels[sign] = labels[sign] or printable(found[2] or "", _LABEL)
    if place != "both":
        raise LockfileError(f"{where}: the markers of a merge do not end", hint=_BY_HAND)
    return Sides("".join(ours), "".join(theirs), (labels["<"], labels[">"]))


_FOLLOWING = {
    ("both", "<"): "ours",
    ("ours", "|"): "ancestor",
    ("ours", "="): "theirs",
    ("ancestor", "="): "theirs",
    ("theirs", ">"): "both",
}
_BY_HAND = (
    "`git checkout --merge models.lock` writes them anew; `git checkout --ours models.lock` takes one side"
)
