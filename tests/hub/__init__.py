"""A model hub for tests: real HTTP over real sockets, and it can misbehave.

It speaks the protocol of huggingface.co (the model API, `/resolve`, a CDN behind signed redirects) so that
real clients work with it, on three origins: the hub on `127.0.0.1`, its CDN on `localhost`, and a plain file
server for direct URLs. Nothing but the standard library is needed::

    with Hub() as hub:
        repo = hub.repo("user/model", gated="auto")
        sha = repo.commit({"model-Q4_K_M.gguf": data, "README.md": b"# hello"})
        repo.tag("v1", sha)
        hub.tokens.add("hf_good")
        repo.accept("hf_good")
        url = hub.file("/files/x.gguf", data, etag="weak")

        cut = hub.misbehave(Cut(1000), match="*.gguf", times=2)            # the CDN, the next two requests
        hub.misbehave(Status(503), where="hub", match="/api/*", times=1)
        hub.misbehave(TooMany(1), where="hub", skip=3)
        hub.misbehave(IgnoreRange(), where="plain", times=None)            # always
        hub.expire_links()                                                 # signed URLs answer 403
        ...                                                                # HF_ENDPOINT = hub.endpoint
        assert cut.fired == 2
        assert [seen.range for seen in hub.seen("cdn", "*.gguf")] == [None, "bytes=1000-", ...]

`python -m tests.hub --root DIR` serves the folders `DIR/user/model/` as repos.
"""

from .faults import (
    Chunked,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Fault,
    Gzipped,
    Headers,
    IgnoreRange,
    Longer,
    OtherRange,
    Redirect,
    Replaced,
    Shorter,
    Slow,
    Stall,
    Status,
    Tagged,
    TooMany,
    WrongRange,
)
from .hub import Hub
from .repos import Repo
from .triggers import Trigger
from .wire import Request, Seen

__all__ = [
    "Chunked",
    "Corrupt",
    "Cut",
    "Delay",
    "Drop",
    "Fault",
    "Gzipped",
    "Headers",
    "Hub",
    "IgnoreRange",
    "Longer",
    "OtherRange",
    "Redirect",
    "Replaced",
    "Repo",
    "Request",
    "Seen",
    "Shorter",
    "Slow",
    "Stall",
    "Status",
    "Tagged",
    "TooMany",
    "Trigger",
    "WrongRange",
]
