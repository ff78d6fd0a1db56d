"""What one call was asked, as values."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import httpx2


class CallOptions(NamedTuple):
    """What one call was asked that several of its steps need.

    Attributes:
        endpoint: The hub to ask, over every other setting.
        token: A token for that hub.
        headers: Pairs of a URL and a `Name: value` header that belongs to the URL's origin.
        offline: True rules the network out; None leaves it to the settings.
        jobs: The most connections that files come over at once; None leaves it to the transfer.
        max_rate: The most bytes a second that are read from the network; None leaves it to the settings.
        require_fit: Whether a model that cannot fit this machine is not fetched; None leaves it to the settings.
        adopt: Whether other tools' caches are looked into before a file is fetched; None leaves it to the settings.
        hf_cache: Whether what is synced is put into the Hugging Face cache too; None leaves it to the settings, and
            then to the user's config.
        mirrors: Places that are asked for a file by its digest, over those of the settings; empty: no mirror is
            asked, whoever names it; None leaves it to the settings.
        no_mirrors: Whether no mirror is asked, whoever names it; None leaves it to the settings.
        mirror_only: Whether nothing but mirrors is asked; None leaves it to the settings.
        transport: Sends the requests in place of connections of ours.
        auth: An `httpx2.Auth` by origin, for hosts that sign requests.
    """

    endpoint: str | None = None
    token: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    offline: bool | None = None
    jobs: int | None = None
    max_rate: int | None = None
    require_fit: bool | None = None
    adopt: bool | None = None
    hf_cache: bool | None = None
    mirrors: Sequence[str] | None = None
    no_mirrors: bool | None = None
    mirror_only: bool | None = None
    transport: "httpx2.BaseTransport | None" = None
    auth: "Mapping[str, httpx2.Auth] | None" = None


NO_OPTIONS = CallOptions()
