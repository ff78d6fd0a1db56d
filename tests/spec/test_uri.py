"""Model URIs: the forms people write, the one form they become, and the words about the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import UriError
from modelsync.spec.uri import FileUri, HfUri, OciUri, Reference, WebUri, check_revision, parse
from modelsync.spec.uri_forms import check_endpoint
from tests.support.refused import tried
from tests.support.strategies import ENDPOINTS, HOSTILE_TEXTS, REFERENCES

M8 = "mradermacher/Meta-Llama-3.1-8B-Instruct-GGUF"
B70 = "bartowski/Meta-Llama-3.1-70B-Instruct-GGUF"
M70 = "mradermacher/Meta-Llama-3.1-70B-Instruct-GGUF"
FILE = "Meta-Llama-3.1-8B-Instruct.Q4_K_M.gguf"
PART = "Meta-Llama-3.1-70B-Instruct-Q5_K_L/Meta-Llama-3.1-70B-Instruct-Q5_K_L-00001-of-00002.gguf"
PIECE = "Meta-Llama-3.1-70B-Instruct.Q8_0.gguf.part1of2"


@pytest.mark.parametrize(
    "prefix", ["hf:", "hf://", "huggingface:", "huggingface://", "hf.co/", "huggingface.co/"]
)
def test_every_prefix_of_the_hub_means_the_same(prefix: str) -> None:
    """The six ways to name the hub give one URI, with the quant, without it and with a file."""
    assert parse(f"{prefix}{M8}:Q4_K_M") == Reference(HfUri(M8, quant="Q4_K_M"))
    assert parse(f"{prefix}{M8}") == Reference(HfUri(M8))
    assert parse(f"{prefix}{M8}/{FILE}#dev") == Reference(HfUri(M8, FILE), "dev")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (f"https://huggingface.co/{M8}", f"hf:{M8}"),
        (f"https://huggingface.co/{M8}/", f"hf:{M8}"),
        (f"https://hf.co/{M8}:Q4_K_M", f"hf:{M8}:Q4_K_M"),
        (f"https://huggingface.co/{M8}/tree/main", f"hf:{M8}"),
        (f"https://huggingface.co/{M8}/tree/v2", f"hf:{M8}#v2"),
        (f"https://huggingface.co/{M8}/blob/main/{FILE}", f"hf:{M8}/{FILE}"),
        (f"https://huggingface.co/{M8}/resolve/main/{FILE}", f"hf:{M8}/{FILE}"),
        (f"https://huggingface.co/{M8}/resolve/main/{FILE}?download=true", f"hf:{M8}/{FILE}"),
        (f"http://www.huggingface.co/{M8}/raw/dev/{FILE}", f"hf:{M8}/{FILE}#dev"),
        (f"huggingface.co/{M8}/blob/refs%2Fpr%2F1/{FILE}", f"hf:{M8}/{FILE}#refs/pr/1"),
        (f"https://huggingface.co/{M8}?show_file_info={FILE}", f"hf:{M8}/{FILE}"),
        (f"https://huggingface.co/{M8}/blob/main/a%20b%23c.gguf", f"hf:{M8}/a b%23c.gguf"),
        ("hf:user/model-GGUF/model.Q4_K_M.gguf#dev", "hf:user/model-GGUF/model.Q4_K_M.gguf#dev"),
        ("hf:user/model@dev", "hf:user/model#dev"),
        ("hf:user/model@v1.0:Q4_0", "hf:user/model:Q4_0#v1.0"),
        ("hf:user/model@dev/x.gguf", "hf:user/model/x.gguf#dev"),
        ("hf:user/model#main", "hf:user/model#main"),
        ("hf:ggerganov/whisper.cpp/ggml-base.en.bin", "hf:ggerganov/whisper.cpp/ggml-base.en.bin"),
        ("hf:user/model@dev/onnx/model.onnx", "hf:user/model/onnx/model.onnx#dev"),
        ("https://huggingface.co/u/m/blob/main/config.json", "hf:u/m/config.json"),
        ("https://huggingface.co/u/m/resolve/dev/LICENSE", "hf:u/m/LICENSE#dev"),
        (f"hf:{B70}/{PART}", f"hf:{B70}/{PART}"),
        (f"hf:{B70}:Q5_K_M", f"hf:{B70}:Q5_K_M"),
        (f"hf:{M70}/{PIECE}", f"hf:{M70}/{PIECE}"),
        ("hf:user/model:UD-Q4_K_XL", "hf:user/model:UD-Q4_K_XL"),
        ("https://example.com/model.Q6_K.gguf", "https://example.com/model.Q6_K.gguf"),
        ("https://EXAMPLE.com/Model.gguf?raw=1", "https://example.com/Model.gguf?raw=1"),
        ("ollama:llama3.2:3b", "oci://registry.ollama.ai/library/llama3.2:3b"),
        ("ollama:MFDoom/deepseek-r1:8b", "oci://registry.ollama.ai/MFDoom/deepseek-r1:8b"),
        ("ollama:registry.example.com/u/m:8b", "oci://registry.example.com/u/m:8b"),
        ("docker:ai/smollm2", "oci://docker.io/ai/smollm2:latest"),
        ("docker:smollm2", "oci://docker.io/ai/smollm2:latest"),
        ("docker:smollm2:360M-Q4_K_M", "oci://docker.io/ai/smollm2:360M-Q4_K_M"),
        ("docker:user/name:tag", "oci://docker.io/user/name:tag"),
        ("docker:ghcr.io/user/name:tag", "oci://ghcr.io/user/name:tag"),
        ("docker:localhost:5000/name", "oci://localhost:5000/name:latest"),
        ("oci://registry-1.docker.io/ai/smollm2", "oci://docker.io/ai/smollm2:latest"),
        ("oci://index.docker.io/busybox:1", "oci://docker.io/library/busybox:1"),
        ("oci://localhost:5000/team/models", "oci://localhost:5000/team/models:latest"),
        (f"oci://r.example/m:1@sha256:{'0A' * 32}", f"oci://r.example/m@sha256:{'0a' * 32}"),
        (f"oci://r.example/m:1#sha256:{'0a' * 32}", f"oci://r.example/m:1#sha256:{'0a' * 32}"),
        ("./models/x.gguf", "file:models/x.gguf"),
        ("models//./x.gguf", "file:models/x.gguf"),
        ("../x.gguf", "file:../x.gguf"),
        ("/srv/models/x", "file:/srv/models/x"),
        ("file:x.gguf", "file:x.gguf"),
        ("file:///srv/a%20b.gguf", "file:/srv/a b.gguf"),
        ("file://localhost/srv/x.gguf", "file:/srv/x.gguf"),
        ("C:\\models\\x.gguf", "file:C:/models/x.gguf"),
        ("file:///C:/models/x.gguf", "file:C:/models/x.gguf"),
        (".\\x.gguf", "file:x.gguf"),
    ],
)
def test_each_form_has_one_canonical_form(text: str, canonical: str) -> None:
    """What a lock and a message show is the canonical form, and that means the same."""
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


@pytest.mark.parametrize(
    ("hub", "text", "canonical"),
    [
        ("https://hf.corp.example", "https://hf.corp.example/u/m", "hf:u/m"),
        ("https://hf.corp.example", "HTTPS://HF.corp.example/u/m:Q8_0", "hf:u/m:Q8_0"),
        ("https://hf.corp.example", "https://hf.corp.example/u/m/blob/main/a/x.gguf", "hf:u/m/a/x.gguf"),
        ("https://hf.corp.example", "https://hf.corp.example/u/m/resolve/v1/x.gguf", "hf:u/m/x.gguf#v1"),
        ("https://hf.corp.example", "https://hf.corp.example/u/m/tree/dev", "hf:u/m#dev"),
        ("https://corp.example/Api/hf", "https://corp.example/Api/hf/u/m.v1#dev", "hf:u/m.v1#dev"),
        # not surely a page of a model: a file of that host
        ("https://hf.corp.example", "https://hf.corp.example/files/x.gguf", None),
        ("https://hf.corp.example", "https://hf.corp.example/files/x.bin", None),
        ("https://hf.corp.example", "https://hf.corp.example/a/b/c/x.gguf", None),
        ("https://hf.corp.example", "https://hf.corp.example/api/v1/x.gguf", None),
        ("https://hf.corp.example", "https://hf.corp.example:8443/u/m", None),
        ("https://hf.corp.example", "https://hf.corp.example.org/u/m", None),
        ("https://corp.example/Api/hf", "https://corp.example/api/hf/u/m", None),
    ],
)
def test_pages_of_the_users_own_hub_are_its_uris(hub: str, text: str, canonical: str | None) -> None:
    """A page of a model at the hub that is asked is an `hf:` URI; anything else there stays a URL."""
    assert str(parse(text, hub)) == (canonical or text)


def test_the_kinds_of_uri_are_told_apart() -> None:
    """Each kind is a type of its own, with its parts named."""
    assert parse("ollama:llama3.2:3b").uri == OciUri("registry.ollama.ai", "library/llama3.2", ":3b")
    assert parse("https://example.com/a%20b.gguf?x=1").uri == WebUri("https://example.com/a%20b.gguf?x=1")
    assert isinstance(parse("./x.gguf").uri, FileUri)
    assert WebUri("https://example.com/a%20b.gguf?x=1").name == "a b.gguf"


@pytest.mark.parametrize(
    "text", ["hf:user", "hf:", "hf:/m", "hf:user/", "hf:user/:Q4_0", "hf:user/m/../x.gguf"]
)
def test_half_a_uri_is_an_error_that_shows_the_form(text: str) -> None:
    """Who forgot a part of a hub's URI reads what one looks like."""
    with pytest.raises(UriError) as caught:
        parse(text)
    assert text in caught.value.message
    assert "hf:user/model[:QUANT]" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("u/m:Q4_K_M", "hf:u/m:Q4_K_M"),
        ("u/m", "hf:u/m"),
        ("HF:u/m", "hf:u/m"),
        ("HTTPS://example.com/x.gguf", "https://example.com/x.gguf"),
        ("htps://example.com/x.gguf", "https://example.com/x.gguf"),
        ("hugginface:u/m", "huggingface:u/m"),
        ("model.gguf", "./model.gguf"),
        ("hf:u/m:model.gguf", "hf:u/m/model.gguf"),
        ("hf:u/m@feature/x", "hf:u/m#feature/x"),
        ("https://example.com/my model.gguf", "https://example.com/my%20model.gguf"),
        ("oci:r.example/m", "oci://r.example/m"),
        ("oci://r.example/Team/m:V1", "oci://r.example/team/m:V1"),
        ("docker:hf.co/u/m:Q4_K_M", "hf:u/m:Q4_K_M"),
        ("ollama:hf.co/u/m-GGUF", "hf:u/m-GGUF"),
        ("oci://huggingface.co/u/m:latest", "hf:u/m"),
        ("file://models/x.gguf", "file:models/x.gguf"),
    ],
)
def test_a_near_miss_is_answered_with_what_was_meant(text: str, meant: str) -> None:
    """The error of a nearly right URI holds the right one, and that one is right."""
    with pytest.raises(UriError, match="did you mean") as caught:
        parse(text)
    assert f"did you mean {meant}?" in caught.value.message
    parse(meant)


@pytest.mark.parametrize(
    "text",
    [
        "hf:u/m:Q4_K_M/model.gguf",  # a path behind a quant, which a peer ignores
        "hf:u/m/model.gguf:Q4_K_M",
        # any file taken as a model, as a peer does
        "https://huggingface.co/u/m/discussions",
        "https://huggingface.co/u/m/commits/main",
        "https://huggingface.co/u/m/edit/main/README.md",
        "hf:u/m:ggml-base.en.bin",
        "https://huggingface.co/datasets/u/d",
        "https://huggingface.co/u/m/tree/main/folder",
        "https://huggingface.co/u/m/blob/dev/x.gguf#main",
        "https://huggingface.co",
        "https://huggingface.co/docs",
        "https://files.example:99999/m.gguf",  # hosts that can never be asked
        "https://files.example:0/m.gguf",
        "https://127.1/m.gguf",
        "https://files..example/m.gguf",
        "oci://r.example:65536/a/b",
        "oci://1.2.3.4.5/a/b",
        "hf:u/m/x.gguf#",
        "hf:u/m#a..b",
        "hf:u/m#a b",
        "hf:u/m@dev#dev",
        "hf:u/m:",
        "hf:u/m/",
        "hf:u/m--x",
        "hf:u/m.git",
        "hf:-u/m",
        "hf:u/" + "m" * 97,
        "hf:u/m/nul.gguf",
        "hf:u/m/a\\b.gguf",
        "hf:u/m/%2e%2e/x.gguf",
        "hf:u/m/x\u202efugg.gguf",
        "hf:u/m/x.gguf\n",
        "hf: u/m",
        " hf:u/m",
        "hf:u/m:" + "Q" * 65,
        "https://example.com",
        "https://example.com/",
        "https://example.com/folder/",
        "https://example.com/a/../x.gguf",
        "https://example.com/a/%2e%2e/x.gguf",
        "https://example.com/x.gguf#dev",
        "https://bücher.example/x.gguf",
        "https://exa mple.com/x.gguf",
        "https:///x.gguf",
        "https://example.com:port/x.gguf",
        "https://example.com/" + "x" * 3000,
        "file:",
        "file:~/x.gguf",
        "file:models/",
        "file:..",
        "file:////server/share/x.gguf",
        "\\\\server\\share\\x.gguf",
        "file://server/x.gguf",
        "oci://registry.example.com",
        "oci://r.example/m@sha256:abc",
        "ollama:",
        "ollama:a b",
        "docker:ai/smollm2#dev",
        "s3://bucket/x.gguf",
        "llama3",
        "",
    ],
)
def test_what_has_no_meaning_is_refused(text: str) -> None:
    """Nothing in a URI is ignored, guessed or mended in silence."""
    with pytest.raises(UriError) as caught:
        parse(text)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@example.com/x.gguf",
        "https://hunter2@example.com/x.gguf",
        "ftp://user:hunter2@example.com/x.gguf",
        "https://example.com/x.gguf?X-Amz-Signature=hunter2",
        "https://example.com/x.gguf?a=1&Signature=hunter2&Expires=1",
        "https://example.com/x.gguf?sv=1&sig=hunter2",
        "https://example.com/x.gguf?access_token=hunter2",
        "https://example.com/x.gguf?private%5Ftoken=hunter2",
        "https://example.com/x.gguf?api_key=hunter2",
        "https://huggingface.co/u/m/resolve/main/x.gguf?token=hunter2",
    ],
)
def test_a_secret_in_a_url_is_refused_and_not_repeated(text: str) -> None:
    """A manifest goes into a repository: what looks like a credential may not stand in it, nor in the error."""
    with pytest.raises(UriError) as caught:
        parse(text)
    assert "hunter2" not in caught.value.message + str(caught.value.hint)


@given(REFERENCES)
def test_a_reference_survives_its_own_text(reference: Reference) -> None:
    """Every reference, written and read again, is the same."""
    assert parse(str(reference)) == reference


@given(
    st.one_of(
        st.text(),
        HOSTILE_TEXTS,
        st.builds(
            "{}{}".format, st.sampled_from(["hf:", "hf:u/m", "https://e.com/", "file:", "oci://"]), st.text()
        ),
        st.builds("https://huggingface.co/u/m{}".format, st.text()),
    )
)
def test_any_text_is_a_uri_or_an_error_of_ours(text: str) -> None:
    """No text makes the reader fail in another way, and what is read is canonical."""
    reference = tried(lambda: parse(text), UriError)
    assert reference is None or parse(str(reference)) == reference


@pytest.mark.parametrize("text", ["main", "v1.0", "refs/pr/1", "feature/x_y", "0123abc", "a@b"])
def test_what_git_allows_is_a_revision(text: str) -> None:
    """Branches, tags and commits are taken."""
    assert check_revision(text) == text


@pytest.mark.parametrize(
    "text", ["", "a..b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a~1", "a^", "a:b", "a b", "a\x07"]
)
def test_what_git_forbids_is_no_revision(text: str) -> None:
    """What no branch or tag can be called is refused before a server is asked."""
    with pytest.raises(UriError, match="cannot be a revision"):
        check_revision(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("https://HF.corp.example/", "https://hf.corp.example"),
        ("https://proxy.example/api/hf//", "https://proxy.example/api/hf"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_an_endpoint_has_one_form(text: str, canonical: str) -> None:
    """A slash at the end or a capital letter in the host makes no other endpoint."""
    assert check_endpoint(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hf.co",
        "ftp://x",
        "https://u:p@x",
        "https://x?y=1",
        "https://x#y",
        "https://x/../y",
        "https://x y",
    ],
)
def test_what_is_no_url_of_a_hub_is_no_endpoint(text: str) -> None:
    """An endpoint holds neither password nor query, and does not leave its path."""
    with pytest.raises(UriError):
        check_endpoint(text)


@given(ENDPOINTS)
def test_a_canonical_endpoint_stays(endpoint: str) -> None:
    """Reading an endpoint twice changes nothing more."""
    assert check_endpoint(check_endpoint(endpoint)) == check_endpoint(endpoint)
