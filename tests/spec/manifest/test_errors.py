"""What is wrong in a manifest, said with file, line and key; and manifests that mean harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import ManifestError
from modelsync.spec.manifest.read import parse
from modelsync.spec.toml import toml_key, toml_string
from tests.support.manifests import FULL
from tests.support.refused import tried
from tests.support.strategies import HOSTILE_TEXTS, hostile_values

_KEYS = st.sampled_from(
    [
        *(
            "modelsync",
            "models",
            "dir",
            "default-groups",
            "endpoint",
            "mirrors",
            "llama3",
            "uri",
            "revision",
            "mmproj",
        ),
        *("loras", "sha256", "groups", "load", "variants", "n_ctx", "server"),
    ]
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'groups = ["chat", "big", "chat"]',
            "grups = []",
            "18: models.llama3.grups: unknown key; did you mean `groups`?",
        ),
        (
            "default-groups",
            "default_groups",
            "3: modelsync.default_groups: unknown key; did you mean `default-groups`?",
        ),
        ("[modelsync]", "[model-sync]", "1: model-sync: unknown key; did you mean `modelsync`?"),
        ("mmproj = false", 'groups = ["a"]', "28: models.llama3.variants.text.groups: unknown key"),
        ('dir = "./models/"', "dir = 3", "2: modelsync.dir: text in quotes is expected, not a number"),
        (
            'dir = "./models/"',
            'dir = "../models"',
            "2: modelsync.dir: `../models` cannot be the folder for models",
        ),
        ('dir = "./models/"', 'dir = "/models"', "2: modelsync.dir: `/models` cannot be"),
        ('dir = "./models/"', 'dir = "."', "2: modelsync.dir: `.` cannot be"),
        ('dir = "./models/"', 'dir = ".Git/hooks"', "2: modelsync.dir: `.Git/hooks` cannot be"),
        ('dir = "./models/"', 'dir = "sub/.GIT/hooks"', "2: modelsync.dir: `sub/.GIT/hooks` cannot be"),
        ('dir = "./models/"', 'dir = ".venv/lib"', "2: modelsync.dir: `.venv/lib` cannot be"),
        ('dir = "./models/"', 'dir = "a/.b"', "2: modelsync.dir: `a/.b` cannot be"),
        (
            '["chat"]\nend',
            '"chat"\nend',
            "3: modelsync.default-groups: a list is expected, not text in quotes",
        ),
        ('["chat"]\nend', '["chat", 1]\nend', "3: modelsync.default-groups[1]: text in quotes is expected"),
        ('"https://huggingface.co"', '"huggingface.co"', "4: modelsync.endpoint: `huggingface.co` is no URL"),
        (
            "team/models",
            "team/models:tag",
            "5: modelsync.mirrors[0]: the mirror `oci://registry.example.com/team/models:tag` has a tag or a digest",
        ),
        (
            "registry.example.com/team",
            "registry.example.com:99999/team",
            "5: modelsync.mirrors[0]: the mirror `oci://registry.example.com:99999/team/models` has the port `99999`",
        ),
        ("embed = ", "Embed = ", "9: models.Embed: `Embed` cannot be a name; did you mean `embed`?"),
        ("embed = ", '"a b" = ', '9: models."a b": `a b` cannot be a name; did you mean `a-b`?'),
        ("embed = ", "nul = ", "9: models.nul: `nul` cannot be a name: Windows"),
        (
            '"hf:nomic',
            '"HF:nomic',
            "9: models.embed: `HF:nomic-ai/nomic-embed-text-v1.5-GGUF:Q8_0` has no known form",
        ),
        ('"hf:nomic', '"hf:nomic ', "9: models.embed: `hf:nomic -ai"),
        (
            'embed = "hf:nomic-ai/nomic-embed-text-v1.5-GGUF:Q8_0"',
            "embed = 1",
            "9: models.embed: a model URI or a table",
        ),
        (
            'uri = "hf:bartowski',
            'url = "hf:bartowski',
            "12: models.llama3.url: unknown key; did you mean `uri`?",
        ),
        ('"main"', '"a..b"', "13: models.llama3.revision: `a..b` cannot be a revision"),
        ('Q4_K_M"', 'Q4_K_M#dev"', "13: models.llama3.revision: the uri says `dev`; keep one of the two"),
        (
            "mmproj = true",
            'mmproj = "u/m"',
            "14: models.llama3.mmproj: `u/m` has no known form; did you mean hf:u/m?",
        ),
        (
            "mmproj = true",
            "mmproj = 1",
            "14: models.llama3.mmproj: `true` or the URI of a projector is expected",
        ),
        ("mmproj = true", 'revision = "main"', "14: models.llama3.revision: it is defined twice"),
        ('"./lora.gguf"', '"lora"', "15: models.llama3.loras[1]: `lora` has no known form"),
        ('"./lora.gguf"', "7", "15: models.llama3.loras[1]: text in quotes is expected, not a number"),
        ("ABABAB", "ABABAG", "16: models.llama3.sha256: `sha256:ABABAGA"),
        ("[models.llama3.load]", "[models.llama3]", "20: models.llama3: it is defined twice"),
        (
            "n_ctx = 8192",
            'model_path = "m.gguf"',
            "21: models.llama3.load.model_path: may name a path or code",
        ),
        ("n_ctx = 8192", "n_ctx = { a = 1 }", "21: models.llama3.load.n_ctx: a boolean, a number, a word"),
        ('"llama-3"', '"../../x"', "23: models.llama3.load.chat_format: `../../x` may be a path or code"),
        (
            "variants.server",
            "variants.auto",
            "24: models.llama3.variants.auto: a variant cannot be called `auto`",
        ),
        (
            "variants.server",
            "variants.Server",
            "24: models.llama3.variants.Server: `Server` cannot be a name",
        ),
        ("= true", "= tru", "14: this value is not in quotes"),
        ('"main"', '"main', "13: the text that begins here is not closed"),
        ("draft = true", "draft = [", "30: the list that begins here is not closed"),
        ("embed", "<<<<<<< ours\nembed", "9: a merge conflict is not resolved here"),
    ],
)
def test_an_error_names_file_line_key_and_what_would_be_right(old: str, new: str, message: str) -> None:
    """Each way to be wrong is said at its place."""
    assert old in FULL
    with pytest.raises(ManifestError) as caught:
        parse(FULL.replace(old, new, 1), where="some/models.toml")
    assert caught.value.message.startswith(f"some/models.toml:{message}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models.m]\nmmproj = true", "1: models.m: it has no `uri`"),
        (
            '[models.m]\nuri = "./m.gguf"\nrevision = "main"',
            "3: models.m.revision: `file:m.gguf` has no revisions",
        ),
        (
            '[models.m]\nuri = "./m.gguf"\nmmproj = true',
            "3: models.m.mmproj: nothing stands beside `file:m.gguf`",
        ),
        (
            '[models.m]\nuri = "hf:u/m"\nmmproj = true\n[models.m.variants.x]\nuri = "https://e.com/m.gguf"',
            "4: models.m.variants.x.mmproj: nothing stands beside `https://e.com/m.gguf`",
        ),
        ('[models.m]\nuri = "hf:u/m"\nsha256 = {}', "3: models.m.sha256: a SHA-256, or a table"),
        (
            '[models.m]\nuri = "hf:u/m"\nsha256 = {"../x" = "0"}',
            '3: models.m.sha256."../x": the file name `../x`',
        ),
        ("[models]\nm = 2026-01-01", "2: models.m: a model URI or a table"),
        ("models = 1", "1: models: a table is expected, not a number"),
        ('modelsync = "x"', "1: modelsync: a table is expected, not text in quotes"),
        ("[models]\nm = { uri = true }", "2: models.m.uri: text in quotes is expected, not true"),
        ("[[models]]", "1: models: a table is expected, not a list"),
        (
            '[models]\nm = "https://u:hunter2@e.com/m.gguf"',
            "2: models.m: `https://…@e.com/m.gguf` holds a user",
        ),
    ],
)
def test_an_impossible_entry_is_explained(text: str, words: str) -> None:
    """What is valid TOML but means nothing is said where it stands."""
    with pytest.raises(ManifestError) as caught:
        parse(text)
    assert caught.value.message.startswith(f"models.toml:{words}")


@pytest.mark.parametrize(
    "key",
    [
        *(
            "model_path",
            "lora_path",
            "lora_base",
            "chat_handler",
            "draft_model",
            "tokenizer",
            "rpc_servers",
            "grammar",
        ),
        *(
            "logits_processor",
            "kv_overrides",
            "stopping_criteria",
            "progress_callback",
            "x_file",
        ),
        *("__class__", "N_CTX", "n-ctx", ""),
    ],
)
def test_load_names_no_path_and_no_code(key: str) -> None:
    """A manifest comes from anyone: what would make llama.cpp open a file or run code is refused by its key."""
    with pytest.raises(ManifestError, match=r"models\.m\.load"):
        parse(f'[models.m]\nuri = "hf:u/m"\n[models.m.load]\n{toml_key(key)} = 1')


@pytest.mark.parametrize(
    "value", ["inf", "nan", "9223372036854775808", "[true]", '["a"]', "[[1]]", "1979-05-27", '"a\\u0007"']
)
def test_load_holds_only_what_c_can_hold(value: str) -> None:
    """Numbers are finite and of 64 bits, lists hold numbers, words are printable."""
    with pytest.raises(ManifestError, match="n_ctx"):
        parse(f'[models.m]\nuri = "hf:u/m"\nload = {{ n_ctx = {value} }}')


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "{a=" * 3000 + "1" + "}" * 3000,
        "a" + ".a" * 5000 + " = 1",
        "a = " + "9" * 10_000,
        "[models]\n" + "".join(f'm{number} = "hf:u/m"\n' for number in range(10_001)),
        '[models.m]\nuri = "hf:u/m"\nloras = [' + '"hf:u/m",' * 65 + "]",
        "[modelsync]\ndefault-groups = [" + '"g",' * 1025 + "]",
        "#" * (1 << 24) + "##",
        '[models]\nm = "hf:u/' + "m" * 10_000 + '"',
        "[models]\n" + "x" * 100_000 + ' = "hf:u/m"',
        'a = """' + "x\n" * 20_000,
    ],
    ids=["lists", "tables", "keys", "digits", "entries", "loras", "groups", "text", "uri", "name", "open"],
)
def test_too_much_of_anything_is_an_error(text: str) -> None:
    """Depths, counts and lengths are bounded."""
    with pytest.raises(ManifestError) as caught:
        parse(text)
    assert len(caught.value.message) < 1_000


def _document(value: object) -> str:
    """A value as TOML, whatever can be written of it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key)} = {_document(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_document, value)) + "]"
    if isinstance(value, str):
        return toml_string(value)
    return "1979-05-27" if value is None else str(value).lower()


@given(st.dictionaries(st.one_of(_KEYS, HOSTILE_TEXTS), hostile_values(_KEYS), max_size=4))
def test_any_tables_are_a_manifest_or_an_error_with_words(document: dict[str, object]) -> None:
    """Wrong types everywhere, at any depth, under any key: there is no third outcome."""
    text = "".join(f"{toml_key(key)} = {_document(value)}\n" for key, value in document.items())
    tried(lambda: parse(text), ManifestError)


@given(
    st.dictionaries(_KEYS, hostile_values(_KEYS), max_size=4),
    st.sampled_from(["models.m", "modelsync", "models"]),
)
def test_any_table_of_an_entry_is_read_or_an_error_with_words(table: dict[str, object], header: str) -> None:
    """The same inside of the tables that mean something."""
    lines = "".join(f"{toml_key(key)} = {_document(value)}\n" for key, value in table.items())
    tried(lambda: parse(f"[{header}]\n{lines}"), ManifestError)
    tried(lambda: parse(f'[models.m]\nuri = "hf:u/m"\n[{header}.variants.v]\n{lines}'), ManifestError)


@given(st.data())
def test_any_damage_to_a_manifest_is_read_or_an_error_with_words(data: st.DataObject) -> None:
    """Cutting text out of a good manifest, or putting some in, never ends in another exception."""
    start = data.draw(st.integers(0, len(FULL)))
    end = data.draw(st.integers(start, min(len(FULL), start + 40)))
    text = (
        FULL[:start]
        + data.draw(st.one_of(HOSTILE_TEXTS, st.text("[]{}\"'=.#\n \r\\", max_size=4)))
        + FULL[end:]
    )
    tried(lambda: parse(text), ManifestError)
