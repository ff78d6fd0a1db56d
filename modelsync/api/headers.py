"""Public functions that need only a model's header: `inspect`, `estimate`."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from modelsync.api import calls
from modelsync.context import CallOptions

if TYPE_CHECKING:
    import httpx2

    from modelsync.fit.estimation import Estimation
    from modelsync.ops.inspect import Inspection
    from modelsync.ops.inspect_files import FilesInspection
    from modelsync.transfer.progress import Event


def inspect(
    name_or_uri: str,
    *,
    manifest: "calls.AnyPath | None" = None,
    package: str | None = None,
    variant: str | Mapping[str, str] | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    mirrors: Sequence[str] | None = None,
    mirror_only: bool | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> "Inspection | FilesInspection":
    """Reads what a model's GGUF header says: `modelsync inspect`. If the model is not here, only its header is fetched.

    Of what is no GGUF a `FilesInspection`: the headers of safetensors files, and of each other file its kind, size and
    digest.

    Args:
        name_or_uri: A name of the manifest, a URI, or a path with a separator in it.
        manifest: See `path`.
        package: See `path`.
        variant: See `path`.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        mirrors: See `path`.
        mirror_only: See `path`.
        progress: See `path`.
        on_progress: See `path`.
        cancel: See `path`.
        transport: See `path`.
        auth: See `path`.

    Raises:
        NotAModelError: it is not a valid GGUF file.
        NotSyncedError: neither it nor its header is here, and the network is ruled out.
        ModelsyncError: any other failure.
    """
    from modelsync.ops import inspect as ops_inspect

    call = CallOptions(
        endpoint=endpoint,
        token=token,
        offline=offline,
        mirrors=mirrors,
        mirror_only=mirror_only,
        transport=transport,
        auth=auth,
    )
    with calls.context(call, on_progress, cancel, progress=progress) as context:
        return ops_inspect.inspect(
            context, name_or_uri, lambda: calls.find(context, manifest, package), variant=variant
        )


def estimate(
    name_or_uri: str,
    *,
    ctx: int | None = None,
    gpu_layers: "int | Literal['auto'] | None" = None,
    flash_attn: bool | None = None,
    cache_type_k: str | None = None,
    cache_type_v: str | None = None,
    ubatch: int | None = None,
    swa_full: bool | None = None,
    profile: str | None = None,
    ram: int | str | None = None,
    gpus: Sequence[int | str] | None = None,
    manifest: "calls.AnyPath | None" = None,
    package: str | None = None,
    variant: str | Mapping[str, str] | None = None,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    mirrors: Sequence[str] | None = None,
    mirror_only: bool | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> "Estimation":
    """What memory a model will need, from its header alone: `modelsync estimate`.

    What is returned is the model as it would be loaded; its `profiles` compare that with the model at its best on the
    machine, each with flash attention off and on.

    Args:
        name_or_uri: A name of the manifest, a URI with a quant or a file, or a path with a separator in it.
        ctx: Tokens of context; 0: what it was trained with; None: what the manifest or the profile says.
        gpu_layers: Layers on GPUs; -1: all; `auto`: as many as fit.
        flash_attn: Flash attention.
        cache_type_k: The type of the cache's keys: `f16`, `q8_0`, ….
        cache_type_v: The type of its values.
        ubatch: Tokens that are computed at once.
        swa_full: A whole cache for sliding windows.
        profile: Whose defaults: `llama-cpp-python` or `llama-server`.
        ram: Another machine's memory: bytes, or as in `64GB` (decimal) and `64GiB` (binary).
        gpus: Another machine's GPUs, likewise.
        manifest: See `path`.
        package: See `path`.
        variant: See `path`.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        mirrors: See `path`.
        mirror_only: See `path`.
        progress: See `path`.
        on_progress: See `path`.
        cancel: See `path`.
        transport: See `path`.
        auth: See `path`.

    Raises:
        NotAModelError: it is not a valid GGUF file.
        UsageError: llama.cpp would refuse the settings, or a size has no unit.
        ModelsyncError: any other failure.
    """
    from modelsync.fit import estimation
    from modelsync.ops import estimate as ops_estimate

    asked = estimation.EstimateOptions(
        profile=profile,
        context=ctx,
        gpu_layers=gpu_layers,
        flash_attention=flash_attn,
        cache_type_k=cache_type_k,
        cache_type_v=cache_type_v,
        ubatch=ubatch,
        full_window=swa_full,
        ram=None if ram is None else calls.byte_count("ram", ram),
        gpus=tuple(calls.byte_count("gpus", gpu) for gpu in gpus)
        if gpus is not None
        else ()
        if ram is not None
        else None,
    )
    call = CallOptions(
        endpoint=endpoint,
        token=token,
        offline=offline,
        mirrors=mirrors,
        mirror_only=mirror_only,
        transport=transport,
        auth=auth,
    )
    with calls.context(call, on_progress, cancel, progress=progress) as context:
        return ops_estimate.estimate(
            context, name_or_uri, lambda: calls.find(context, manifest, package), variant=variant, asked=asked
        )
