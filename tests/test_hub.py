"""Real clients against the hub that the tests talk to: it must be no mirror of our own mistakes."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.hub import Cut, Hub, TooMany
from tests.hub.folders import FolderHub
from tests.hub.tls import available

DATA = random.Random(1).randbytes(3_000_000)
README = b"# a model\n"


@pytest.fixture
def served(hub: Hub) -> Hub:
    """A hub with one repo of two commits, and another that is gated."""
    repo = hub.repo("user/model-GGUF")
    first = repo.commit({"model-Q4_K_M.gguf": b"GGUF the first", "README.md": README})
    repo.tag("v1", first)
    repo.commit({"model-Q4_K_M.gguf": DATA, "sub/folder/config.json": b"{}"})
    gated = hub.repo("user/gated", gated="manual")
    gated.commit({"g.gguf": DATA})
    hub.tokens |= {"hf_accepted", "hf_other"}
    gated.accept("hf_accepted")
    return hub


# --- huggingface_hub ---------------------------------------------------------------------------------


def hf(hub: Hub, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `hf download`, as its users do."""
    command = shutil.which("hf", path=sysconfig.get_path("scripts"))
    assert command is not None
    settings = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return subprocess.run(
        [command, "download", *map(str, arguments)],
        env={**os.environ, **settings, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_hf_downloads_a_whole_repo_across_pages(served: Hub, tmp_path: Path) -> None:
    """`hf download` of a repo gets every file, byte for byte, also when the tree comes in pages."""
    served.page_size = 2
    done = hf(served, "user/model-GGUF", "--local-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model-Q4_K_M.gguf").read_bytes() == DATA
    assert (tmp_path / "README.md").read_bytes() == README
    assert (tmp_path / "sub/folder/config.json").read_bytes() == b"{}"
    assert len(served.seen("hub", "*/tree/*")) == 3


def test_hf_downloads_a_tag_and_a_branch(served: Hub, tmp_path: Path) -> None:
    """A tag and a branch with a slash in its name lead `hf download` to their commits."""
    repo = served.repo("user/model-GGUF")
    repo.commit({"b.gguf": b"GGUF on a branch"}, branch="feature/x")
    for revision, file, data in (
        ("v1", "model-Q4_K_M.gguf", b"GGUF the first"),
        ("feature/x", "b.gguf", b"GGUF on a branch"),
    ):
        done = hf(served, repo.id, file, "--revision", revision, "--local-dir", tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / file).read_bytes() == data


def test_hf_needs_an_accepted_token_for_a_gated_repo(served: Hub, tmp_path: Path) -> None:
    """A gated file goes to `hf download` with an accepted token only, and the CDN never sees the token."""
    for environment in ({}, {"HF_TOKEN": "hf_other"}):
        refused = hf(served, "user/gated", "g.gguf", "--local-dir", tmp_path, **environment)
        assert refused.returncode == 1
        assert "requires approval" in refused.stderr
    wrong = hf(served, "user/gated", "g.gguf", "--local-dir", tmp_path, HF_TOKEN="hf_wrong")
    assert "Invalid credentials in Authorization header" in wrong.stderr
    assert served.seen("cdn") == []
    done = hf(served, "user/gated", "g.gguf", "--local-dir", tmp_path, HF_TOKEN="hf_accepted")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "g.gguf").read_bytes() == DATA
    assert all("authorization" not in seen.headers for seen in served.seen("cdn"))


def test_hf_cannot_tell_a_private_repo_from_a_missing_one(served: Hub, tmp_path: Path) -> None:
    """What one may not know of looks the same as what is not there."""
    served.repo("user/private", private=True).commit({"p.gguf": DATA})
    said = []
    for name in ("user/private", "user/missing"):
        done = hf(served, name, "p.gguf", "--local-dir", tmp_path)
        assert done.returncode == 1
        said.append(done.stderr[done.stderr.index("Error") :].replace(name, "NAME"))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("name", "file", "revision"),
    [
        ("user/model-GGUF", "missing.gguf", "main"),
        ("user/model-GGUF", "README.md", "no-such-branch"),
    ],
)
def test_hf_understands_what_is_missing(
    served: Hub, tmp_path: Path, name: str, file: str, revision: str
) -> None:
    """A missing file and a missing revision are told apart."""
    done = hf(served, name, file, "--revision", revision, "--local-dir", tmp_path)
    assert done.returncode == 1
    missing = "Revision" if file == "README.md" else "File"
    assert missing.lower() in done.stderr.lower(), done.stderr
    assert "not found" in done.stderr.lower()


def test_hf_follows_a_renamed_repo(served: Hub, tmp_path: Path) -> None:
    """The old name of a repo redirects to the new one."""
    served.rename("user/model-GGUF", "org/moved")
    done = hf(served, "user/model-GGUF", "--local-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model-Q4_K_M.gguf").read_bytes() == DATA


def test_hf_without_xet_reads_a_repo_in_xet_storage(served: Hub, tmp_path: Path) -> None:
    """What is said about Xet does not keep a client from the plain way to the file."""
    served.repo("user/xet", xet=True).commit({"x.gguf": DATA})
    assert "xet-auth" in curl("--head", served.repo("user/xet").url("x.gguf"))[1]["link"]
    done = hf(served, "user/xet", "--local-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.gguf").read_bytes() == DATA


def test_hf_survives_a_cut_and_a_rate_limit(served: Hub, tmp_path: Path) -> None:
    """A client that resumes and waits gets the file from a hub that cuts and limits."""
    data = DATA * 4
    served.repo("user/model-GGUF").commit({"model-Q4_K_M.gguf": data})
    cut = served.misbehave(Cut(11_000_000), match="*.gguf")
    limited = served.misbehave(TooMany(0), where="hub", match="/api/*/tree/*")
    done = hf(served, "user/model-GGUF", "--local-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model-Q4_K_M.gguf").read_bytes() == data
    assert (cut.fired, limited.fired) == (1, 1)
    kept = 10 * 1024 * 1024  # hf keeps whole chunks only
    assert [seen.range for seen in served.seen("cdn", "*.gguf")] == [None, f"bytes={kept}-"]


# --- node-llama-cpp ----------------------------------------------------------------------------------


def node_llama_cpp(hub: Hub, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `node-llama-cpp`, found by the variable NODE_LLAMA_CPP (its command) or on PATH."""
    command = os.environ.get("NODE_LLAMA_CPP") or shutil.which("node-llama-cpp")
    if command is None:
        pytest.skip(
            "node-llama-cpp is not installed (npm install node-llama-cpp; NODE_LLAMA_CPP=its command)"
        )
    return subprocess.run(
        [command, *map(str, arguments)],
        env={**os.environ, "HF_ENDPOINT": hub.endpoint, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("uri", ["hf:user/model-GGUF:Q4_K_M", "hf:user/model-GGUF/model-Q4_K_M.gguf#main"])
def test_node_llama_cpp_pulls(served: Hub, tmp_path: Path, uri: str) -> None:
    """`node-llama-cpp pull` gets the same bytes by quantization and by path."""
    done = node_llama_cpp(served, "pull", "--dir", tmp_path, uri)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*.gguf")
    assert file.read_bytes() == DATA


def test_node_llama_cpp_pulls_a_gated_model(served: Hub, tmp_path: Path) -> None:
    """`node-llama-cpp pull` tries without the token, is told 401, and comes again with it."""
    done = node_llama_cpp(served, "pull", "--dir", tmp_path, "hf:user/gated/g.gguf", HF_TOKEN="hf_accepted")
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = tmp_path.glob("*.gguf")
    assert file.read_bytes() == DATA
    assert served.seen("hub", "*g.gguf")[0].status == 401


def test_node_llama_cpp_pulls_every_part(served: Hub, tmp_path: Path) -> None:
    """`node-llama-cpp pull` of a model in parts gets all of them."""
    parts = {f"big-{n:05d}-of-00003.gguf": DATA[n * 1000 : n * 5000] for n in (1, 2, 3)}
    served.repo("user/split").commit(dict(parts))
    done = node_llama_cpp(served, "pull", "--dir", tmp_path, f"hf:user/split/{next(iter(parts))}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.read_bytes() for path in tmp_path.glob("*.gguf")) == sorted(parts.values())


# --- curl --------------------------------------------------------------------------------------------


def curl(*arguments: str | Path) -> tuple[int, dict[str, str], bytes]:
    """Run `curl`: its exit status, the last answer's headers (with its status as `:status`), the body."""
    command = shutil.which("curl")
    if command is None:
        pytest.skip("curl is not installed")
    call = [command, "--silent", "--max-time", "30", "--include", "--suppress-connect-headers"]
    output = subprocess.run([*call, *map(str, arguments)], capture_output=True, check=False)
    body, headers = output.stdout, {}
    while body.startswith(b"HTTP/1.1 "):
        head, _, body = body.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        fields = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in fields} | {":status": first.split()[1]}
    return output.returncode, headers, body


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("0-99", 0, 100),
        ("1000-1999", 1000, 2000),
        ("2999990-", 2_999_990, 3_000_000),
        ("-5", 2_999_995, 3_000_000),
        ("2999999-9999999", 2_999_999, 3_000_000),
    ],
)
def test_curl_gets_ranges(served: Hub, asked: str, start: int, end: int) -> None:
    """A range, an open one and a suffix come through the redirect as 206 with just these bytes."""
    url = served.repo("user/model-GGUF").url("model-Q4_K_M.gguf")
    code, headers, body = curl("--location", "--range", asked, url)
    assert (code, headers[":status"], body) == (0, "206", DATA[start:end])
    assert headers["content-range"] == f"bytes {start}-{end - 1}/3000000"


def test_curl_is_told_416_past_the_end(served: Hub) -> None:
    """A range without a byte in the file is 416, with the size."""
    url = served.file("/x.gguf", DATA)
    _, headers, _ = curl("--range", "3000000-", url)
    assert (headers[":status"], headers["content-range"]) == ("416", "bytes */3000000")


def test_curl_resumes(served: Hub, tmp_path: Path) -> None:
    """`curl -C -` takes a cut download up where it ended."""
    url, there = served.file("/x.gguf", DATA), tmp_path / "x.gguf"
    served.misbehave(Cut(1_234_567), where="plain")
    assert curl("-C", "-", "-o", there, "--no-include", url)[0] == 18  # "partial file"
    assert there.stat().st_size == 1_234_567
    assert curl("-C", "-", "-o", there, "--no-include", url)[0] == 0
    assert there.read_bytes() == DATA


def test_a_condition_decides_about_a_range(served: Hub) -> None:
    """If-Range with the file's strong validator gives the range; another, a weak one or an old one the whole."""
    url = served.file("/x.gguf", DATA)
    _, headers, _ = curl("--head", url)
    weak = served.file("/weak.gguf", DATA, etag="weak")
    _, weak_headers, _ = curl("--head", weak)
    for where, validator, status in (
        (url, headers["etag"], "206"),
        (url, headers["last-modified"], "206"),
        (url, "Sat, 01 Jan 2000 00:00:00 GMT", "200"),
        (url, '"another"', "200"),
        (weak, weak_headers["etag"], "200"),
    ):
        _, answer, _ = curl("--range", "0-9", "--header", f"If-Range: {validator}", where)
        assert answer[":status"] == status, validator


def test_a_client_with_the_right_etag_gets_304(served: Hub) -> None:
    """`/resolve` answers If-None-Match with 304 for the ETag that it linked, and counts no bytes."""
    for path in ("model-Q4_K_M.gguf", "README.md"):
        url = served.repo("user/model-GGUF").url(path)
        _, headers, _ = curl("--head", url)
        _, again, body = curl("--header", f"If-None-Match: {headers['x-linked-etag']}", url)
        assert (again[":status"], body) == ("304", b"")


@pytest.mark.skipif(not available(), reason="the openssl command makes the certificates")
def test_curl_trusts_the_authority_of_a_tls_hub(tmp_path: Path) -> None:
    """With TLS, all three origins are https: trusted with the hub's authority, and by nobody without it."""
    with Hub(tls=True) as hub:
        hub.repo("user/model").commit({"m.gguf": DATA})
        urls = [hub.repo("user/model").url("m.gguf"), hub.file("/m.gguf", DATA)]
        assert hub.ca_file is not None
        for url in urls:
            assert url.startswith("https://")
            assert curl("--location", "--cacert", hub.ca_file, url)[2] == DATA
            assert curl("--location", url)[0] == 60  # not trusted
        done = hf(hub, "user/model", "--local-dir", tmp_path, SSL_CERT_FILE=str(hub.ca_file))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "m.gguf").read_bytes() == DATA


# --- the protocol ------------------------------------------------------------------------------------


def hf_api(hub: Hub, expression: str) -> Any:
    """Evaluate an expression over `api`, a real `HfApi`, in another process."""
    code = f"""
import json
from huggingface_hub import HfApi
api = HfApi(endpoint={hub.endpoint!r}, token=False)
print(json.dumps({expression}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_the_model_api_tells_hf_what_it_needs(served: Hub) -> None:
    """HfApi reads commit, licence, gating, sizes and digests; the sha256 of an LFS file is its content's."""
    repo = served.repo("user/model-GGUF")
    got = hf_api(
        served,
        """(lambda info: [info.sha, info.gated, info.card_data.license,
           {s.rfilename: [s.size, s.lfs and s.lfs.sha256] for s in info.siblings}])(
           api.model_info("user/model-GGUF", files_metadata=True))""",
    )
    digest = hashlib.sha256(DATA).hexdigest()
    assert got == [
        repo.branches["main"],
        False,
        "apache-2.0",
        {
            "README.md": [len(README), None],
            "model-Q4_K_M.gguf": [len(DATA), digest],
            "sub/folder/config.json": [2, None],
        },
    ]
    assert hf_api(served, 'api.model_info("user/gated").gated') == "manual"


def test_trees_and_paths_are_listed_as_hf_reads_them(served: Hub) -> None:
    """A tree has folders and files, one level or all, in pages; paths-info knows single ones."""
    served.page_size = 1
    tree = '[[type(e).__name__, e.path] for e in api.list_repo_tree("user/model-GGUF", recursive={})]'
    top = [["RepoFile", "README.md"], ["RepoFile", "model-Q4_K_M.gguf"], ["RepoFolder", "sub"]]
    below = [["RepoFolder", "sub/folder"], ["RepoFile", "sub/folder/config.json"]]
    assert hf_api(served, tree.format(False)) == top
    assert hf_api(served, tree.format(True)) == top + below
    paths = '[[e.path, e.size] for e in api.get_paths_info("user/model-GGUF", ["README.md", "nothing"])]'
    assert hf_api(served, paths) == [["README.md", len(README)]]
    refs = "(lambda r: [[b.name for b in r.branches], [t.name for t in r.tags]])"
    assert hf_api(served, f'{refs}(api.list_repo_refs("user/model-GGUF"))') == [["main"], ["v1"]]


def test_git_agrees_on_object_ids(served: Hub, tmp_path: Path) -> None:
    """The object id of a small file is git's own."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    (tmp_path / "file").write_bytes(README)
    said = subprocess.run(
        [git, "hash-object", "file"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    entry = hf_api(served, 'api.get_paths_info("user/model-GGUF", ["README.md"])[0].blob_id')
    assert entry == said.stdout.strip()


def test_every_answer_tells_the_quota(served: Hub) -> None:
    """RateLimit headers are on errors and redirects too; a quota that is spent answers 429 with r=0."""
    url = served.repo("user/model-GGUF").url("model-Q4_K_M.gguf")
    for where, kind in ((url, "resolvers"), (f"{served.endpoint}/api/models/no/such", "api")):
        _, headers, _ = curl(where)
        assert headers["ratelimit"].startswith(f'"{kind}";r=')
        assert headers["ratelimit-policy"].startswith('"fixed window";')
    served.limit("resolvers", 1, 60)
    statuses = [curl(url)[1] for _ in range(2)]
    assert [each[":status"] for each in statuses] == ["302", "429"]
    assert '"resolvers";r=0;t=' in statuses[1]["ratelimit"]


def test_a_signed_url_expires(served: Hub) -> None:
    """A redirect's URL is good until it is expired; then 403 from the CDN, and /resolve gives another."""
    url = served.repo("user/model-GGUF").url("model-Q4_K_M.gguf")
    signed = curl(url)[1]["location"]
    assert curl(signed)[2] == DATA
    served.expire_links()
    assert curl(signed)[1][":status"] == "403"
    assert curl("--location", url)[2] == DATA


def test_a_small_file_comes_by_a_relative_redirect_with_its_query(served: Hub) -> None:
    """A small file is redirected to a path on the hub, and what forgets the query there is refused."""
    url = served.repo("user/model-GGUF").url("sub/folder/config.json")
    _, headers, _ = curl("--head", url)
    there = headers["location"]
    assert (headers[":status"], there.startswith("/api/resolve-cache/")) == ("307", True)
    assert curl(served.endpoint + there)[2] == b"{}"
    assert curl(served.endpoint + there.partition("?")[0])[1][":status"] == "400"


def test_a_plain_file_can_ask_for_credentials(hub: Hub) -> None:
    """A direct URL may want a header, and gives nothing without it."""
    url = hub.file("/private/x.gguf", DATA, require={"Authorization": "Basic dTpw"})
    assert curl(url)[1][":status"] == "401"
    assert curl("--user", "u:p", url)[2] == DATA


# --- folders as repos --------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with one repo."""
    (tmp_path / "user/model").mkdir(parents=True)
    (tmp_path / "user/model/m.gguf").write_bytes(b"GGUF one")
    return tmp_path


def test_a_changed_folder_is_a_new_commit_and_the_old_one_stays(root: Path) -> None:
    """A folder's change is seen at the next request; the old commit still gives the old bytes."""
    with FolderHub(root) as hub:
        hub.look()
        repo = hub.repo("user/model")
        old = repo.branches["main"]
        (root / "user/model/m.gguf").write_bytes(b"GGUF two!")
        (root / "user/model/.hidden").write_bytes(b"")
        assert curl("--location", repo.url("m.gguf"))[2] == b"GGUF two!"
        assert curl("--location", repo.url("m.gguf", old))[2] == b"GGUF one"
        assert list(repo.commits[repo.branches["main"]].files) == ["m.gguf"]
        (root / "user/model/m.gguf").unlink()
        assert curl("--location", repo.url("m.gguf"))[1]["x-error-code"] == "EntryNotFound"


def test_the_command_serves_folders_until_it_is_told_to_stop(root: Path, tmp_path: Path) -> None:
    """`python -m tests.hub` prints its endpoint first, serves a gated repo to its token, and ends cleanly."""
    command = [
        sys.executable,
        "-m",
        "tests.hub",
        "--root",
        str(root),
        "--gated",
        "user/model",
        "--token",
        "hf_t",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        url = f"{endpoint}/user/model/resolve/main/m.gguf"
        assert curl(url)[1]["x-error-code"] == "GatedRepo"
        assert curl("--location", "--oauth2-bearer", "hf_t", url)[2] == b"GGUF one"
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert (process.returncode == 0 or os.name == "nt", errors) == (True, "")
