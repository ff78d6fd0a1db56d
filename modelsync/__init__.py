"""modelsync: `uv` for model files.

A project lists the GGUF models it needs in `models.toml`; `models.lock` pins their exact bytes; `modelsync sync` makes
this machine hold them; `modelsync.path("llama3")` is the local path that llama.cpp loads.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from modelsync.api.headers import estimate as estimate
    from modelsync.api.headers import inspect as inspect
    from modelsync.api.models import files as files
    from modelsync.api.models import load as load
    from modelsync.api.models import path as path
    from modelsync.api.projects import lock as lock
    from modelsync.api.projects import pull as pull
    from modelsync.api.projects import sync as sync
    from modelsync.api.projects import verify as verify
    from modelsync.engine.changes import Change as Change
    from modelsync.engine.estimating import Estimation as Estimation
    from modelsync.engine.inspecting import Inspection as Inspection
    from modelsync.engine.locking import LockReport as LockReport
    from modelsync.engine.modelfiles import ModelFiles as ModelFiles
    from modelsync.engine.syncing import SyncReport as SyncReport
    from modelsync.errors import ModelsyncError as ModelsyncError
    from modelsync.transfer.board import Board as Board
    from modelsync.transfer.progress import Event as Event

_WHERE = {
    **dict.fromkeys(("estimate", "inspect"), "modelsync.api.headers"),
    **dict.fromkeys(("files", "load", "path"), "modelsync.api.models"),
    **dict.fromkeys(("lock", "pull", "sync", "verify"), "modelsync.api.projects"),
    "Change": "modelsync.engine.changes",
    "Estimation": "modelsync.engine.estimating",
    "Inspection": "modelsync.engine.inspecting",
    "LockReport": "modelsync.engine.locking",
    "ModelFiles": "modelsync.engine.modelfiles",
    "SyncReport": "modelsync.engine.syncing",
    "ModelsyncError": "modelsync.errors",
    "Board": "modelsync.transfer.board",
    "Event": "modelsync.transfer.progress",
}
__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    """Imports what is asked for when it is asked for: `import modelsync` alone costs nearly nothing."""
    if name not in _WHERE:
        raise AttributeError(f"module 'modelsync' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
