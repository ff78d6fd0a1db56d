"""A request with its answer, on its way to rows of the lock."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.spec.lock.model import LockedFile

if TYPE_CHECKING:
    from modelsync.sources.base import Resolution


class ResolvedRequest(NamedTuple):
    """One request with its answer; `request` is as the lock writes it."""

    name: str
    request: Mapping[str, Any]
    answer: "Resolution"
    previous: tuple[LockedFile, ...] = ()
    allow_code: tuple[str, ...] = ()
