"""What a manifest means."""

import pytest

from modelsync.errors import NotFoundError
from modelsync.spec.load_values import LoadValue
from modelsync.spec.manifest.model import Entry, Manifest
from modelsync.spec.manifest.read import parse
from modelsync.spec.request import Request
from modelsync.spec.uri import FileUri, HfUri, OciUri, Reference, WebUri
from tests.support.manifests import FULL

LLAMA = "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF"
ENDPOINT = "https://hf.corp.example"


def _one(text: str) -> Request:
    return parse(text).entries[-1].request


def test_a_full_manifest_is_read() -> None:
    """Each key of the format arrives where it belongs, in the order of the file."""
    loras = (Reference(HfUri("user/adapter", "adapter.gguf")), Reference(FileUri("lora.gguf")))
    load: dict[str, LoadValue] = {"n_ctx": 8192, "tensor_split": (0.5, 1), "chat_format": "llama-3"}
    base = Request(HfUri(LLAMA, quant="Q4_K_M"), "main", True, loras, "ab" * 32, ENDPOINT)
    server = base._replace(uri=HfUri(LLAMA, quant="Q8_0"), sha256=None)
    groups, own = ("chat", "big"), "LicenseRef-ours"
    assert parse(FULL) == Manifest(
        dir="models",
        default_groups=("chat",),
        endpoint="https://huggingface.co",
        mirrors=("oci://registry.example.com/team/models", "https://mirror.example/hf"),
        entries=(
            Entry("embed", None, Request(HfUri("nomic-ai/nomic-embed-text-v1.5-GGUF", quant="Q8_0"))),
            Entry("llama3", None, base, groups, load, license=own),
            Entry(
                "llama3", "server", server, groups, {**load, "n_gpu_layers": -1, "n_ctx": 32768}, license=own
            ),
            Entry(
                "llama3", "text", base._replace(mmproj=None, loras=(), draft=True), groups, load, license=own
            ),
        ),
        allowed_licenses=("apache-2.0", "Llama3.1", "MIT"),
    )


def test_the_request_is_what_decides_the_bytes() -> None:
    """Groups and load settings are no part of what a lock compares, and defaults are left out."""
    manifest = parse(FULL)
    assert manifest.entry("embed").request.to_dict() == {"uri": "hf:nomic-ai/nomic-embed-text-v1.5-GGUF:Q8_0"}
    assert manifest.entry("llama3").request.to_dict() == {
        "uri": f"hf:{LLAMA}:Q4_K_M",
        "revision": "main",
        "mmproj": True,
        "loras": ["hf:user/adapter/adapter.gguf", "file:lora.gguf"],
        "sha256": "ab" * 32,
        "endpoint": ENDPOINT,
    }


@pytest.mark.parametrize("text", ["", "[modelsync]", "[models]\n", "# nothing\r\n", "\ufeff[models]\n"])
def test_an_empty_manifest_wants_nothing(text: str) -> None:
    """No table has to be there."""
    assert parse(text) == Manifest()


def test_absent_default_groups_are_not_none_of_them() -> None:
    """No `default-groups` means all groups; an empty list means the ungrouped alone."""
    assert parse("").default_groups is None
    assert parse("[modelsync]\ndefault-groups = []").default_groups == ()


@pytest.mark.parametrize(
    "text",
    [
        '[models.m]\nuri = "hf:u/m:Q4_0#v1"',
        '[models.m]\nuri = "hf:u/m@v1:Q4_0"',
        '[models.m]\nuri = "hf:u/m:Q4_0"\nrevision = "v1"',
        '[models.m]\nuri = "hf:u/m:Q4_0#v1"\nrevision = "v1"',
        '[models]\nm = "hf:u/m:Q4_0#v1"',
    ],
)
def test_a_revision_may_stand_in_the_uri(text: str) -> None:
    """However it is written it is the request's revision, and the URI is canonical without it."""
    assert _one(text) == Request(HfUri("u/m", quant="Q4_0"), "v1")


@pytest.mark.parametrize(("written", "kept"), [("#main", "main"), ("", None)])
def test_main_is_kept_where_it_is_written(written: str, kept: str | None) -> None:
    """A revision that the manifest gives is part of the request, even the default one."""
    assert _one(f'[models]\nm = "hf:u/m{written}"').revision == kept


@pytest.mark.parametrize(
    ("variant", "uri", "revision"),
    [
        ('uri = "hf:u/m:Q8_0"', "hf:u/m:Q8_0", "v1"),
        ('uri = "hf:u/m:Q8_0#v2"', "hf:u/m:Q8_0", "v2"),
        ('uri = "hf:u/m:Q8_0"\nrevision = "v3"', "hf:u/m:Q8_0", "v3"),
        ('revision = "v3"', "hf:u/m:Q4_0", "v3"),
        ('uri = "https://example.com/m.gguf"', "https://example.com/m.gguf", None),
    ],
)
def test_a_variant_says_what_differs(variant: str, uri: str, revision: str | None) -> None:
    """The rest is its base's; a revision of the base is not one of a URL."""
    request = _one(f'[models.m]\nuri = "hf:u/m:Q4_0"\nrevision = "v1"\n[models.m.variants.x]\n{variant}')
    assert (str(request.uri), request.revision) == (uri, revision)


def test_another_uri_has_another_hash() -> None:
    """A base's pinned hash is not that of a variant's other file; a variant of the same file keeps it."""
    base = f'[models.m]\nuri = "hf:u/m:Q4_0"\nsha256 = "{"0" * 64}"\n[models.m.variants.x]\n'
    assert _one(base + 'uri = "hf:u/m:Q8_0"').sha256 is None
    assert _one(base + "mmproj = true").sha256 == "0" * 64
    assert _one(base + f'uri = "hf:u/m:Q8_0"\nsha256 = "{"1" * 64}"').sha256 == "1" * 64


def test_a_table_of_hashes_is_sorted() -> None:
    """The order in which files are pinned makes no difference to a lock."""
    one, two = "1" * 64, "2" * 64
    text = '[models.m]\nuri = "hf:u/m:Q4_0"\nsha256 = {{ {} = "{}", {} = "{}" }}'
    request = _one(text.format('"b.gguf"', one, '"a.gguf"', two))
    assert request.sha256 == (("a.gguf", two), ("b.gguf", one))
    assert request == _one(text.format('"a.gguf"', two, '"b.gguf"', one))


def test_the_projects_endpoint_is_for_whoever_asks_a_hub() -> None:
    """It goes into each request with a hub's URI that has none of its own, and into no other."""
    manifest = parse("""\
[modelsync]
endpoint = "https://hf.corp.example"
[models]
plain = "hf:u/m"
web = "https://example.com/m.gguf"
[models.own]
uri = "hf:u/m"
endpoint = "https://other.example"
[models.public]
uri = "hf:u/m"
endpoint = "https://huggingface.co"
[models.lora]
uri = "./m.gguf"
loras = ["hf:u/lora"]
[models.eyes]
uri = "oci://r.example/m"
mmproj = "hf:u/m/mmproj.gguf"
""")
    assert {entry.name: entry.request.endpoint for entry in manifest.entries} == {
        "plain": ENDPOINT,
        "web": None,
        "own": "https://other.example",
        "public": None,
        "lora": ENDPOINT,
        "eyes": ENDPOINT,
    }


def test_every_kind_of_source_can_be_named() -> None:
    """URLs, files and registries stand beside hubs."""
    manifest = parse("""\
[models]
web = "https://example.com/m.gguf"
file = "../models/m.gguf"
oci = "ollama:llama3.2:3b"
""")
    assert [type(entry.request.uri) for entry in manifest.entries] == [WebUri, FileUri, OciUri]


def test_entries_are_found_by_name_and_variant() -> None:
    """A base entry is found by its name, a variant by both."""
    manifest = parse(FULL)
    assert manifest.names == ("embed", "llama3")
    assert manifest.entry("llama3").variant is None
    assert manifest.entry("llama3", "server").variant == "server"


@pytest.mark.parametrize(
    ("name", "variant", "words", "hint"),
    [
        ("lama3", None, "no model is called `lama3`; did you mean `llama3`?", "modelsync add lama3"),
        ("zzz", None, "no model is called `zzz`", "modelsync add zzz"),
        ("llama3", "sever", "no variant `sever`; did you mean `server`?", "server, text"),
        ("embed", "server", "no variant `server`", "none"),
        ("\x1b[2J", None, "`\\x1b[2J`", "modelsync add"),
    ],
)
def test_a_missing_entry_is_answered_with_the_nearest(
    name: str, variant: str | None, words: str, hint: str
) -> None:
    """A slip of the pen is answered with the name or variant that was meant."""
    with pytest.raises(NotFoundError) as caught:
        parse(FULL).entry(name, variant)
    assert words in caught.value.message
    assert hint in str(caught.value.hint)
