"""modelsync: `uv` for model files.

A project lists the GGUF models it needs in `models.toml`; `models.lock` pins their exact bytes; `modelsync sync` makes
this machine hold them; `modelsync.path("llama3")` is the local path that llama.cpp loads.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelsync.api.headers import estimate, inspect
    from modelsync.api.models import files, load, path
    from modelsync.api.projects import licenses, lock, sync, verify
    from modelsync.api.transfers import pull, push
    from modelsync.errors import ModelsyncError
    from modelsync.fit.estimation import Estimation
    from modelsync.install.report import SyncReport
    from modelsync.ops.inspect import Inspection
    from modelsync.ops.inspect_files import FilesInspection
    from modelsync.ops.licenses import LicensesReport
    from modelsync.ops.proposal import LockReport
    from modelsync.ops.push import PushReport
    from modelsync.project.lock_diff import Change
    from modelsync.project.model_files import ModelFiles
    from modelsync.transfer.progress import Event
    from modelsync.transfer.progress_board import Board
    from modelsync.version import __version__

__all__ = [
    "Board",
    "Change",
    "Estimation",
    "Event",
    "FilesInspection",
    "Inspection",
    "LicensesReport",
    "LockReport",
    "ModelFiles",
    "ModelsyncError",
    "PushReport",
    "SyncReport",
    "__version__",
    "estimate",
    "files",
    "inspect",
    "licenses",
    "load",
    "lock",
    "path",
    "pull",
    "push",
    "sync",
    "verify",
]
_MODULES = {
    **dict.fromkeys(("estimate", "inspect"), "modelsync.api.headers"),
    **dict.fromkeys(("files", "load", "path"), "modelsync.api.models"),
    **dict.fromkeys(("licenses", "lock", "sync", "verify"), "modelsync.api.projects"),
    **dict.fromkeys(("pull", "push"), "modelsync.api.transfers"),
    "ModelsyncError": "modelsync.errors",
    "Estimation": "modelsync.fit.estimation",
    "SyncReport": "modelsync.install.report",
    "FilesInspection": "modelsync.ops.inspect_files",
    "Inspection": "modelsync.ops.inspect",
    "LicensesReport": "modelsync.ops.licenses",
    "LockReport": "modelsync.ops.proposal",
    "PushReport": "modelsync.ops.push",
    "Change": "modelsync.project.lock_diff",
    "ModelFiles": "modelsync.project.model_files",
    "Event": "modelsync.transfer.progress",
    "Board": "modelsync.transfer.progress_board",
    "__version__": "modelsync.version",
}

if not TYPE_CHECKING:  # a checker that saw this would take every misspelt name for a right one

    def __getattr__(name: str) -> Any:
        """Imports a public name on first use, so that `import modelsync` alone costs nearly nothing."""
        if name not in _MODULES:
            raise AttributeError(f"module 'modelsync' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
