"""Who made a claim, and whether that process still runs. Light."""

import json
import os
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.store import atomic, small_files
from modelsync.system import disks, processes

_MAX = 4096  # bytes of a claim


class Owner(NamedTuple):
    """The process that made a claim.

    Attributes:
        id: 16 hex digits, another one for each claim.
        machine: Stands for the running system and its process numbers (a container has its own); "" if unknown.
        process: The number of the process.
        started: When the process started, as the system tells it; "" if unknown.
        host: The machine's name, for people.
        place: Stands for the machine or container, whatever its boot; "" if unknown.
        boot: Stands for the boot of the system; "" if unknown.
    """

    id: str
    machine: str
    process: int
    started: str
    host: str
    place: str = ""
    boot: str = ""


def this_process() -> Owner:
    """This process as the owner of a new claim."""
    process = os.getpid()
    return Owner(
        atomic.unique(),
        processes.system_id(),
        process,
        _started(process),
        _host(),
        disks.place_id(),
        disks.boot_id() or "",
    )


def dumps(owner: Owner) -> bytes:
    """The claim as it is written."""
    return json.dumps(owner._asdict()).encode()


def read(path: Path) -> Owner | None:
    """The owner of a claim; None where there is no claim, or it is only half written."""
    return small_files.parsed(path, _parse, _MAX)


def is_running(owner: Owner, touched: float) -> bool | None:
    """Whether the process that made a claim still runs; None where it cannot be seen from here.

    Args:
        owner: The process.
        touched: When the claim was last touched, in seconds since the epoch.
    """
    if _of_an_earlier_boot(owner, touched):
        return False
    if not owner.machine or owner.machine != processes.system_id():
        return None
    if owner.process == os.getpid():
        return owner.started == processes.started(os.getpid())
    return processes.exists(owner.process) and owner.started in ("", processes.started(owner.process))


def _of_an_earlier_boot(owner: Owner, touched: float) -> bool:
    """Whether a claim was made on this machine before it was started anew.

    Copies of one virtual machine may look like one machine. A claim that is held there is touched while this machine
    runs, so what was not touched since this machine's start is held nowhere.
    """
    boot = disks.boot_id()
    if not owner.boot or boot is None or owner.boot == boot or owner.place != disks.place_id():
        return False
    return touched < time.time() - processes.clock()


def _parse(value: Any) -> Owner | None:
    owner = Owner(
        value["id"],
        value["machine"],
        value["process"],
        value["started"],
        value["host"],
        value.get("place", ""),
        value.get("boot", ""),
    )
    texts = (owner.id, owner.machine, owner.started, owner.host, owner.place, owner.boot)
    if not all(isinstance(text, str) for text in texts) or type(owner.process) is not int:
        return None
    if len(owner.id) != 16 or owner.id.strip("0123456789abcdef") or not 0 < owner.process < 1 << 31:
        return None
    return owner


@cache
def _started(process: int) -> str:
    return processes.started(process)


@cache
def _host() -> str:
    import platform

    return platform.node()
