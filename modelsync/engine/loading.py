"""Loading a model by its name or URI: what the manifest says of it, checked against what llama_cpp.Llama takes.

Light: the check of a manifest whose keywords are all well known imports nothing.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from modelsync.engine import asking, modelfiles
from modelsync.engine.context import Context
from modelsync.engine.project import Project
from modelsync.errors import CancelledError, ManifestError, NotFoundError, UsageError
from modelsync.spec.manifest import Entry, Manifest

if TYPE_CHECKING:
    from llama_cpp import Llama

# Of llama_cpp.Llama 0.3.36, which the extra asks for: these need no look at the installed one before a model is loaded.
WELL_KNOWN = frozenset(
    {
        *("attention_type", "chat_format", "embedding", "flash_attn", "last_n_tokens_size", "logits_all"),
        *("lora_scale", "main_gpu", "n_batch", "n_ctx", "n_gpu_layers", "n_threads", "n_threads_batch"),
        *("n_ubatch", "no_perf", "numa", "offload_kqv", "op_offload", "pooling_type", "rope_freq_base"),
        *("rope_freq_scale", "rope_scaling_type", "seed", "spm_infill", "split_mode", "swa_full"),
        *("tensor_split", "type_k", "type_v", "use_mlock", "use_mmap", "verbose", "vocab_only"),
        *("yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow", "yarn_ext_factor", "yarn_orig_ctx"),
    }
)


def check_manifest(project: Project, manifest: Manifest, text: str) -> None:
    """Holds the load settings of a manifest against `llama_cpp.Llama`, where llama-cpp-python is installed.

    Only a keyword that is not well known is worth importing it.

    Raises:
        ManifestError: there is no such keyword; with file, line, key and the nearest right one.
    """
    odd = [entry for entry in manifest.entries if not entry.load.keys() <= WELL_KNOWN]
    if not odd:
        return
    from modelsync.errors import ExtraMissingError
    from modelsync.llama import installed, keywords

    try:
        known = keywords.signature(installed.llama_class())
    except ExtraMissingError:
        return
    for entry in odd:
        for key in entry.load:
            if (why := keywords.unknown(key, known)) is not None:
                raise _located(project, manifest, entry, key, why, text)


def load(
    context: Context,
    text: str,
    find: Callable[[], Project],
    *,
    variant: str | None = None,
    download: bool = True,
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
        overrides: Keywords for `llama_cpp.Llama`, over the manifest's.
        default_context: See `llama.load.load`.

    Raises:
        CancelledError: the call was cancelled before llama.cpp began to load.
        ExtraMissingError: llama-cpp-python is not installed; told before anything is fetched.
        ManifestError: a load setting has no keyword or a value that does not fit it.
        UsageError: an override is no keyword.
        ModelsyncError: llama.cpp cannot load the model; or the model cannot be had.
    """
    from modelsync.llama import installed, keywords
    from modelsync.llama import load as loading

    known = keywords.signature(installed.llama_class())
    overrides = overrides or {}
    for key in overrides:
        if (why := keywords.unknown(key, known)) is not None:
            raise UsageError(why, hint="these are the arguments of llama_cpp.Llama")
    settings: Mapping[str, Any] = {}
    if modelfiles.is_name(text):
        settings = _settings(context, text, find, variant, download, known)
    files = asking.files(context, text, find, variant=variant, download=download)
    if context.cancel.is_set():  # llama.cpp cannot be interrupted once it loads
        raise CancelledError("interrupted")
    merged = {**settings, **overrides}
    return loading.load(
        files.model, merged, mmproj=files.mmproj, loras=files.loras, default_context=default_context
    )


def _settings(
    context: Context,
    name: str,
    find: Callable[[], Project],
    variant: str | None,
    download: bool,
    known: Mapping[str, frozenset[str]],
) -> Mapping[str, Any]:
    """`[models.NAME.load]`, checked; empty where the environment names the path and no manifest has the name.

    A manifest that cannot be read is an error even then: its settings would be lost without a word.
    """
    from modelsync.engine import variants
    from modelsync.llama import keywords

    try:
        project = find()
    except (ManifestError, NotFoundError):
        if modelfiles.from_environment(name) is None:
            raise
        return {}
    manifest = project.read_manifest()
    try:
        entry = variants.entry(context, project, manifest, name, variant, fetch=download)
    except NotFoundError:
        if modelfiles.from_environment(name) is None:
            raise
        return {}
    for key, value in entry.load.items():
        why = keywords.unknown(key, known) or keywords.misfit(key, value, known)
        if why is not None:
            raise _located(project, manifest, entry, key, why, project.manifest_text())
    return entry.load


def _located(
    project: Project, manifest: Manifest, entry: Entry, key: str, why: str, text: str
) -> ManifestError:
    """The error about a load setting, with the line where it stands."""
    from modelsync.spec.toml import Fault

    path: tuple[str | int, ...] = ("models", entry.name, "load", key)
    if entry.variant is not None:
        base = manifest.entry(entry.name).load
        if key not in base or base[key] != entry.load[key]:
            path = ("models", entry.name, "variants", entry.variant, "load", key)
    fault = Fault(path, why, "these are the arguments of the installed llama_cpp.Llama")
    error = fault.located(text, project.manifest_path.name, ManifestError)
    assert isinstance(error, ManifestError)
    return error
