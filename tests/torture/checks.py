"""What must hold after whatever happened: asked through the public API, in a fresh process."""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from tests.torture.lab import Lab

TOLD = {0, 1, 2, 3, 130}
OURS = ("Traceback", "a mistake in modelsync itself")
Fault = Callable[[str], None]


def told_well(status: int | None, err: str) -> str | None:
    """What is wrong with how a command ended, or None."""
    if status is None:
        return "it did not end"
    if any(word in err for word in OURS):
        return f"it crashed: {err[-600:]}"
    if status not in TOLD:
        return f"its exit status was {status}: {err[-300:]}"
    if status and "error: " not in err:
        return f"exit status {status} without an error: {err[-300:]!r}"
    return None


def stored_wrong(store: Path) -> list[str]:
    """The blobs that are not what their name says."""
    blobs = store / "blobs-v1"
    return [path.name for path in sorted(blobs.glob("*/*")) if _sha256(path) != path.name]


def returned(manifest: Path, *, download: bool = False) -> dict[str, str]:
    """How `modelsync.files` answers for each locked name: `right`, `wrong: …`, `error: …`. Call it in a fork."""
    import modelsync
    from modelsync.spec.lock import read

    lock_path = manifest.with_suffix(".lock")
    answers = {}
    try:
        lock = read.parse(lock_path.read_text())
    except FileNotFoundError:
        return {}
    except modelsync.ModelsyncError as error:
        return {"the lock": f"error: {error}"}
    for model in lock.models:
        try:
            found = modelsync.files(model.name, manifest=manifest, download=download)
        except modelsync.ModelsyncError as error:
            answers[model.name] = f"error: {error}"
            continue
        answers[model.name] = _compared(found, [file.sha256 for file in model.files])
    return answers


def _compared(found: Any, digests: list[str]) -> str:
    paths = [*found.parts, *([found.mmproj] if found.mmproj else []), *found.loras]
    try:
        hashed = sorted(_sha256(path) for path in paths)
    except FileNotFoundError as error:
        return f"gone: {error.filename}"
    return "right" if hashed == sorted(digests) else f"wrong: {[str(path) for path in paths]}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def nothing_wrong(
    lab: Lab,
    fault: Fault,
    variables: Mapping[str, str] | None = None,
    rotten: Collection[str] = (),
) -> dict[str, str]:
    """Looks at every blob, and at all that `path` gives without a network; returns its answers.

    `rotten` are the blobs that a disk has damaged before: they may stay, and nothing may return them.
    """
    for name in set(stored_wrong(lab.store)).difference(rotten):
        fault(f"wrong bytes stored as {name[:12]}")
    manifest = lab.project / "models.toml"
    try:
        answers: dict[str, str] = lab.call(lambda: returned(manifest), variables)
    except AssertionError as error:
        fault(f"files() crashed: {str(error)[-600:]}")
        return {}
    for name, answer in answers.items():
        if answer.startswith(("wrong", "gone")):
            fault(f"wrong bytes returned for {name}: {answer}")
    return answers


def leftovers(lab: Lab) -> list[str]:
    """What is on its way to nowhere, in store and project."""
    found = [path for name in ("tmp-v1", "partials-v1") for path in (lab.store / name).glob("*")]
    found += [
        path
        for pattern in (".models.*.*", "**/.modelsync-*.tmp", "**/*.part", "**/.*.tmp")
        for path in lab.project.glob(pattern)
    ]
    return sorted({str(path.relative_to(lab.scope)) for path in found})


def shift_clock(seconds: float) -> None:
    """From now on this process sees the clock so many seconds ahead."""
    real, real_ns = time.time, time.time_ns
    time.time = lambda: max(0.0, real() + seconds)
    time.time_ns = lambda: max(0, real_ns() + int(seconds * 1e9))
