"""What can go from a store: a plan, made by a pure function from a snapshot, and its execution."""

from pathlib import Path
from typing import NamedTuple

from modelsync.store.layout import Store

GRACE_DAYS = 30


class Removal(NamedTuple):
    """One thing that goes: what it is, where it is, and how many bytes that frees at most."""

    kind: str
    path: Path
    bytes: int


class Plan(NamedTuple):
    """What goes. Pure data."""

    removals: tuple[Removal, ...]


class Freed(NamedTuple):
    """What went: blobs, and bytes in all."""

    blobs: int
    bytes: int


def prune(store: Store, *, now: float | None = None, wait: bool = True) -> Plan:
    """Plans a prune. `wait` False is `--now`. `now` is in seconds since the epoch (default: the clock)."""
    raise NotImplementedError


def clean(store: Store) -> Plan:
    """Plans to remove everything but what is being worked on."""
    raise NotImplementedError


def execute(store: Store, plan: Plan) -> Freed:
    """Carries a plan out; what was changed or came into use since it was made stays."""
    raise NotImplementedError
