"""The hub as a test holds it: three origins, the repos, the faults, and what was asked."""

import fnmatch
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote, urlencode

from .api import Api, error
from .content import File, content, serve
from .faults import Fault, Trigger
from .quotas import Kind, Quotas
from .repos import Entry, Repo
from .server import Server
from .wire import Reply, Request, Seen, Where, text


class Hub:
    """A model hub on the loopback, with a CDN and a plain file server. Use it in a `with`.

    Attributes:
        endpoint: Of the hub, `http://127.0.0.1:<port>`.
        cdn: Where its redirects lead, `http://localhost:<port>`.
        plain: The origin of `file()`'s URLs.
        ca_file: The certificate to trust when it speaks TLS, else None.
        requests: All that was asked, in order; may be cleared.
        link_seconds: How long a signed URL is good for.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.requests: list[Seen] = []
        self.link_seconds = 3600.0
        self.ca_file: Path | None = None
        self._api = Api(self._sign)
        self._links: dict[str, tuple[str, Entry, float]] = {}
        self._files: dict[str, tuple[File, Mapping[str, str]]] = {}
        self._triggers: list[Trigger] = []
        self._quotas = Quotas()
        self._servers = [
            Server(
                "hub", "127.0.0.1", lambda request: self._answer("hub", request), self.requests, port=port
            ),
            Server("cdn", "localhost", lambda request: self._answer("cdn", request), self.requests),
            Server("plain", "127.0.0.1", lambda request: self._answer("plain", request), self.requests),
        ]
        self.endpoint, self.cdn, self.plain = (server.url for server in self._servers)
        self._api.endpoint = self.endpoint

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
        self._links = {key: (file, entry, 0.0) for key, (file, entry, _) in self._links.items()}

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

    def clear(self) -> None:
        """Forget what was asked."""
        self.requests.clear()

    # --- answering -----------------------------------------------------------------------------------

    def _answer(self, where: Where, request: Request) -> Reply:
        link = self._links.get(request.query.get("Signature", "")) if where == "cdn" else None
        struck = [
            trigger.fault
            for trigger in list(self._triggers)
            if trigger.strikes(where, request, link[0] if link else request.path)
        ]
        reply = next((instead for fault in struck if (instead := fault.instead(request)) is not None), None)
        asked = request
        for fault in struck:
            asked = fault.before(asked)

        def edit(file: File) -> File:
            for fault in struck:
                file = fault.edit(file)
            return file

        if reply is None:
            match where:
                case "hub":
                    reply = self._from_hub(asked, edit)
                case "cdn":
                    reply = self._from_cdn(asked, edit)
                case "plain":
                    reply = self._plainly(asked, edit)
        for fault in struck:
            reply = fault.after(asked, reply)
        return reply if link is None else replace(reply, file=link[0])

    def _from_hub(self, request: Request, edit: Callable[[File], File]) -> Reply:
        allowed, told = self._quotas.spend("resolvers" if "/resolve" in request.path else "api")
        if not allowed:
            return replace(error(429, None, "We had to rate limit your IP."), headers=told)
        reply = self._api.answer(request, edit)
        return replace(reply, headers={**told, **reply.headers})

    def _sign(self, repo: Repo, path: str, entry: Entry) -> str:
        signature = secrets.token_urlsafe(24)
        self._links[signature] = (f"{repo.id}/{path}", entry, time.time() + self.link_seconds)
        name = path.rpartition("/")[2]
        query = {
            "response-content-disposition": f"attachment; filename*=UTF-8''{quote(name)};",
            "Expires": str(int(time.time() + self.link_seconds)),
            "Signature": signature,
            "Key-Pair-Id": "K0TEST",
        }
        return f"{self.cdn}/repos/{entry.what.sha256[:2]}/{repo.id}/{entry.what.sha256}?{urlencode(query)}"

    def _from_cdn(self, request: Request, edit: Callable[[File], File]) -> Reply:
        link = self._links.get(request.query.get("Signature", ""))
        if link is None or time.time() >= link[2] or not request.path.endswith(f"/{link[1].what.sha256}"):
            words = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            return text(403, words, {"Content-Type": "application/xml"})
        _, entry, _ = link
        headers = {"Content-Disposition": request.query["response-content-disposition"]}
        # a CDN has an ETag of its own, which is no digest that the hub knows
        file = File(entry.what, f'"{entry.what.sha256[32:]}-1"', 1_700_000_000.0)
        return serve(request, edit(file), headers)

    def _plainly(self, request: Request, edit: Callable[[File], File]) -> Reply:
        found = self._files.get(request.path)
        if found is None:
            return text(404, "Not Found")
        file, require = found
        if any(request.headers.get(name.lower()) != value for name, value in require.items()):
            return text(401, "Unauthorized", {"WWW-Authenticate": 'Basic realm="files"'})
        return serve(request, edit(file))
