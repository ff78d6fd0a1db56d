"""Whether this modelsync is one that a manifest's `required-version` allows.

A subset of PEP 440's version specifiers, read here: the library `packaging` takes as long to import as a sync with
nothing to do takes whole. Clauses with `~=`, `==`, `!=`, `<=`, `>=`, `<`, `>`, joined by commas; versions like `0.3`,
`0.3.1`, `0.3rc1`, `0.3.post1`, `0.3.dev1`; `0.3.*` behind `==` and `!=`. Not `===`, epochs and local versions. A
pre-release that is running counts as what it is, whether or not a clause names one.
"""

import re
from typing import NamedTuple

from modelsync.errors import UsageError
from modelsync.spec.names import printable

_NUMBER = r"[0-9]{1,9}"
_VERSION = (
    rf"(?P<release>{_NUMBER}(?:\.{_NUMBER}){{0,7}})(?:(?P<phase>a|b|rc)(?P<pre>{_NUMBER}))?"
    rf"(?:\.post(?P<post>{_NUMBER}))?(?:\.dev(?P<dev>{_NUMBER}))?"
)
_CLAUSE = rf"(?P<operator>~=|==|!=|<=|>=|<|>)\s*{_VERSION}(?P<any>\.\*)?"
_PHASES = {"a": 1, "b": 2, "rc": 3}
_NEVER = 10**9  # above every number


class _Version(NamedTuple):
    """A version in its order among others."""

    release: tuple[int, ...]  # without zeros at its end
    pre: tuple[int, int]
    post: int
    dev: int


class _Clause(NamedTuple):
    operator: str
    version: _Version
    release: tuple[int, ...]  # as it is written


def allows(text: str, version: str) -> bool:
    """Whether the specifiers in `text` allow `version`.

    Raises:
        UsageError: `text` is no list of specifiers.
    """
    running = re.match(_VERSION, version)
    assert running is not None, version
    clauses = [_clause(part.strip()) for part in text.split(",")]
    return all(_holds(clause, _version(running)) for clause in clauses)


def _clause(text: str) -> _Clause:
    match = re.fullmatch(_CLAUSE, text, re.ASCII)
    release = () if match is None else tuple(map(int, match["release"].split(".")))
    if (
        match is None
        or (match["operator"] == "~=" and len(release) < 2)
        or (match["any"] and (match["operator"] not in ("==", "!=") or _version(match)[1:] != _FINAL))
    ):
        raise UsageError(
            f"`{printable(text, 80)}` is no version specifier", hint='for example required-version = ">=0.3"'
        )
    return _Clause(match["operator"] + ("*" if match["any"] else ""), _version(match), release)


def _version(match: "re.Match[str]") -> _Version:
    release = [int(number) for number in match["release"].split(".")]
    while release and release[-1] == 0:
        release.pop()
    if match["phase"]:
        pre = (_PHASES[match["phase"]], int(match["pre"]))
    else:  # a development version of the release itself comes before all that lead to it
        pre = (0, 0) if match["dev"] and not match["post"] else (4, 0)
    return _Version(tuple(release), pre, int(match["post"] or -1), int(match["dev"] or _NEVER))


_FINAL = ((4, 0), -1, _NEVER)  # neither pre-release nor post-release


def _holds(clause: _Clause, running: _Version) -> bool:
    operator, version, release = clause
    same_release = running.release == version.release
    match operator:
        case "==":
            return running == version
        case "!=":
            return running != version
        case "==*":
            return _begins(running, release)
        case "!=*":
            return not _begins(running, release)
        case "~=":
            return running >= version and _begins(running, release[:-1])
        case ">=":
            return running >= version
        case "<=":
            return running <= version
        case "<":  # what leads to a release is not before it, unless a clause names what leads to it too
            of_a_post = running.pre == version.pre and running.post == version.post
            leads = same_release and _is_early(running) and (version.post < 0 or of_a_post)
            return running < version and not (leads and not _is_early(version))
        case _:  # what follows a release is not after it
            follows = same_release and running.pre == version.pre and running.post >= 0
            return running > version and not (follows and version.post < 0)


def _begins(running: _Version, release: tuple[int, ...]) -> bool:
    padded = running.release + (0,) * (len(release) - len(running.release))
    return padded[: len(release)] == release


def _is_early(version: _Version) -> bool:
    return version.pre[0] < 4 or version.dev < _NEVER
