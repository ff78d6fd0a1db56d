"""What Hypothesis makes for the tests of spec/: valid values of every kind, and hostile ones."""

from typing import Any, Literal

from hypothesis import strategies as st

from modelsync.net.origin import Origin
from modelsync.spec.lock.model import Lock, LockedFile, LockedModel, Piece
from modelsync.spec.lock.origin import hf_url
from modelsync.spec.names import path_fault
from modelsync.spec.request import Request
from modelsync.spec.roles import Role
from modelsync.spec.uri import FileUri, HfUri, OciUri, Reference, WebUri

HEX64 = st.integers(0, 2**256 - 1).map("{:064x}".format)
COMMIT = st.integers(0, 2**160 - 1).map("{:040x}".format)
NAMES = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,20}[a-z0-9_]\Z").filter(
    lambda name: (
        name.partition(".")[0].rstrip() not in {"con", "prn", "aux", "nul"} and name[:3] not in {"com", "lpt"}
    )
)

_WORD = st.from_regex(r"\A[A-Za-z0-9_]([A-Za-z0-9_.-]{0,10}[A-Za-z0-9_])?\Z")
REPOS = (
    st.tuples(_WORD, _WORD)
    .map("/".join)
    .filter(lambda r: "--" not in r and ".." not in r and not r.endswith(".git"))
)
QUANTS = st.sampled_from(["Q4_K_M", "Q8_0", "UD-Q4_K_XL", "BF16", "iq3_m", "Q4_K_M-imat", "x.1"])
REVISIONS = st.sampled_from(["main", "dev", "v1.0", "refs/pr/7", "feature/ä", "0" * 40])

_SEGMENT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
PATHS = (
    st.lists(_SEGMENT, min_size=1, max_size=3)
    .map(lambda parts: "/".join(parts) + ".gguf")
    .filter(lambda path: path_fault(path) is None)
)
HF_URIS = st.one_of(
    st.builds(HfUri, REPOS, st.none(), st.one_of(st.none(), QUANTS)),
    st.builds(HfUri, REPOS, PATHS, st.none()),
)
_URL_PATHS = st.from_regex(
    r"\A/([a-z]{1,5}/){0,2}[A-Za-z0-9_.~!$&'()+,=-]{0,10}[a-z0-9]\.gguf(\?[a-b]=[0-9])?\Z"
)
WEB_URIS = st.builds(
    lambda scheme, host, path: WebUri(f"{scheme}://{host}{path}"),
    st.sampled_from(["https", "http"]),
    st.sampled_from(["example.com", "localhost:8080", "[::1]:80", "127.0.0.1"]),
    _URL_PATHS,
)
_RELATIVE = PATHS.filter(lambda path: not path.startswith("~"))
FILE_URIS = st.builds(FileUri, st.one_of(_RELATIVE, PATHS.map("../{}".format), PATHS.map("/{}".format)))
OCI_URIS = st.builds(
    OciUri,
    st.sampled_from(["registry.example.com", "localhost:5000", "registry.ollama.ai"]),
    st.sampled_from(["library/llama3.2", "team/models/a-b", "x"]),
    st.one_of(st.sampled_from([":latest", ":3b", ":Q4_K_M"]), HEX64.map("@sha256:{}".format)),
)
REFERENCES = st.one_of(
    st.builds(Reference, HF_URIS, st.one_of(st.none(), REVISIONS)),
    st.builds(Reference, st.one_of(WEB_URIS, FILE_URIS, OCI_URIS), st.none()),
)
ENDPOINTS = st.sampled_from(["https://hf.corp.example", "http://127.0.0.1:8000/hub"])

# A lock is many values, so most of them come from small sets of telling ones.
_LOCK_NAMES = st.sampled_from(["a", "llama3", "qwen2.5-7b", "z"])
_LOCK_REPOS = st.sampled_from(["u/m", "user/adapter", "User/Model.v2_GGUF"])
_LOCK_PATHS = st.sampled_from(
    [
        "m.gguf",
        "a/ä b.gguf",
        "100%.gguf",
        "it's #1.gguf",
        "{x}.gguf",
        "a, size = 1.gguf",
        "[].gguf",
        "模.gguf",
    ]
)
_SIZES = st.integers(min_value=0, max_value=1 << 50)
_ETAGS = st.one_of(st.none(), st.text(max_size=6))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request as a manifest makes it, of any kind."""
    uri, revision = draw(REFERENCES)
    beside = st.just(True) if isinstance(uri, (HfUri, OciUri)) else st.nothing()
    return Request(
        uri,
        revision,
        draw(st.one_of(st.none(), beside, REFERENCES)),
        tuple(draw(st.lists(REFERENCES, max_size=2))),
        draw(
            st.one_of(
                st.none(),
                HEX64,
                st.dictionaries(PATHS, HEX64, min_size=1, max_size=2).map(
                    lambda table: tuple(sorted(table.items()))
                ),
            )
        ),
        draw(st.one_of(st.none(), ENDPOINTS)) if isinstance(uri, HfUri) else None,
        draw(st.one_of(st.none(), beside, REFERENCES)),
    )


@st.composite
def locked_files(
    draw: st.DrawFn, role: Role, endpoint: str, repo: str, commit: str, model_repo: str
) -> LockedFile:
    """A file of a hub's repo, sometimes joined from pieces."""
    path = draw(_LOCK_PATHS)
    own = None if repo == model_repo else repo
    if draw(st.booleans()):
        names = [f"{path}.part{number}of2" for number in (1, 2)]
        pieces = tuple(
            Piece(
                name, hf_url(endpoint, repo, commit, name), draw(st.integers(0, 9)), draw(HEX64), draw(_ETAGS)
            )
            for name in names
        )
        size = sum(piece.size for piece in pieces)
        return LockedFile(role, path, size, draw(HEX64), None, None, own, own and commit, pieces)
    url = hf_url(endpoint, repo, commit, path)
    return LockedFile(role, path, draw(_SIZES), draw(HEX64), url, draw(_ETAGS), own, own and commit)


@st.composite
def locked_models(draw: st.DrawFn, name: str, variant: str | None) -> LockedModel:
    """A model of a hub, with adapters from the same repo or others."""
    uri, commit = HfUri(draw(_LOCK_REPOS), quant=draw(st.one_of(st.none(), QUANTS))), draw(COMMIT)
    endpoint = draw(st.one_of(st.none(), ENDPOINTS))
    lora_repos = draw(st.lists(_LOCK_REPOS, max_size=2, unique=True))
    loras = tuple(Reference(HfUri(repo)) for repo in lora_repos)
    draft: Literal[True] | None = True if draw(st.booleans()) else None
    revision = draw(st.one_of(st.none(), st.just("main")))
    request = Request(uri, revision, None, loras, None, endpoint, draft)
    base = endpoint or "https://huggingface.co"
    files = [draw(locked_files("model", base, uri.repo, commit, uri.repo))]
    files += [
        draw(locked_files("lora", base, repo, draw(COMMIT), uri.repo))
        for repo in lora_repos
        if repo != uri.repo
    ]
    files += [
        draw(locked_files("lora", base, repo, commit, uri.repo)) for repo in lora_repos if repo == uri.repo
    ]
    if draft:
        files.append(draw(locked_files("draft", base, uri.repo, commit, uri.repo)))
    return LockedModel(
        name, request.to_dict(), tuple(files), variant, commit, draw(st.one_of(st.none(), st.text()))
    )


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """A lock in the order in which it is written."""
    keys = draw(st.sets(st.tuples(_LOCK_NAMES, st.one_of(st.none(), _LOCK_NAMES)), max_size=3))
    ordered = sorted(keys, key=lambda key: (key[0], key[1] or ""))
    return Lock(tuple(draw(locked_models(name, variant)) for name, variant in ordered))


# --- hostile -----------------------------------------------------------------------------------------

HOSTILE_TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *(
                "",
                ".",
                "..",
                "../x.gguf",
                "/etc/passwd",
                "a/../../b.gguf",
                "C:\\x.gguf",
                "con",
                "nul.gguf",
                "x.gguf ",
            ),
            *(
                "a\x00b.gguf",
                "\x1b[31mred",
                "a\u202egguf.exe",
                "\ud800",
                "-",
                "hf:u/m#\n",
                "hf:../..:Q4_0",
                "x" * 5000,
            ),
            *(
                "https://u:p@e.com/x.gguf",
                "https://e.com/x.gguf?sig=1",
                "http://169.254.169.254/",
                "hf:u/m:Q4#a..b",
            ),
            *(
                "m-00001-of-99999.gguf",
                "m.gguf.part1of9999",
                "true",
                "9" * 5000,
                "`rm -rf`",
                "hf:u/m:../../x",
            ),
        ]
    ),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.dates(),
    HOSTILE_TEXTS,
)


def hostile_values(keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Values of any type, nested, with some keys that mean something."""
    return st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(st.one_of(keys, HOSTILE_TEXTS), inner, max_size=4)
        ),
        max_leaves=12,
    )


HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z](\.[a-z]{2,8}){0,3}", fullmatch=True),
    st.ip_addresses().map(str),
)
ORIGINS = st.builds(Origin, st.sampled_from(["http", "https"]), HOSTS, st.integers(1, 65535))
