"""What one call works with: settings, options, store, sources and, once something needs it, a client."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from modelsync import settings as environment
from modelsync.context.options import NO_OPTIONS, CallOptions
from modelsync.context.telling import Telling
from modelsync.errors import OfflineError
from modelsync.settings import DEFAULT_ENDPOINT, Settings
from modelsync.store.layout import Store, open_store

if TYPE_CHECKING:
    from modelsync.caches.neighbours import Neighbours
    from modelsync.net.client import Client
    from modelsync.net.config import UserConfig
    from modelsync.registry.repository import Repository
    from modelsync.sources.base import Source
    from modelsync.spec.mirror import Mirror
    from modelsync.spec.uri import Reference
    from modelsync.store.brought import Brought
    from modelsync.transfer.downloader import Downloader
    from modelsync.transfer.progress import Listener, Phase
    from modelsync.transfer.rate_limit import RateLimit
    from modelsync.transfer.responses import ByteSource


OFFLINE_HINT = "leave out --offline, and unset MODELSYNC_OFFLINE and HF_HUB_OFFLINE"


class Context:
    """Shared by the steps of one call; a context manager that closes its connections.

    Nothing here touches the network, and none of its packages is imported, before `client` is first used.

    Args:
        settings: Where defaults come from; the process's environment when None.
        options: What the call was asked, over the settings.
        listener: Called with each progress event.
        warn: Called with what a person should know before the call goes on; None: it goes to the log `modelsync`.
        detail: Called with what only a person who asked for details wants to know; None: as with `warn`.
        trace: Called with lines about requests, each with how much must be asked for to see it (1, or 2 for headers);
            None: they go to the log `modelsync`, where that takes what is for debugging.
        cancel: Set by another thread to interrupt the work.

    Attributes:
        telling: Tells whoever listens; `tell`, `warn` and `detail` are its own.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        options: CallOptions = NO_OPTIONS,
        *,
        listener: "Listener | None" = None,
        warn: Callable[[str], None] | None = None,
        detail: Callable[[str], None] | None = None,
        trace: Callable[[int, str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self.settings = said = environment.from_environment() if settings is None else settings
        self.options = options
        self.offline = said.offline if options.offline is None else options.offline
        self.max_rate = said.max_rate if options.max_rate is None else options.max_rate
        self.require_fit = said.require_fit if options.require_fit is None else options.require_fit
        self.hf_cache_asked = said.hf_cache if options.hf_cache is None else options.hf_cache
        self.telling = Telling(listener, warn, detail, trace, said.log)
        self.warn = self.telling.warn
        self.detail = self.telling.detail
        self.tell = self.telling.tell
        self.known_to_fit: set[str] = set()  # digests of models that were found to fit this machine
        self.decided: dict[tuple[str, ...], tuple[str | None, bool]] = {}  # what `auto` means: `fit.largest`
        self.adopt = said.adopt if options.adopt is None else options.adopt
        self.mirror_only = said.mirror_only if options.mirror_only is None else options.mirror_only
        self.left_alone: set[Mirror] = set()  # mirrors that failed in this call
        self.brought: list[Brought] = []  # files that came into the store in this call
        self._project_mirrors: tuple[str, ...] = ()
        self._mirrors: tuple[Mirror, ...] | None = None
        self._user: UserConfig | None = None
        self._neighbours: Neighbours | None = None
        self.cancel = cancel or threading.Event()
        hub = options.endpoint
        self._endpoint = environment.check_endpoint("--endpoint", hub).rstrip("/") if hub else None
        self._store: Store | None = None
        self._client: Client | None = None
        self._repositories: dict[tuple[str, str], Repository] = {}
        self._limit: RateLimit | None = None
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.telling.ended(error)
        self.close()

    def close(self) -> None:
        """Closes the connections, and the log."""
        with self._guard:
            client, self._client = self._client, None
            self._repositories.clear()
        if client is not None:
            client.close()
        self.telling.close()

    @property
    def store(self) -> Store:
        """The store of blobs on this machine."""
        if self._store is None:
            self._store = open_store(self.settings)
        return self._store

    @property
    def neighbours(self) -> "Neighbours":
        """The caches of other tools that may be taken from; none, where that is ruled out.

        Raises:
            ConfigError: the user's configuration cannot be read.
        """
        with self._guard:
            if self._neighbours is None:
                from modelsync.caches.home import Home
                from modelsync.caches.neighbours import Neighbours, all_caches

                extra = self.user.extra_caches if self.adopt else ()
                found = all_caches(Home.of_process(), extra) if self.adopt else ()
                self._neighbours = Neighbours(found, self.detail)
            return self._neighbours

    @property
    def links_into_hf_cache(self) -> bool:
        """Whether the user's config asks for what is synced to be put into the Hugging Face cache.

        Raises:
            ConfigError: the config cannot be read.
        """
        return "hf-cache" in self.user.link_into

    @property
    def hf_cache(self) -> bool:
        """Whether what is synced is put into the Hugging Face cache too; a manifest has no say in it.

        Raises:
            ConfigError: the user's config cannot be read.
        """
        return self.links_into_hf_cache if self.hf_cache_asked is None else self.hf_cache_asked

    def teller(self, label: str, total: int, phase: "Phase") -> Callable[[int], None]:
        """Makes a function that counts bytes of one thing and reports progress.

        Returns:
            A function of the number of further bytes; it raises `CancelledError` when the call is cancelled.
        """
        return self.telling.counter(label, total, phase, self.cancel)

    def endpoint(self, asked: str | None = None) -> str:
        """The hub to talk to: a flag's, the environment's, what the request asks for, the default."""
        return (self._endpoint or self.settings.endpoint or asked or DEFAULT_ENDPOINT).rstrip("/")

    def reference(self, text: str) -> "Reference":
        """A model URI as a person types it: pages of the hub that this call asks are `hf:` URIs too.

        Raises:
            UriError: it has no known form.
        """
        from modelsync.spec import uri

        return uri.parse(text, hub=self.endpoint())

    def client(self) -> "Client":
        """The one client of this call.

        Raises:
            OfflineError: the network was ruled out.
        """
        if self.offline:
            raise OfflineError(
                "this needs the network, and the network is ruled out",
                hint=OFFLINE_HINT,
            )
        with self._guard:
            if self._client is None:
                from modelsync.context.connect import connect

                self._client = connect(
                    self.settings,
                    self.options,
                    self.user,
                    self.telling,
                    endpoint=self._endpoint,
                    cancel=self.cancel,
                )
            return self._client

    def repository(self, registry: str, name: str) -> "Repository":
        """A repository of a registry, over this call's client: what is found out of the registry is asked once.

        Raises:
            OfflineError: the network was ruled out.
        """
        from modelsync.registry.repository import Repository

        client = self.client()
        with self._guard:
            return self._repositories.setdefault((registry, name), Repository(client, registry, name))

    @property
    def denies_code(self) -> bool:
        """Whether the user refuses files that can run code, whatever a manifest allows.

        Raises:
            ConfigError: the user's config cannot be read.
        """
        return self.user.deny_code

    @property
    def user(self) -> "UserConfig":
        """The user's configuration, read once.

        Raises:
            ConfigError: it cannot be read.
        """
        if self._user is None:
            from modelsync.net import config

            self._user = config.load(self.settings.config_file)
        return self._user

    @property
    def asks_origin(self) -> bool:
        """Whether a hub, or the server of a URL, may be asked."""
        return not (self.offline or self.mirror_only)

    @property
    def may_fetch(self) -> bool:
        """Whether locked files that are not here may be had: of their origins or a mirror; offline, of a folder alone.

        Raises:
            UsageError, UriError, ConfigError: as of `mirrors`.
        """
        return self.asks_origin or any(mirror.kind == "folder" or not self.offline for mirror in self.mirrors)

    def origin_client(self) -> "Client":
        """The client, to ask where models come from.

        Raises:
            OfflineError: the network, or the origin, was ruled out.
        """
        if self.mirror_only and not self.offline:
            raise OfflineError(
                "this needs the models' origin, and only mirrors are to be asked",
                hint="leave out --mirror-only, and unset MODELSYNC_MIRROR_ONLY",
            )
        return self.client()

    def use_mirrors(self, texts: Sequence[str]) -> None:
        """Adds the mirrors of the project's manifest, in canonical form, behind those that the user named."""
        if tuple(texts) != self._project_mirrors:
            self._project_mirrors, self._mirrors = tuple(texts), None

    @property
    def mirrors(self) -> "tuple[Mirror, ...]":
        """The mirrors of this call, in the order in which they are asked.

        Raises:
            UsageError: two options contradict each other.
            UriError, ConfigError: one of them is no mirror.
        """
        if self._mirrors is None:
            from modelsync.context.mirrors import mirrors

            self._mirrors = mirrors(self.options, self.settings, self.user, self._project_mirrors)
        return self._mirrors

    def downloader(self) -> "Downloader":
        """A downloader with this call's client. All downloaders of a call share its limit."""
        from modelsync.transfer.downloader import STREAMS, Downloader

        streams = self.options.jobs or STREAMS
        return Downloader(
            self.client,
            streams=streams,
            limit=self.limit,
            listener=self.telling.listener,
            cancel=self.cancel,
            on_retry=self.telling.retry,
        )

    def remote(self, url: str, *, mirrored: bool = False) -> "ByteSource":
        """A file at its source, or at a mirror, to read parts of: with this call's client, and under its limit.

        Of a file in a tar layer parts can be read where the layer is not compressed.
        """
        from modelsync.spec import oci_url
        from modelsync.transfer.remote import RemoteSource

        client = self.client if mirrored else self.origin_client
        blob = oci_url.read(url)
        if blob is None or blob.member is None:
            return RemoteSource(client, url, self.cancel.is_set, self.limit)
        from modelsync.transfer.tar_member import TarMember

        layer = RemoteSource(client, str(blob._replace(member=None)), self.cancel.is_set, self.limit)
        return TarMember(layer, blob.member)

    @property
    def limit(self) -> "RateLimit | None":
        """The one limit of this call, or None."""
        if self.max_rate is None:
            return None
        from modelsync.transfer.downloader import STREAMS
        from modelsync.transfer.rate_limit import RateLimit

        with self._guard:
            if self._limit is None:
                self._limit = RateLimit(self.max_rate, self.options.jobs or STREAMS)
            return self._limit

    def sources(self) -> "tuple[Source, ...]":
        """All sources, over this call's client, with nothing remembered yet: their answers are of one moment."""
        from modelsync import sources

        return sources.sources(self.origin_client)
