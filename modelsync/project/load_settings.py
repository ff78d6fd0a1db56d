"""Checks the load settings of a manifest against `llama_cpp.Llama`."""

from modelsync.errors import ManifestError
from modelsync.spec.manifest.model import Entry, Manifest

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


def check_manifest(manifest: Manifest, text: str, where: str) -> None:
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
                raise located(manifest, entry, key, why, text, where)


def located(manifest: Manifest, entry: Entry, key: str, why: str, text: str, where: str) -> ManifestError:
    """The error about a load setting, with the line where it stands."""
    from modelsync.spec.toml import Fault

    path: tuple[str | int, ...] = ("models", entry.name, "load", key)
    if entry.variant is not None:
        base = manifest.entry(entry.name).load
        if key not in base or base[key] != entry.load[key]:
            path = ("models", entry.name, "variants", entry.variant, "load", key)
    fault = Fault(path, why, "these are the arguments of the installed llama_cpp.Llama")
    error = fault.located(text, where, ManifestError)
    assert isinstance(error, ManifestError)
    return error
