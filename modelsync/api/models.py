"""A model as local files, or loaded: `path`, `files`, `load`."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelsync.api import calls
from modelsync.context import CallOptions
from modelsync.ops import path as ops_path
from modelsync.project.model_files import ModelFiles

if TYPE_CHECKING:
    import httpx2
    from llama_cpp import Llama

    from modelsync.transfer.progress import Event


def path(
    name_or_uri: str,
    *,
    manifest: "calls.AnyPath | None" = None,
    package: str | None = None,
    variant: str | Mapping[str, str] | None = None,
    dir: "calls.AnyPath | None" = None,
    download: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    adopt: bool | None = None,
    hf_cache: bool | None = None,
    mirrors: Sequence[str] | None = None,
    mirror_only: bool | None = None,
    max_rate: int | str | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> Path:
    """The local path of a model, for llama.cpp to load: the file, or the first part of a split model.

    A file that is here needs no network and no hashing. Any other is fetched as the lock says, checked, and kept
    in the store.

    Args:
        name_or_uri: A name of the manifest, or a URI (`hf:user/model:Q4_K_M`), resolved once and remembered.
        manifest: The manifest; None: the nearest `models.toml` upward, or `MODELSYNC_MANIFEST`.
        package: An installed package that ships its manifest and lock, instead.
        variant: The variant of the model, or a mapping of names to variants; None: `MODELSYNC_VARIANT`, where the
            model has it, else what was synced last. `auto`: the largest that fits this machine, by its memory in
            total; without a network, the largest of those that are here.
        dir: A folder that the answer is from, in place of the manifest's: what is not there is put there, as `sync` and
            `pull` with `--dir` do it.
        download: False raises for what is not here.
        token: A token for the hub, over the environment's.
        endpoint: A hub, over every other setting.
        offline: True rules the network out; None leaves it to the environment.
        adopt: False takes nothing from other tools' caches; None: `MODELSYNC_ADOPT`, else they are looked into before
            the network is asked, and what is found there is hashed.
        hf_cache: True puts the files into the Hugging Face cache too, as far as the hub confirms them; None:
            `MODELSYNC_HF_CACHE`, else the user's config, for what is fetched.
        mirrors: Places that are asked for files by their digests before their origins: `oci://registry/repo`,
            `https://host/{sha256}` or folders; `()` is none at all; None: `MODELSYNC_MIRRORS`.
        mirror_only: True asks nothing but mirrors; None: `MODELSYNC_MIRROR_ONLY`.
        max_rate: The most bytes a second from the network, a number or as in `5MB`; None: `MODELSYNC_MAX_RATE`.
        progress: None: bars where stderr is a terminal, and in a notebook; False: nothing is drawn; True: always.
        on_progress: Called with each progress event, in one thread at a time, in place of what is drawn.
        cancel: Set it in another thread to interrupt the call.
        transport: Sends every request in place of connections of ours: for tests (`httpx2.MockTransport`) and odd
            networks. It is given requests for documents and for bytes, decides itself about names, proxies and
            certificates, and stays open. Redirects, rate limits and credentials are as without it.
        auth: An `httpx2.Auth` by origin, for hosts that sign requests:
            `{"https://models.corp.example": httpx2.BasicAuth(user, password)}`. It sees requests to that origin alone.

    Raises:
        NotSyncedError: it is not here, and `download` is False or the network is ruled out.
        StaleLockError: the lock is not up to date with the manifest; the hint names `modelsync sync`.
        ModelsyncError: any other failure: see `modelsync.errors`.
    """
    return files(
        name_or_uri,
        manifest=manifest,
        package=package,
        variant=variant,
        dir=dir,
        download=download,
        token=token,
        endpoint=endpoint,
        offline=offline,
        adopt=adopt,
        hf_cache=hf_cache,
        mirrors=mirrors,
        mirror_only=mirror_only,
        max_rate=max_rate,
        progress=progress,
        on_progress=on_progress,
        cancel=cancel,
        transport=transport,
        auth=auth,
    ).model


def files(
    name_or_uri: str,
    *,
    manifest: "calls.AnyPath | None" = None,
    package: str | None = None,
    variant: str | Mapping[str, str] | None = None,
    dir: "calls.AnyPath | None" = None,
    download: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    adopt: bool | None = None,
    hf_cache: bool | None = None,
    mirrors: Sequence[str] | None = None,
    mirror_only: bool | None = None,
    max_rate: int | str | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
) -> ModelFiles:
    """All local files of a model: its parts and what goes with it. Its arguments are those of `path`."""
    call = CallOptions(
        endpoint=endpoint,
        token=token,
        offline=offline,
        adopt=adopt,
        hf_cache=hf_cache,
        mirrors=mirrors,
        mirror_only=mirror_only,
        max_rate=calls.rate(max_rate),
        transport=transport,
        auth=auth,
    )
    with calls.context(call, on_progress, cancel, progress=progress) as context:
        return ops_path.files(
            context,
            name_or_uri,
            lambda: calls.find(context, manifest, package),
            variant=variant,
            directory=Path(dir) if dir is not None else None,
            download=download,
        )


def load(
    name_or_uri: str,
    *,
    manifest: "calls.AnyPath | None" = None,
    package: str | None = None,
    variant: str | Mapping[str, str] | None = None,
    dir: "calls.AnyPath | None" = None,
    download: bool = True,
    token: str | None = None,
    endpoint: str | None = None,
    offline: bool | None = None,
    adopt: bool | None = None,
    hf_cache: bool | None = None,
    mirrors: Sequence[str] | None = None,
    mirror_only: bool | None = None,
    max_rate: int | str | None = None,
    progress: bool | None = None,
    on_progress: "Callable[[Event], None] | None" = None,
    cancel: threading.Event | None = None,
    transport: "httpx2.BaseTransport | None" = None,
    auth: "Mapping[str, httpx2.Auth] | None" = None,
    **overrides: Any,
) -> "Llama":
    """Loads a model with llama-cpp-python: `[models.NAME.load]` of the manifest, with `overrides` laid over.

    A split model is loaded by its first part; a projector brings the chat handler that fits it, adapters are laid over
    the model, and a model that makes vectors is loaded for `create_embedding`: a text is cut to `n_batch` tokens, which
    follow `n_ctx` where they are not given. Of a reranker `embed` gives the score of a text. Each call loads a model of
    its own. A draft head is left out with a warning: llama-cpp-python takes no file to draft with.
    The model's chat template is rendered when it is used: it came with the model, from whoever made the file, and
    llama-cpp-python's sandbox for it bounds what it can reach, not how long it runs.

    Args:
        name_or_uri: As for `path`, and so are the other named arguments.
        manifest: See `path`.
        package: See `path`.
        variant: See `path`.
        dir: See `path`.
        download: See `path`.
        token: See `path`.
        endpoint: See `path`.
        offline: See `path`.
        adopt: See `path`.
        hf_cache: See `path`.
        mirrors: See `path`.
        mirror_only: See `path`.
        max_rate: See `path`.
        progress: See `path`.
        on_progress: See `path`.
        cancel: See `path`.
        transport: See `path`.
        auth: See `path`.
        overrides: Keywords for `llama_cpp.Llama`; those that name a path or code too, which a manifest may not.

    Raises:
        ExtraMissingError: llama-cpp-python is not installed.
        UsageError: there is no such keyword; of the manifest, with file, line and key.
        ModelsyncError: llama.cpp cannot load the model; or anything that `path` raises.
    """
    from modelsync.ops import load as ops_load

    call = CallOptions(
        endpoint=endpoint,
        token=token,
        offline=offline,
        adopt=adopt,
        hf_cache=hf_cache,
        mirrors=mirrors,
        mirror_only=mirror_only,
        max_rate=calls.rate(max_rate),
        transport=transport,
        auth=auth,
    )
    with calls.context(call, on_progress, cancel, progress=progress) as context:
        return ops_load.load(
            context,
            name_or_uri,
            lambda: calls.find(context, manifest, package),
            variant=variant,
            directory=Path(dir) if dir is not None else None,
            download=download,
            overrides=overrides,
        )
