"""The hub as a test holds it: three origins, the repos, the faults, and what was asked."""

import fnmatch
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote, urlencode

from .api import Api, error
from .content import Content, File, content, serve
from .faults import Fault
from .quotas import Kind, Quotas
from .repos import Entry, Repo
from .server import Server
from .tls import make_authority
from .triggers import Trigger
from .wire import Reply, Request, Seen, Where, text


class Hub:
    """A model hub on the loopback, with a CDN and a plain file server. Use it in a `with`.

    Args:
        tls: Speak https on all three, with certificates of an authority made for it (needs `openssl`).
        port: Of the hub; 0: any free one.

    Attributes:
        endpoint: Of the hub, `http://127.0.0.1:<port>`.
        cdn: Where its redirects lead, `http://localhost:<port>`.
        plain: The origin of `file()`'s URLs.
        ca_file: The certificate to trust when it speaks TLS, else None.
        requests: All that was asked, in order; may be cleared.
        link_seconds: How long a signed URL is good for.
    """

    def __init__(self, *, tls: bool = False, port: int = 0) -> None:
        self.requests: list[Seen] = []
        self.link_seconds = 3600.0
        self.ca_file: Path | None = None
        self._api = Api(self._sign)
        self._links: dict[str, _Link] = {}
        self._files: dict[str, tuple[File, Mapping[str, str]]] = {}
        self._triggers: list[Trigger] = []
        self._quotas = Quotas()
        self._folder: TemporaryDirectory[str] | None = None
        context = None
        if tls:
            self._folder = TemporaryDirectory(prefix="hub-tls-")
            self.ca_file, context = make_authority(Path(self._folder.name))
        self._servers = [
            self._server("hub", "127.0.0.1", context, port),
            self._server("cdn", "localhost", context),
            self._server("plain", "127.0.0.1", context),
        ]
        self.endpoint, self.cdn, self.plain = (server.url for server in self._servers)
        self._api.endpoint = self.endpoint

    def _server(self, where: Where, host: str, tls: ssl.SSLContext | None, port: int = 0) -> Server:
        return Server(where, host, partial(self._answer, where), self.requests, tls=tls, port=port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop. Raises what went wrong inside the hub itself: a mistake of the test's or the hub's own."""
        for server in self._servers:
            server.close()
        if self._folder is not None:
            self._folder.cleanup()
        wrong = [error for server in self._servers for error in server.errors]
        if wrong:
            raise ExceptionGroup("the hub failed", wrong)

    # --- what is there -------------------------------------------------------------------------------

    @property
    def tokens(self) -> set[str]:
        """The valid tokens; may be changed."""
        return self._api.tokens

    @tokens.setter
    def tokens(self, tokens: set[str]) -> None:
        self._api.tokens = tokens

    @property
    def page_size(self) -> int:
        """Entries in a page of a repo's tree."""
        return self._api.page_size

    @page_size.setter
    def page_size(self, entries: int) -> None:
        self._api.page_size = entries

    @property
    def blobs(self) -> bool:
        """Whether the siblings of a model have sizes and digests when they are asked for."""
        return self._api.blobs

    @blobs.setter
    def blobs(self, known: bool) -> None:
        self._api.blobs = known

    def repo(
        self,
        name: str,
        *,
        private: bool = False,
        gated: Literal["auto", "manual"] | None = None,
        license: str | None = "apache-2.0",
        xet: bool = False,
    ) -> Repo:
        """The repo of that name (`user/model`), made if it is not there."""
        made = Repo(name, self.endpoint, private=private, gated=gated, license=license, xet=xet)
        return self._api.repos.setdefault(name, made)

    def rename(self, old: str, new: str) -> None:
        """Move a repo; the old name redirects, as on the real hub."""
        repo = self._api.repos.pop(old)
        repo.id = new
        self._api.repos[new] = repo
        self._api.renamed[old] = new

    def remove(self, name: str) -> None:
        """Take a repo away."""
        del self._api.repos[name]

    def file(
        self,
        path: str,
        data: bytes | Path,
        *,
        etag: Literal["strong", "weak"] | str | None = "strong",
        modified: float | None = 1_700_000_000.0,
        ranges: bool = True,
        require: Mapping[str, str] | None = None,
    ) -> str:
        """Put a file on the plain origin, or put another in its place.

        Args:
            path: Absolute, decoded.
            data: Bytes, or a file that must not change while it is served.
            etag: A strong or weak one made from the bytes, a literal one with its quotes, or none.
            modified: For `Last-Modified`; None for none.
            ranges: Whether the server knows ranges for it.
            require: Headers that a request must bring, else 401: `{"Authorization": "Basic …"}`.

        Returns:
            Its URL.
        """
        what = content(data)
        made = {"strong": f'"{what.sha256[:16]}"', "weak": f'W/"{what.sha256[:16]}"'}
        tag = made.get(etag, etag) if etag is not None else None
        self._files[path] = (File(what, tag, modified, ranges), require or {})
        return f"{self.plain}{quote(path)}"

    # --- what goes wrong -----------------------------------------------------------------------------

    def misbehave(
        self,
        fault: Fault,
        *,
        where: Where = "cdn",
        match: str = "*",
        times: int | None = 1,
        skip: int = 0,
        method: str | None = None,
        when: Callable[[Request], bool] | None = None,
    ) -> Trigger:
        """Let a fault strike; the arguments are the attributes of `Trigger`, which counts."""
        trigger = Trigger(fault, where, match, times, skip, method, when)
        self._triggers.append(trigger)
        return trigger

    def behave(self) -> None:
        """Take back every fault."""
        self._triggers.clear()

    def expire_links(self) -> None:
        """Let every signed URL that was given out so far be expired."""
        for link in list(self._links.values()):
            link.expires = 0.0

    def limit(self, kind: Kind, requests: int, seconds: float) -> None:
        """Allow only so many requests in a window of so many seconds; then 429."""
        self._quotas.limit(kind, requests, seconds)

    # --- what was asked ------------------------------------------------------------------------------

    def seen(self, server: Where | None = None, match: str = "*", method: str | None = None) -> list[Seen]:
        """The requests to a server whose path or file fits a glob."""
        return [
            each
            for each in list(self.requests)
            if server in (None, each.server)
            and method in (None, each.method)
            and (fnmatch.fnmatchcase(each.path, match) or fnmatch.fnmatchcase(each.file, match))
        ]

    @property
    def connections(self) -> int:
        """How many are open, over all servers."""
        return sum(server.connections for server in self._servers)

    def clear(self) -> None:
        """Forget what was asked."""
        self.requests.clear()

    # --- answering -----------------------------------------------------------------------------------

    def _answer(self, where: Where, request: Request) -> Reply:
        link = self._links.get(request.query.get("Signature", "")) if where == "cdn" else None
        file = link.file if link else request.path
        struck = [each.fault for each in list(self._triggers) if each.strikes(where, request, file)]
        for fault in struck:
            request = fault.before(request)
        instead = [reply for fault in struck if (reply := fault.instead(request)) is not None]

        def edit(file: File) -> File:
            for fault in struck:
                file = fault.edit(file)
            return file

        if instead:
            reply = instead[0]
        elif where == "hub":
            reply = self._from_hub(request, edit)
        elif where == "cdn":
            reply = self._from_cdn(request, link, edit)
        else:
            reply = self._from_plain(request, edit)
        for fault in struck:
            reply = fault.after(request, reply)
        return replace(reply, file=reply.file or file)

    def _from_hub(self, request: Request, edit: Callable[[File], File]) -> Reply:
        allowed, told = self._quotas.spend("resolvers" if "/resolve" in request.path else "api")
        if not allowed:
            return replace(error(429, None, "We had to rate limit your IP."), headers=told)
        reply = self._api.answer(request, edit)
        return replace(reply, headers={**told, **reply.headers})

    def _sign(self, repo: Repo, path: str, entry: Entry) -> str:
        """A URL of the CDN that is good for a while."""
        signature, expires = secrets.token_urlsafe(24), time.time() + self.link_seconds
        address = f"/repos/{entry.what.sha256[:2]}/{repo.id}/{entry.what.sha256}"
        self._links[signature] = _Link(f"{repo.id}/{path}", address, entry.what, expires)
        query = {
            "response-content-disposition": f"attachment; filename*=UTF-8''{quote(path.rpartition('/')[2])};",
            "Expires": str(int(expires)),
            "Signature": signature,
            "Key-Pair-Id": "K0TEST",
        }
        return f"{self.cdn}{address}?{urlencode(query)}"

    def _from_cdn(self, request: Request, link: "_Link | None", edit: Callable[[File], File]) -> Reply:
        if link is None or time.time() >= link.expires or request.path != link.address:
            words = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            return text(403, words, {"Content-Type": "application/xml"})
        headers = {"Content-Disposition": request.query["response-content-disposition"]}
        # a CDN has an ETag of its own, which is no digest that the hub knows
        file = File(link.what, f'"{link.what.sha256[32:]}-1"', 1_700_000_000.0)
        return serve(request, edit(file), headers)

    def _from_plain(self, request: Request, edit: Callable[[File], File]) -> Reply:
        found = self._files.get(request.path)
        if found is None:
            return text(404, "Not Found")
        file, require = found
        if any(request.headers.get(name.lower()) != value for name, value in require.items()):
            return text(401, "Unauthorized", {"WWW-Authenticate": 'Basic realm="files"'})
        return serve(request, edit(file))


@dataclass(slots=True)
class _Link:
    """A signed URL: the file it is for (`user/model/path`), its path, the bytes, until when it is good."""

    file: str
    address: str
    what: Content
    expires: float
