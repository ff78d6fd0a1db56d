"""Folder models in a manifest: `include`, `exclude` and `allow-code`, in entries and variants."""

import pytest

from modelsync.errors import ManifestError
from modelsync.spec.manifest.edit import NewModel, add
from modelsync.spec.manifest.read import parse
from modelsync.spec.uri import parse as uri

_BASE = """\
[models.minilm]
uri = "hf:sentence-transformers/all-MiniLM-L6-v2"
include = ["*.json", "model.safetensors", "1_Pooling/*"]
exclude = ["onnx/*"]
allow-code = ["*.bin"]
sha256 = { "model.safetensors" = "HASH" }
""".replace("HASH", "a" * 64)


def test_globs_are_part_of_the_request_and_permission_for_code_is_not() -> None:
    """What decides the bytes is locked; what a person permits is not."""
    entry = parse(_BASE).entry("minilm")
    assert entry.request.to_dict() == {
        "uri": "hf:sentence-transformers/all-MiniLM-L6-v2",
        "include": ["*.json", "model.safetensors", "1_Pooling/*"],
        "exclude": ["onnx/*"],
        "sha256": {"model.safetensors": "a" * 64},
    }
    assert entry.allow_code == ("*.bin",)


def test_any_model_may_permit_code() -> None:
    """A single file too."""
    text = '[models.w]\nuri = "https://e.com/base.pt"\nallow-code = ["base.pt"]\n'
    assert parse(text).entry("w").allow_code == ("base.pt",)


@pytest.mark.parametrize(
    ("variant", "include", "exclude", "allow_code", "pinned"),
    [
        ('revision = "dev"', 3, 1, ("*.bin",), True),
        ('uri = "hf:u/large"', 3, 1, (), False),
        ('uri = "hf:u/large"\nallow-code = ["x.bin"]', 3, 1, ("x.bin",), False),
        ('uri = "hf:u/m-GGUF:Q8_0"', 0, 0, (), False),
        ('uri = "https://e.com/m.onnx"', 0, 0, (), False),
        ('uri = "hf:u/m-GGUF"\ninclude = []', 0, 0, (), False),
        ('include = ["*.onnx"]', 1, 1, ("*.bin",), True),
        ("exclude = []", 3, 0, ("*.bin",), True),
        ("allow-code = []", 3, 1, (), True),
    ],
)
def test_a_variant_takes_over_what_belongs_to_the_same_repo(
    variant: str, include: int, exclude: int, allow_code: tuple[str, ...], pinned: bool
) -> None:
    """With a URI of its own it has neither pins nor permission for code; and globs only if that is a whole repo."""
    entry = parse(f"{_BASE}[models.minilm.variants.v]\n{variant}\n").entry("minilm", "v")
    assert (len(entry.request.include), len(entry.request.exclude)) == (include, exclude)
    assert entry.allow_code == allow_code
    assert (entry.request.sha256 is not None) == pinned


def test_a_variant_that_is_a_folder_has_no_companions_of_its_base() -> None:
    """A projector, adapters and a draft head go with the GGUF model alone."""
    base = '[models.m]\nuri = "hf:u/m"\nmmproj = true\ndraft = true\nloras = ["hf:u/l"]\n'
    text = f'{base}[models.m.variants.v]\ninclude = ["*"]\n'
    assert parse(text).entry("m", "v").request.to_dict() == {"uri": "hf:u/m", "include": ["*"]}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("include = []", "3: models.m.include: it is empty"),
        ('include = "*"', "3: models.m.include: a list is expected, not text in quotes"),
        ("include = [1]", "3: models.m.include[0]: text in quotes is expected"),
        ('include = [""]', "3: models.m.include[0]: `` cannot be a glob: it is empty"),
        ('exclude = ["*"]', "3: models.m.exclude: it takes files away from `include`"),
        ('allow-code = ["\\u0007"]', "3: models.m.allow-code[0]: `\\x07` cannot be a glob"),
        ('inclde = ["*"]', "3: models.m.inclde: unknown key; did you mean `include`?"),
        ('allow_code = ["*"]', "3: models.m.allow_code: unknown key; did you mean `allow-code`?"),
        ('include = ["*"]\nmmproj = true', "4: models.m.mmproj: a projector goes with a GGUF model"),
        ('include = ["*"]\ndraft = "hf:u/d"', "4: models.m.draft: a draft head goes with a GGUF model"),
        ('include = ["*"]\nloras = ["hf:u/l"]', "4: models.m.loras: an adapter goes with a GGUF model"),
        (f"include = {['*'] * 1001}", "3: models.m.include: it has more than 1000 elements"),
    ],
)
def test_errors_name_the_line_and_the_key(keys: str, words: str) -> None:
    """Each way to be wrong is said at its place."""
    with pytest.raises(ManifestError) as caught:
        parse(f'[models.m]\nuri = "hf:u/m"\n{keys}\n', where="t")
    assert caught.value.message.startswith(f"t:{words}")


@pytest.mark.parametrize(
    "text", ["hf:u/m:Q8_0", "hf:u/m/m.gguf", "https://e.com/m.onnx", "./m.gguf", "oci://r.example/m"]
)
def test_globs_go_with_a_whole_repo(text: str) -> None:
    """Files, quants, URLs and registries have none."""
    with pytest.raises(ManifestError, match=r"no whole repo") as caught:
        parse(f'[models.m]\nuri = "{text}"\ninclude = ["*"]\n')
    assert "hf:u" in str(caught.value.hint)


def test_an_added_folder_model_reads_back() -> None:
    """The keys are written in the order that the documentation shows."""
    new = NewModel("m", uri("hf:u/m"), include=["*.json"], exclude=["x/*"], allow_code=["*.bin"])
    assert add("", new) == (
        '[models.m]\nuri = "hf:u/m"\ninclude = ["*.json"]\nexclude = ["x/*"]\nallow-code = ["*.bin"]\n'
    )
