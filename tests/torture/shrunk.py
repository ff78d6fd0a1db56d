"""Smaller constants, so that a file of a megabyte meets what one of gigabytes does.

Import this before anything else of modelsync: modules that take a constant by name must find the small one. Every
process of a machine has the same ones, so what one writes another reads.
"""

import gc
import os
from importlib import import_module
from pkgutil import walk_packages

SMALL: tuple[tuple[str, str, object], ...] = (
    ("modelsync.system.disks", "boot_id", lambda: os.environ.get("TORTURE_BOOT", "first-boot")),
    ("modelsync.system.disks", "RESERVE", 16 << 10),
    ("modelsync.net.retry", "FIRST_WAIT", 0.01),
    ("modelsync.net.retry", "LONGEST_WAIT", 0.05),
    ("modelsync.spec.blocks", "SIZE", 256 << 10),
    ("modelsync.transfer.datafile", "LARGE", 256 << 10),
    ("modelsync.fetch.delta", "LEAST", 64 << 10),
)
# Not in races: where many processes share two cores, a living one may well be still for seconds.
CLAIMS: tuple[tuple[str, str, object], ...] = (
    ("modelsync.store.claim", "STALE", 1.5),
    ("modelsync.store.claim", "BEAT", 0.3),
    ("modelsync.store.claim", "_SURE", 0.7),
)
# Faults to plant, so that a test sees the machines find one.
PLANTED: dict[str, tuple[str, str, object]] = {
    "unsynced": ("modelsync.store.atomic", "sync_bytes", lambda _: None),
    "kept": ("modelsync.store.atomic", "unlink", lambda path: False),
}
RACES = "TORTURE_FLOCK"  # set where `races` runs
APART = ("modelsync.llama.", "modelsync.__main__")  # heavy, or a program of its own


def shrink(planted: str | None = None) -> None:
    """Sets the small constants, then imports all of modelsync, so that a fork has nothing to import."""
    claims = () if os.environ.get(RACES) else CLAIMS
    for module, name, value in [*SMALL, *claims, *([PLANTED[planted]] if planted else [])]:
        assert hasattr(import_module(module), name), f"{module} has no {name} any more"
        setattr(import_module(module), name, value)
    for found in walk_packages(import_module("modelsync").__path__, "modelsync."):
        if not found.name.startswith(APART):
            import_module(found.name)
    gc.collect()
    gc.freeze()  # so that a fork shares all this memory
