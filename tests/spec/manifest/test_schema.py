"""The JSON Schema of models.toml: it and the parser say the same, as far as a schema can say it."""

import json
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.spec.manifest import keys, schema
from modelsync.spec.manifest.edit import template
from modelsync.spec.manifest.tables import manifest
from modelsync.spec.toml import Fault
from modelsync.version import __version__
from tests.support.strategies import SCALARS, hostile_values

ROOT = Path(__file__).parents[3]
TAPLO = Path(sys.executable).with_name("taplo")

SHA256 = "0123456789abcdefABCDEF" + "0" * 42


@cache
def validator() -> Any:
    """A reader of the schema. Its import takes seconds: those of the test that needs it, not of every collection."""
    from jsonschema import Draft7Validator

    return Draft7Validator(schema.schema())


def mostly(right: list[Any], wrong: list[Any]) -> st.SearchStrategy[Any]:
    """Nine in ten are right: else hardly a whole document would be."""
    return st.sampled_from(right * (9 * len(wrong) // len(right) + 1) + wrong)


NAMES = mostly(["llama3", "a", "x.y-z_0"], ["con", "aux.b", "Upper", "-a", "a.", "", "a b", "x" * 65, "auto"])
WRONG = st.one_of(st.integers(), st.booleans(), st.dates(), st.just([[]]), st.just([1]), st.just({"a": {}}))
URIS = mostly(["hf:user/model", "hf:user/other"], [""])
GLOBS = st.lists(mostly(["*.json", "a/*"], [""]), max_size=2)
SHA256S = mostly([SHA256, f"sha256:{SHA256}", f"SHA256-{SHA256} "], [SHA256[1:], f"md5:{SHA256}", ""])
ENDPOINTS = mostly(["https://hub.example", "HTTP://127.0.0.1:80"], ["ftp://hub.example", "hub"])
LOADS = st.dictionaries(
    mostly(["n_ctx", "main_gpu", "tensor_split", "my_file_x"], ["model_path", "grammar", "N", "a_file"]),
    mostly([1, -9, True, 0.5, [0.5, 1], "f16", "w" * 200], [["a"], "a/b", "a\\b", "w" * 201, {}]),
    max_size=2,
)
VARIANT = {
    "uri": URIS,
    "revision": mostly(["main", "v1.0", "x" * 255], ["a b", "", "x" * 256, "a:b"]),
    "include": GLOBS,
    "exclude": GLOBS,
    "allow-code": GLOBS,
    "mmproj": st.one_of(st.booleans(), URIS),
    "loras": st.lists(URIS, max_size=2),
    "draft": st.one_of(st.booleans(), URIS),
    "sha256": st.one_of(
        SHA256S, st.dictionaries(st.sampled_from(["a.gguf", "b/c.bin"]), SHA256S, max_size=2)
    ),
    "endpoint": ENDPOINTS,
    "license": mostly(
        ["apache-2.0", "LicenseRef-ours", "x" * 200], ["Other", "unknown", "", "a b", "a,b", "x" * 201]
    ),
    "load": LOADS,
}
PROJECT = {
    "dir": mostly(["models", "./a/b/"], ["/a", "a/../b", "..", "", "a\\b"]),
    "default-groups": st.lists(NAMES, max_size=2),
    "endpoint": ENDPOINTS,
    "mirrors": st.lists(
        mostly(["oci://r.example/a/b", "https://h.example/{sha256}"], ["file:///srv", "/srv", ""]), max_size=2
    ),
    "allowed-licenses": st.lists(
        mostly(["apache-2.0", "MIT", "some terms, 2nd"], ["other", "UNKNOWN", "", " mit", "x" * 201, "a\nb"]),
        max_size=2,
    ),
    "required-version": mostly([f">={__version__}", ">= 0, <99"], ["~=0", "latest", ""]),
}


def tables(shapes: dict[str, st.SearchStrategy[Any]], *needed: str) -> st.SearchStrategy[dict[str, Any]]:
    """Tables with some of these keys, now and then one that is unknown or holds something else."""
    right = st.fixed_dictionaries(
        {key: shapes[key] for key in needed},
        optional={key: value for key, value in shapes.items() if key not in needed},
    )
    wrong = st.dictionaries(st.sampled_from([*shapes, "ulr", "Include"]), WRONG, max_size=1)
    return st.one_of(right, right, right, st.builds(dict.__or__, right, wrong))


VARIANTS = st.dictionaries(NAMES, tables(VARIANT), max_size=2)
ENTRIES = tables({**VARIANT, "groups": st.lists(NAMES, max_size=2), "variants": VARIANTS}, "uri")
MODELS = st.fixed_dictionaries({"llama3": ENTRIES}) | st.dictionaries(
    NAMES, st.one_of(URIS, ENTRIES, tables(VARIANT)), max_size=2
)
DOCUMENTS = (
    st.fixed_dictionaries({"models": MODELS})
    | st.fixed_dictionaries({"modelsync": tables(PROJECT)})
    | tables({"modelsync": tables(PROJECT), "models": MODELS})
)


def refusal(document: dict[str, Any]) -> Fault | None:
    """What the parser says against a document."""
    try:
        manifest(document)
    except Fault as fault:
        return fault
    return None


def told(document: dict[str, Any]) -> list[str]:
    """What the schema says against it."""
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator().iter_errors(document)]


def beyond(fault: Fault) -> bool:
    """Whether a schema cannot say this: it is about two keys of a variant and its entry, or the grammar of a text."""
    key = next((str(part) for part in reversed(fault.path) if isinstance(part, str)), "")
    of_a_variant = "variants" in fault.path and key in ("include", "exclude", "mmproj", "loras", "draft")
    return of_a_variant or (key == "required-version" and fault.message.startswith("`~=0`"))


@given(DOCUMENTS)
def test_schema_and_parser_agree(document: dict[str, Any]) -> None:
    """On keys, types, names, digests, globs, load settings, and what goes with `include`."""
    said, fault = told(document), refusal(document)
    if said:
        assert fault is not None, said
    elif fault is not None:
        assert beyond(fault), (fault.path, fault.message)


@given(hostile_values(st.sampled_from([*keys.TOP_KEYS, *keys.PROJECT_KEYS, *keys.ENTRY_KEYS, "llama3"])))
def test_what_the_schema_refuses_the_parser_refuses(value: Any) -> None:
    """Whatever a manifest holds: an editor marks nothing that modelsync would take."""
    for document in ({"models": {"llama3": value}}, {"models": value}, {"modelsync": value}):
        if told(document):
            assert refusal(document) is not None


@given(st.sampled_from(keys.ENTRY_KEYS), SCALARS)
def test_single_values_too(key: str, value: Any) -> None:
    """Each key of an entry with any value."""
    document = {"models": {"llama3": {"uri": "hf:user/model", key: value}}}
    if told(document):
        assert refusal(document) is not None


PIECES = [
    *(
        "hf",
        "hf.co",
        "huggingface.co",
        "https",
        "HTTPS",
        "oci",
        "docker",
        "ollama",
        "file",
        "s3",
        "C",
        "localhost",
    ),
    *(
        ":",
        "://",
        "/",
        "//",
        "\\",
        ".",
        "..",
        "./",
        "@",
        "#",
        "?",
        "%2e",
        "=",
        "-",
        "~",
        "*",
        " ",
        "\n",
        "\x01",
    ),
    *(
        "user",
        "user/model",
        "model",
        "Q4_K_M",
        ".gguf",
        "{sha256}",
        "h.example",
        "con",
        "Con",
        ".git",
        "a",
        ".lock",
    ),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=7).map("".join)


@given(TEXTS, st.sampled_from(["dir", "endpoint", "mirrors", "uri", "folder", "revision", "sha256", "word"]))
def test_what_a_text_may_not_have(text: str, place: str) -> None:
    """Paths, URIs, revisions: patterns refuse nothing that the parser takes, however odd it looks."""
    entry: dict[str, Any] = {"uri": "hf:user/model"}
    own: dict[str, dict[str, Any]] = {
        "uri": {"uri": text},
        "folder": {"uri": text, "include": ["*"]},
        "revision": {"revision": text},
        "sha256": {"sha256": {text: SHA256}},
        "word": {"load": {"chat_format": text}},
    }
    entry |= own.get(place, {})
    project: dict[str, Any] = {
        "dir": {"dir": text},
        "endpoint": {"endpoint": text},
        "mirrors": {"mirrors": [text]},
    }
    document = {"modelsync": project.get(place, {}), "models": {"llama3": entry}}
    if told(document):
        assert refusal(document) is not None, told(document)


@pytest.mark.parametrize(
    "text",
    [
        '[modelsync]\ndir = ".git"',
        '[modelsync]\ndir = "models/.cache"',
        '[modelsync]\ndir = "a//b"',
        '[modelsync]\ndir = "C:/models"',
        '[modelsync]\ndir = "aux"',
        '[modelsync]\nendpoint = "https://me:secret@hub.example"',
        '[modelsync]\nmirrors = ["https://h.example/?token=1"]',
        '[modelsync]\nallowed-license = ["mit"]',
        '[models]\nllama3 = "llama3"',
        '[models]\nllama3 = "s3://bucket/x.gguf"',
        '[models]\nllama3 = "https://me:secret@h.example/x.gguf"',
        '[models.llama3]\nrevision = "main"',
        '[models.llama3]\nuri = "hf:user/model"\nrevision = "a..b"',
        '[models.llama3]\nuri = "hf:user/model:Q4_K_M"\ninclude = ["*"]',
        '[models.llama3]\nuri = "hf:user/model"\nexclude = ["*"]',
        '[models.llama3]\nuri = "hf:user/model"\nloras = "hf:user/a/a.gguf"',
        f'[models.llama3]\nuri = "hf:user/model"\nsha256 = {{ "../x" = "{SHA256}" }}',
        '[models.llama3]\nuri = "hf:user/model"\nload = { model_path = "x" }',
        '[models.llama3]\nuri = "hf:user/model"\nvariant = {}',
        '[models.llama3]\nuri = "hf:user/model"\nvariants = { auto = {} }',
        '[models.llama3]\nuri = "hf:user/model"\nvariants = { big = { groups = ["a"] } }',
        '[model.llama3]\nuri = "hf:user/model"',
    ],
)
def test_what_an_editor_marks(text: str) -> None:
    """Mistakes that people make are refused by both."""
    document = tomllib.loads(text)
    assert told(document)
    assert refusal(document) is not None


def test_every_key_is_described() -> None:
    """What an editor shows beside a key; the reference is made of it too."""
    whole = schema.schema()
    models = whole["properties"]["models"]["additionalProperties"]["anyOf"][1]["properties"]
    project = whole["properties"]["modelsync"]["properties"]
    assert tuple(models) == keys.ENTRY_KEYS
    assert tuple(project) == keys.PROJECT_KEYS
    assert tuple(models["variants"]["additionalProperties"]["properties"]) == keys.VARIANT_KEYS
    for shapes in (models, project, models["variants"]["additionalProperties"]["properties"]):
        for key, shape in shapes.items():
            assert shape["description"].endswith("."), key
    validator().check_schema(whole)
    assert json.loads(schema.text()) == whole


def test_the_example_and_the_template_are_right() -> None:
    """Also with all that is commented out there."""
    example = (ROOT / "models.toml.example").read_text("utf-8")
    for text in (example, template()):
        assert told(tomllib.loads(text)) == []


@pytest.mark.skipif(not TAPLO.exists(), reason="taplo is not installed")
def test_taplo_reads_it(tmp_path: Path) -> None:
    """The checker that editors run takes the example by its first line, and says what is wrong in another."""
    (tmp_path / schema.FILE).write_text(schema.text(), "utf-8")

    def lint(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "models.toml").write_text(text, "utf-8")
        return subprocess.run(
            [TAPLO, "lint", "models.toml"], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    example = (ROOT / "models.toml.example").read_text("utf-8")
    good = lint(f"{schema.DIRECTIVE}\n{example}")
    assert good.returncode == 0, good.stderr
    bad = lint(f'{schema.DIRECTIVE}\n[models.llama3]\nuri = "hf:user/model"\nrevison = "main"\n')
    assert bad.returncode != 0
    assert "revison" in bad.stderr


def test_the_published_schema_is_this_one() -> None:
    """`modelsync schema -o docs/models.schema.json` writes it."""
    assert (ROOT / "docs" / schema.FILE).read_text("utf-8") == schema.text()
