"""Loading a model by its name or URI: what the manifest says of it, checked against what llama_cpp.Llama takes.

Light: the check of a manifest whose keywords are all well known imports nothing.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from modelsync.context import Context
from modelsync.errors import CancelledError, ManifestError, NotFoundError, UsageError
from modelsync.ops import path
from modelsync.ops.gguf_only import folder_refused, require_gguf
from modelsync.project import model_files
from modelsync.project.load_settings import located
from modelsync.project.project import LoadedProject, Project, about
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from pathlib import Path

    from llama_cpp import Llama

    from modelsync.project.selection import Variant


def load(
    context: Context,
    text: str,
    find: Callable[[], Project],
    *,
    variant: "Variant" = None,
    download: bool = True,
    directory: "Path | None" = None,
    overrides: Mapping[str, Any] | None = None,
    default_context: int | None = None,
) -> "Llama":
    """Makes a model be here, and loads it.

    Args:
        context: What to work with.
        text: A name of the manifest, or a URI.
        find: Finds the project; called for a name.
        variant: The variant of the name.
        download: Whether what is not here is fetched.
        directory: See `path.files`.
        overrides: Keywords for `llama_cpp.Llama`, over the manifest's.
        default_context: See `llama.load.load`.

    Raises:
        CancelledError: the call was cancelled before llama.cpp began to load.
        ExtraMissingError: llama-cpp-python is not installed; told before anything is fetched.
        NotAModelError: it is no GGUF model.
        ManifestError: a load setting has no keyword or a value that does not fit it.
        UsageError: an override is no keyword.
        ModelsyncError: llama.cpp cannot load the model; or the model cannot be had.
    """
    from modelsync.llama import installed, keywords
    from modelsync.llama import load as loading

    known = keywords.signature(installed.llama_class())
    find_once = cache(lambda: find().loaded())
    overrides = overrides or {}
    for key in overrides:
        if (why := keywords.unknown(key, known)) is not None:
            raise UsageError(why, hint="these are the arguments of llama_cpp.Llama")
    settings: Mapping[str, Any] = {}
    if model_files.is_name(text):
        settings = _settings(context, text, find_once, variant, download, known)
    files = path.files(context, text, find_once, variant=variant, download=download, directory=directory)
    require_gguf(text, files)
    if context.cancel.is_set():  # llama.cpp cannot be interrupted once it loads
        raise CancelledError("interrupted")
    merged = {**settings, **overrides}
    if files.draft is not None and "draft_model" not in merged:
        context.warn(
            f"{printable(text)} is loaded without its draft head: llama-cpp-python takes no such file"
            f" ({printable(files.draft.name)}); `modelsync export --to llama-server` writes it for llama-server"
        )
    return loading.load(
        files.model, merged, mmproj=files.mmproj, loras=files.loras, default_context=default_context
    )


def _settings(
    context: Context,
    name: str,
    find: Callable[[], LoadedProject],
    variant: "Variant",
    download: bool,
    known: Mapping[str, frozenset[str]],
) -> Mapping[str, Any]:
    """`[models.NAME.load]`, checked; empty where the environment names the path and no manifest has the name.

    A manifest that cannot be read is an error even then: its settings would be lost without a word.
    """
    from modelsync.fit import variants
    from modelsync.llama import keywords

    try:
        project = find()
    except (ManifestError, NotFoundError):
        if model_files.from_environment(name) is None:
            raise
        return {}
    manifest = project.manifest
    try:
        entry = variants.entry(context, project, name, variant, fetch=download)
    except NotFoundError:
        if model_files.from_environment(name) is None:
            raise
        return {}
    if entry.request.globs is not None and model_files.from_environment(name) is None:
        raise folder_refused(entry.title)
    for key, value in entry.load.items():
        why = keywords.unknown(key, known) or keywords.type_error(key, value, known)
        if why is not None:
            with about(project.manifest_path):
                raise located(manifest, entry, key, why, project.manifest_text, project.manifest_path.name)
    return entry.load
