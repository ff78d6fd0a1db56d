"""Which files of a repo a folder model has, and what is said where that cannot be."""

import pytest

from modelsync.errors import NotFoundError, RefusedError
from modelsync.spec.folder import FolderChoice, choose_folder
from modelsync.spec.globs import Globs
from modelsync.spec.lock.model import MAX_FILES

_REPO = [
    "README.md",
    "config.json",
    "model.safetensors",
    "1_Pooling/config.json",
    "onnx/model.onnx",
    "onnx/model_O4.onnx",
    ".gitattributes",
]


def _choose(*include: str, exclude: tuple[str, ...] = (), paths: list[str] = _REPO) -> FolderChoice:
    return choose_folder(Globs(include, exclude), paths, "u/m")


def test_files_are_sorted_and_the_rest_is_told() -> None:
    """Whatever the order of the hub's list and of the globs."""
    choice = _choose("model.*", "*.json", "onnx/", exclude=("*_O4*",), paths=_REPO[::-1])
    assert choice.files == ("1_Pooling/config.json", "config.json", "model.safetensors", "onnx/model.onnx")
    assert choice.left_out == (".gitattributes", "README.md", "onnx/model_O4.onnx")
    assert choice.notes == ()


@pytest.mark.parametrize(
    ("glob", "words", "hint"),
    [
        ("Config.json", "; did you mean `config.json`?", "case counts"),
        (
            "CONFIG.*",
            "; did you mean `config.*`?",
            "it has .gitattributes, README.md, config.json, model.safetensors, 1_Pooling/, onnx/",
        ),
        ("*.JSON", "; did you mean `*.json`?", "case counts"),
        ("./config.json", "; did you mean `config.json`?", "a glob begins at the repo's root"),
        ("/onnx/*", "; did you mean `onnx/*`?", "a glob begins at the repo's root"),
        ("**/*.safetensors", "; did you mean `*.safetensors`?", "`**/` needs a folder"),
        ("onnx", "; did you mean `onnx/`?", "the files of a folder"),
        ("*.{json,onnx}", "", "braces have no meaning here"),
        ("!*.onnx", "", "what is to be left out goes into `exclude`"),
        ("modle.safetensors", "; did you mean `model.safetensors`?", "it has .gitattributes, README.md"),
        ("x\x1b[31m", "", "it has"),
    ],
)
def test_a_glob_without_a_match_is_answered_with_what_was_meant(glob: str, words: str, hint: str) -> None:
    """The rule that was missed, and what is there: files first, then folders."""
    with pytest.raises(NotFoundError) as caught:
        _choose("*.md", glob)
    assert caught.value.message.startswith("u/m has no file that the glob `")
    assert words in caught.value.message
    assert hint in str(caught.value.hint)
    assert "\x1b" not in caught.value.message


def test_exclude_may_not_take_all_and_an_idle_one_is_noted() -> None:
    """A glob of `exclude` may be there for files to come."""
    with pytest.raises(NotFoundError, match=r"`exclude` takes away all 2 files") as caught:
        _choose("*.json", exclude=("*.json",))
    assert "1_Pooling/config.json, config.json" in str(caught.value.hint)
    assert _choose("*.json", exclude=("*.msgpack",)).notes == (
        "`exclude` has `*.msgpack`, which takes no file of u/m",
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("Config.json", "Config.json and config.json of u/m cannot both be in one folder"),
        ("config.json/x", "config.json and config.json/x of u/m cannot both be in one folder"),
        ("onnx/../../x", "the file name `onnx/../../x` of u/m is refused: it has a part `..`"),
        ("/etc/passwd", "the file name `/etc/passwd` of u/m is refused: it is absolute"),
        ("C:/x", "the file name `C:/x` of u/m is refused: it has the character `:`"),
        ("aux.json", "Windows keeps the name"),
        ("a\x1b", "the file name `a\\x1b` of u/m is refused: it has a control"),
    ],
)
def test_names_that_cannot_be_on_every_system_are_refused(more: str, words: str) -> None:
    """Only if they are wanted; the hint leaves them out, and does."""
    with pytest.raises(RefusedError) as caught:
        _choose("*", paths=[*_REPO, more])
    assert words in caught.value.message
    hint = str(caught.value.hint)
    assert hint.startswith('leave it out: exclude = ["')
    left = hint.removeprefix('leave it out: exclude = ["').removesuffix('"]').replace("\\x1b", "\x1b")
    assert len(_choose("*", exclude=(left,), paths=[*_REPO, more]).files) == len(_REPO)


def test_ten_thousand_files_and_no_more() -> None:
    """The error names the folders that have most of them."""
    paths = [f"data/{number}.json" for number in range(MAX_FILES)]
    assert len(_choose("data/", paths=paths).files) == 10_000
    with pytest.raises(
        RefusedError, match=r"take 10001 files of u/m, and a model has at most 10000"
    ) as caught:
        _choose("*", paths=[*paths, "x"])
    assert "data/ (10000)" in str(caught.value.hint)
