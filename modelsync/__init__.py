"""modelsync: `uv` for model files.

A project lists the GGUF models it needs in `models.toml`; `models.lock` pins their exact bytes; `modelsync sync` makes
this machine hold them; `modelsync.path("llama3")` is the local path that llama.cpp loads.
"""

from typing import TYPE_CHECKING, Any

from modelsync.version import __version__ as __version__

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
    from modelsync.errors import ModelsyncError as ModelsyncError
    from modelsync.fit.estimation import Estimation as Estimation
    from modelsync.install.report import SyncReport as SyncReport
    from modelsync.ops.inspect import Inspection as Inspection
    from modelsync.ops.lock import LockReport as LockReport
    from modelsync.project.lock_diff import Change as Change
    from modelsync.project.model_files import ModelFiles as ModelFiles
    from modelsync.transfer.progress import Event as Event
    from modelsync.transfer.progress_board import Board as Board

_WHERE = {
    **dict.fromkeys(("estimate", "inspect"), "modelsync.api.headers"),
    **dict.fromkeys(("files", "load", "path"), "modelsync.api.models"),
    **dict.fromkeys(("lock", "pull", "sync", "verify"), "modelsync.api.projects"),
    "Change": "modelsync.project.lock_diff",
    "Estimation": "modelsync.ops.estimate",
    "Inspection": "modelsync.ops.inspect",
    "LockReport": "modelsync.ops.lock",
    "ModelFiles": "modelsync.project.model_files",
    "SyncReport": "modelsync.ops.sync",
    "ModelsyncError": "modelsync.errors",
    "Board": "modelsync.transfer.progress_board",
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
