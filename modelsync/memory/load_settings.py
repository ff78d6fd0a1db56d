"""The load settings that memory depends on, and the defaults of two programs."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from modelsync.errors import UsageError
from modelsync.gguf.types import BY_NAME, TENSOR_TYPES, TensorType
from modelsync.spec.names import printable

ALL_LAYERS: Final = -1
GpuLayers: TypeAlias = int | Literal["auto"]

# The types that llama.cpp's cache can have.
CACHE_TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "IQ4_NL", "Q5_0", "Q5_1")
CELL_STEP = 256  # a context is padded to a multiple of this


class LoadSettings(NamedTuple):
    """The settings of llama.cpp that decide memory."""

    profile: str  # the program whose defaults they are
    context: int  # tokens; 0: what the model was trained with
    batch: int = 512
    ubatch: int = 512
    sequences: int = 1
    unified: bool = False  # one cache for all sequences
    outputs: int = 0  # tokens of a batch whose logits are kept; 0: all
    cache_type_k: TensorType = BY_NAME["F16"]
    cache_type_v: TensorType = BY_NAME["F16"]
    flash_attention: bool = False
    full_window: bool = True  # windowed layers cache the whole context too (`swa_full`)
    gpu_layers: GpuLayers = 0
    offload_cache: bool = True  # a layer's cache is on the layer's device (`offload_kqv`)
    fitted: bool = False  # a context of 0 is cut to what fits before fewer layers go to GPUs (`--fit`)

    def cells(self, trained: int) -> int:
        """Cells of the cache, in tokens, all sequences together."""
        asked = self.context or trained
        if self.unified:
            return padded_cells(asked)
        return padded_cells(padded_cells(asked) // self.sequences) * self.sequences

    def tokens(self, trained: int, causal: bool = True) -> int:
        """Tokens of a batch that are computed at once."""
        cells = self.cells(trained)
        batch = min(self.batch, cells) if causal else self.batch
        return max(1, min(batch, self.ubatch or batch, cells))


def padded_cells(tokens: int) -> int:
    """`tokens` rounded up as llama.cpp rounds a context."""
    return max(1, -(-tokens // CELL_STEP)) * CELL_STEP


# `llama_cpp.Llama(path)` without further arguments.
LLAMA_CPP_PYTHON = LoadSettings("llama-cpp-python", context=512)

# `llama-server -m path` without further arguments: four slots that share a cache, logits for the last token of each,
# and `--fit on`.
LLAMA_SERVER = LoadSettings(
    "llama-server",
    context=0,
    batch=2048,
    sequences=4,
    unified=True,
    outputs=4,
    flash_attention=True,
    full_window=False,
    gpu_layers="auto",
    fitted=True,
)

PROFILES = {profile.profile: profile for profile in (LLAMA_CPP_PYTHON, LLAMA_SERVER)}

_KEYWORDS = {
    "n_ctx": "context",
    "n_batch": "batch",
    "n_ubatch": "ubatch",
    "flash_attn": "flash_attention",
    "swa_full": "full_window",
    "n_gpu_layers": "gpu_layers",
    "offload_kqv": "offload_cache",
}


def from_load(load: Mapping[str, Any], base: LoadSettings = LLAMA_CPP_PYTHON) -> LoadSettings:
    """The settings from a manifest's `[models.x.load]`, which has keywords of `llama_cpp.Llama`.

    Raises:
        UsageError: llama.cpp would not accept a value.
    """
    changes: dict[str, Any] = {}
    for keyword, field in _KEYWORDS.items():
        if keyword in load and (keyword, load[keyword]) != ("n_ctx", "max"):
            changes[field] = _checked(keyword, load[keyword], getattr(base, field))
    for keyword, field in (("type_k", "cache_type_k"), ("type_v", "cache_type_v")):
        if load.get(keyword) is not None:
            changes[field] = _by_id(keyword, load[keyword])
    if load.get("n_ctx") == "max":
        changes |= {"context": 0, "fitted": True}
    if not changes:
        return base
    return base._replace(profile=f"{base.profile}, with the manifest's load settings", **changes)


def _checked(keyword: str, value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        return bool(value)
    if value == "auto" and keyword == "n_gpu_layers":
        return value
    if not isinstance(value, int) or (value < 0 and keyword != "n_gpu_layers"):
        raise UsageError(f"`load.{keyword}` is {printable(str(value))}, not a number from 0")
    return max(value, ALL_LAYERS)


def _by_id(keyword: str, value: Any) -> TensorType:
    kind = TENSOR_TYPES.get(value) if isinstance(value, int) else None
    if kind is None or kind.name not in CACHE_TYPES:
        raise UsageError(
            f"`load.{keyword}` is {printable(str(value))}, not the number of a cache type",
            hint=", ".join(f"{BY_NAME[name].id}: {name}" for name in CACHE_TYPES),
        )
    return kind


def cache_type(name: str) -> TensorType:
    """The type that `--cache-type-k` or `--cache-type-v` names, in any case.

    Raises:
        UsageError: a cache cannot have that type.
    """
    if name.upper() not in CACHE_TYPES:
        raise UsageError(
            f"`{printable(name)}` is not a cache type",
            hint=f"one of {', '.join(kind.lower() for kind in CACHE_TYPES)}",
        )
    return BY_NAME[name.upper()]
