"""The hub's own answers: the model API and `/resolve`, as huggingface.co gives them."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from .content import File, matches, serve
from .listings import iso, listing, refs, sibling
from .repos import Commit, Entry, Repo
from .wire import BytesBody, Reply, Request, text

LINES = {
    "RepoNotFound": "Repository not found",
    "EntryNotFound": "Entry not found",
    "disabled": "Access to this resource is disabled.",
    "login": "Invalid username or password.",
    "credentials": "Invalid credentials in Authorization header",
}


class Api:
    """Answers requests to the hub's origin.

    Attributes:
        repos: By id.
        renamed: Old ids to new ones.
        tokens: Those that are valid at all.
        page_size: Entries in a page of a tree.
        blobs: Whether `?blobs=true` means anything to it: not every mirror knows it.
    """

    def __init__(self, sign: Callable[[Repo, str, Entry], str]) -> None:
        self.repos: dict[str, Repo] = {}
        self.renamed: dict[str, str] = {}
        self.tokens: set[str] = set()
        self.page_size = 1000
        self.blobs = True
        self.endpoint = ""
        self._sign = sign

    def answer(self, request: Request, edit: Callable[[File], File]) -> Reply:
        """Answer one request; `edit` lets a fault change a file before it is served."""
        raw = request.raw_path.strip("/").split("/")
        match raw:
            case ["api", "whoami-v2"]:
                return self._whoami(request)
            case ["api", "models", user, name, *rest]:
                return self._with_repo(request, user, name, lambda repo: self._model(request, repo, rest))
            case ["api", "resolve-cache", "models", user, name, commit, *path]:
                return self._with_repo(
                    request, user, name, lambda repo: self._cached(request, repo, commit, _join(path), edit)
                )
            case ["v2", user, name, "manifests", tag]:
                return self._with_repo(
                    request, user, name, lambda repo: self._manifest(request, repo, unquote(tag))
                )
            case [user, name, "resolve", *rest] if len(rest) >= 2:
                revision, file = _revision(rest)
                reply = self._with_repo(
                    request, user, name, lambda repo: self._resolve(request, repo, revision, file)
                )
                return replace(reply, file=f"{unquote(user)}/{unquote(name)}/{file}")
        return error(404, None, "Sorry, we can't find the page you are looking for.")

    def _whoami(self, request: Request) -> Reply:
        """Whose token it is; nobody is told without one."""
        if request.token is None or request.token not in self.tokens:
            return error(401, None, LINES["login" if request.token is None else "credentials"])
        auth = {"type": "access_token", "accessToken": {"displayName": "tests", "role": "read"}}
        return send_json({"type": "user", "name": "tester", "auth": auth})

    # --- who may -------------------------------------------------------------------------------------

    def _with_repo(self, request: Request, user: str, name: str, then: Callable[[Repo], Reply]) -> Reply:
        """Find the repo and see whether it may be known to the asker at all."""
        token, named = request.token, unquote(f"{user}/{name}")
        if token is not None and token not in self.tokens:
            return error(401, None, LINES["credentials"])
        if named in self.renamed:
            target = request.target.replace(f"{user}/{name}", quote(self.renamed[named]), 1)
            return text(307, f"Temporary Redirect. Redirecting to {target}", {"Location": target})
        repo = self.repos.get(named)
        if repo is None or (repo.private and token not in repo.accepted):
            # without a token the hub does not tell whether there is anything
            return error(404 if token else 401, "RepoNotFound", LINES["RepoNotFound" if token else "login"])
        if repo.disabled:
            return error(403, None, LINES["disabled"])
        return then(repo)

    def _barred(self, request: Request, repo: Repo) -> Reply | None:
        """The refusal to give a gated repo's files, if it is one for this asker."""
        if repo.gated is None or request.token in repo.accepted:
            return None
        start = f"Access to model {repo.id} is restricted"
        if request.token is None:
            return error(
                401,
                "GatedRepo",
                f"{start}. You must have access to it and be authenticated to access it. Please log in.",
            )
        return error(
            403,
            "GatedRepo",
            f"{start} and you are not in the authorized list. "
            f"Visit {self.endpoint}/{repo.id} to ask for access.",
        )

    # --- what there is -------------------------------------------------------------------------------

    def _model(self, request: Request, repo: Repo, rest: list[str]) -> Reply:
        match rest:
            case []:
                return self._info(request, repo, "main")
            case ["revision", *revision] if revision:
                return self._info(request, repo, _join(revision))
            case ["tree", *revision] if revision:
                return self._tree(request, repo, *_revision(revision))
            case ["paths-info", *revision] if revision and request.method == "POST":
                return self._paths(request, repo, _join(revision))
            case ["refs"]:
                return send_json(refs(repo))
        return error(404, None, LINES["EntryNotFound"])

    def _info(self, request: Request, repo: Repo, revision: str) -> Reply:
        commit = repo.find(revision)
        if commit is None:
            return _no_revision(revision)
        blobs = self.blobs and request.query.get("blobs", "").lower() in ("true", "1")
        value = {
            "_id": commit.id[:24],
            "id": repo.id,
            "modelId": repo.id,
            "author": repo.id.partition("/")[0],
            "sha": commit.id,
            "lastModified": iso(commit.date),
            "createdAt": iso(min(each.date for each in repo.commits.values())),
            "private": repo.private,
            "gated": repo.gated or False,
            "disabled": repo.disabled,
            "downloads": 0,
            "likes": 0,
            "tags": ["gguf", *([f"license:{repo.license}"] if repo.license else [])],
            "cardData": {"license": repo.license} if repo.license else {},
            "siblings": [sibling(path, entry, blobs) for path, entry in sorted(commit.files.items())],
        }
        return send_json(value, {"X-Repo-Commit": commit.id})

    def _tree(self, request: Request, repo: Repo, revision: str, folder: str) -> Reply:
        commit = repo.find(revision)
        if commit is None:
            return _no_revision(revision)
        query = request.query
        found = listing(repo, commit, folder, recursive=query.get("recursive", "").lower() in ("true", "1"))
        if not found and folder:
            return _no_entry(commit, folder)
        start = int(base64.urlsafe_b64decode(query["cursor"])) if "cursor" in query else 0
        end = start + min(self.page_size, int(query.get("limit", self.page_size)))
        headers = {"X-Repo-Commit": commit.id}
        if end < len(found):
            cursor = quote(base64.urlsafe_b64encode(str(end).encode()).decode())
            kept = "".join(f"{key}={quote(value)}&" for key, value in query.items() if key != "cursor")
            headers["Link"] = f'<{self.endpoint}{request.raw_path}?{kept}cursor={cursor}>; rel="next"'
        return send_json(found[start:end], headers)

    def _paths(self, request: Request, repo: Repo, revision: str) -> Reply:
        commit = repo.find(revision)
        if commit is None:
            return _no_revision(revision)
        if "json" in request.headers.get("content-type", ""):
            asked = json.loads(request.body)["paths"]
        else:
            asked = parse_qs(request.body.decode()).get("paths", [])
        everything = {entry["path"]: entry for entry in listing(repo, commit, "", recursive=True)}
        return send_json([everything[path] for path in asked if path in everything])

    def _manifest(self, request: Request, repo: Repo, tag: str) -> Reply:
        """What llama.cpp and node-llama-cpp ask for `hf:user/model:TAG`; main only."""
        barred = self._barred(request, repo)
        commit = repo.find("main")
        if barred is not None or commit is None:
            return barred or _no_revision("main")
        names = [
            path for path in sorted(commit.files) if path.lower().endswith(".gguf") and "-of-" not in path
        ]
        models = [path for path in names if "mmproj" not in path.lower()]
        wanted = "Q4_K_M" if tag == "latest" else tag
        fits = [path for path in models if path.lower().endswith(f"{wanted.lower()}.gguf")]
        if not fits and tag == "latest":
            fits = models
        if not fits:
            return error(400, None, f"The specified tag is not a valid quantization scheme: {tag}")
        value: dict[str, Any] = {"schemaVersion": 2, "config": {}, "layers": []}
        if request.headers.get("user-agent") == "llama-cpp":
            value["ggufFile"] = sibling(fits[0], commit.files[fits[0]], True)
            for path in set(names) - set(models):
                value["mmprojFile"] = sibling(path, commit.files[path], True)
        return send_json(value)

    # --- files ---------------------------------------------------------------------------------------

    def _resolve(self, request: Request, repo: Repo, revision: str, path: str) -> Reply:
        commit = repo.find(revision)
        if commit is None:
            return _no_revision(revision)
        barred = self._barred(request, repo)
        if barred is not None:
            return barred.with_headers(X_Repo_Commit=commit.id)
        entry = commit.files.get(path)
        if entry is None:
            return _no_entry(commit, path)
        headers = {
            "X-Repo-Commit": commit.id,
            "X-Linked-Size": str(entry.what.size),
            "X-Linked-Etag": f'"{entry.etag}"',
            "Accept-Ranges": "bytes",
            "Vary": "Origin, Accept",
        }
        if repo.xet and entry.lfs:
            headers["X-Xet-Hash"] = entry.what.sha256[::-1]
            auth = f"{self.endpoint}/api/models/{repo.id}/xet-read-token/{commit.id}"
            headers["Link"] = f'<{auth}>; rel="xet-auth"'
        if matches(request.headers.get("if-none-match"), f'"{entry.etag}"'):
            return Reply(304, {**headers, "ETag": f'"{entry.etag}"'})
        if entry.lfs:
            there = self._sign(repo, path, entry)
            return text(302, f"Found. Redirecting to {there}", {**headers, "Location": there})
        there = (
            f"/api/resolve-cache/models/{repo.id}/{commit.id}/{quote(path, safe='')}"
            f"?{quote(request.path, safe='')}=&etag=%22{entry.etag}%22"
        )
        return text(307, f"Temporary Redirect. Redirecting to {there}", {**headers, "Location": there})

    def _cached(
        self, request: Request, repo: Repo, revision: str, path: str, edit: Callable[[File], File]
    ) -> Reply:
        commit = repo.commits.get(revision)
        entry = commit.files.get(path) if commit else None
        barred = self._barred(request, repo)
        if barred is not None:
            return barred
        if commit is None or entry is None:
            return error(404, "EntryNotFound", LINES["EntryNotFound"])
        if request.query.get("etag") != f'"{entry.etag}"':
            return error(400, None, "The query of the redirect was not kept")
        headers = {"X-Repo-Commit": commit.id, "Content-Type": "text/plain; charset=utf-8"}
        reply = serve(request, edit(File(entry.what, f'"{entry.etag}"')), headers)
        return replace(reply, file=f"{repo.id}/{path}")


# --- shapes ------------------------------------------------------------------------------------------


def send_json(value: object, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer in JSON."""
    body = BytesBody(memoryview(json.dumps(value).encode()))
    return Reply(200, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body)


def error(status: int, code: str | None, words: str) -> Reply:
    """An error as the hub words it: in two headers and the body."""
    body = BytesBody(memoryview(json.dumps({"error": words}).encode()))
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Error-Message": words}
    if code is not None:
        headers["X-Error-Code"] = code
    return Reply(status, headers, body)


def _no_revision(revision: str) -> Reply:
    return error(404, "RevisionNotFound", f"Invalid rev id: {revision}")


def _no_entry(commit: Commit, path: str) -> Reply:
    reply = error(404, "EntryNotFound", LINES["EntryNotFound"])
    return replace(reply, headers={**reply.headers, "X-Repo-Commit": commit.id})


def _join(parts: Iterable[str]) -> str:
    return "/".join(unquote(part) for part in parts)


def _revision(parts: list[str]) -> tuple[str, str]:
    """Split raw path segments into a revision and the path after it (`refs/pr/1` may stand unescaped)."""
    count = 3 if parts[0] == "refs" and len(parts) >= 3 else 1
    return _join(parts[:count]), _join(parts[count:])
