"""Which files of a repo are meant by a quant, a file or nothing at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import NotFoundError
from modelsync.spec.beside import choose_companion
from modelsync.spec.choose import Choice, choose_model, quants
from modelsync.spec.labels import quant_of
from tests.support.refused import tried
from tests.support.strategies import HOSTILE_TEXTS, PATHS

REPO = "user/model"
FILES = [
    ".gitattributes",
    "README.md",
    "config.json",
    "imatrix.gguf",
    "mmproj-BF16.gguf",
    "mmproj-F16.gguf",
    "mtp-model-Q4_K_M.gguf",
    "model-BF16.gguf",
    "model-IQ3_M.gguf",
    "model-Q4_K_M.gguf",
    "model-Q4_K_S.gguf",
    "model-UD-Q4_K_XL.gguf",
    "model_q8_0.gguf",
    "Q5_K_M/model-Q5_K_M-00001-of-00002.gguf",
    "Q5_K_M/model-Q5_K_M-00002-of-00002.gguf",
    "model.Q6_K.gguf.part1of2",
    "model.Q6_K.gguf.part2of2",
]


def _model(paths: list[str], quant: str | None = None, path: str | None = None) -> Choice:
    return choose_model(paths, quant=quant, path=path, repo=REPO)


@pytest.mark.parametrize(
    ("quant", "files"),
    [
        ("Q4_K_M", ["model-Q4_K_M.gguf"]),
        ("q4_k_m", ["model-Q4_K_M.gguf"]),
        ("Q8_0", ["model_q8_0.gguf"]),
        ("UD-Q4_K_XL", ["model-UD-Q4_K_XL.gguf"]),
        ("Q4_K_XL", ["model-UD-Q4_K_XL.gguf"]),
        ("BF16", ["model-BF16.gguf"]),
        ("IQ3_M", ["model-IQ3_M.gguf"]),
        ("Q5_K_M", FILES[13:15]),
        ("Q6_K", FILES[15:17]),
    ],
)
def test_a_quant_names_its_files(quant: str, files: list[str]) -> None:
    """In any case, with all the parts of a split model, and all the pieces of a joined one."""
    choice = _model(FILES, quant)
    assert list(choice.files) == files
    assert choice.joined == (quant == "Q6_K")
    assert choice.note is None


@pytest.mark.parametrize(
    "quant", ["F16", "Q4_K", "Q3_M", "K_M", "4", "Q5", "Q2_K", "model", "gguf", "Q4.K.M", "("]
)
def test_another_quant_is_never_taken_in_silence(quant: str) -> None:
    """llama.cpp takes BF16 for F16; here a quant that is not there is an error that lists those that are."""
    with pytest.raises(NotFoundError) as caught:
        _model(FILES, quant)
    assert quant in caught.value.message
    assert "IQ3_M, Q4_K_M, Q4_K_S, UD-Q4_K_XL, Q5_K_M, Q6_K, q8_0, BF16" in str(caught.value.hint)


def test_the_exact_quant_comes_before_a_relative() -> None:
    """A name that says just the quant wins over one that says more."""
    paths = ["a-Q4_K_M-imat.gguf", "i1/x.i1-Q4_K_M.gguf", "z-Q4_K_M.gguf"]
    assert _model(paths, "Q4_K_M").files == ("z-Q4_K_M.gguf",)
    assert _model(paths, "q4_k_m-imat").files == ("a-Q4_K_M-imat.gguf",)
    assert _model(paths, "i1-Q4_K_M").files == ("i1/x.i1-Q4_K_M.gguf",)
    assert _model(paths[1:2], "Q4_K_M").files == ("i1/x.i1-Q4_K_M.gguf",)


def test_a_folder_named_after_the_quant_counts() -> None:
    """Where the file's own name says nothing, its folder's does."""
    paths = ["Q4_0/model.gguf", "Q8_0/model.gguf"]
    assert _model(paths, "Q8_0").files == ("Q8_0/model.gguf",)
    assert quants(paths) == ("Q4_0", "Q8_0")


def test_a_word_of_the_makers_own_is_a_quant_if_one_file_has_it() -> None:
    """What no table of quants knows is found as a whole word."""
    paths = ["model-small.gguf", "model-smaller.gguf", "model-large.gguf"]
    assert _model(paths, "small").files == ("model-small.gguf",)
    with pytest.raises(NotFoundError, match="no quant model"):
        _model(paths, "model")


def test_several_files_of_a_quant_are_told() -> None:
    """The choice among equals is the same each time, and is said."""
    choice = _model(["b/x-Q4_K_M.gguf", "x-Q4_K_M.gguf", "y-Q4_K_M.gguf"], "Q4_K_M")
    assert choice.files == ("x-Q4_K_M.gguf",)
    assert "3 files" in str(choice.note)


@pytest.mark.parametrize(
    ("paths", "taken"),
    [
        (["m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf"], "m-Q4_K_M.gguf"),
        (["m-Q2_K.gguf", "m-Q4_K_S.gguf", "m-Q8_0.gguf"], "m-Q8_0.gguf"),
        (["m-Q6_K.gguf", "m-Q2_K.gguf"], "m-Q2_K.gguf"),
    ],
)
def test_without_a_quant_there_is_an_order(paths: list[str], taken: str) -> None:
    """Q4_K_M, then Q8_0, then the first: and which was taken is said."""
    choice = _model(paths)
    assert choice.files == (taken,)
    assert taken in str(choice.note)


def test_the_only_model_needs_no_words() -> None:
    """Where there is no choice nothing is said about one."""
    assert _model(["README.md", "mmproj-x.gguf", "m.gguf"]) == Choice(("m.gguf",), False, None, None)


def test_a_file_is_taken_as_named() -> None:
    """A path means that file, or the model that it is a part of, whatever its name looks like."""
    assert _model(FILES, path="mmproj-F16.gguf").files == ("mmproj-F16.gguf",)
    assert _model(FILES, path=FILES[14]).files == tuple(FILES[13:15])
    assert _model(FILES, path=FILES[15]) == Choice(tuple(FILES[15:17]), True, None, "Q6_K")


def test_a_file_that_is_not_there_is_named_with_its_nearest() -> None:
    """A slip of the pen is answered with the file that was meant."""
    with pytest.raises(NotFoundError, match=r"no file model-Q4_K_m\.gguf; did you mean `model-Q4_K_M\.gguf`"):
        _model(FILES, path="model-Q4_K_m.gguf")


@pytest.mark.parametrize("gone", FILES[13:17])
def test_a_missing_part_is_never_success(gone: str) -> None:
    """By quant, by any part and by default: what is not whole is an error that names what is missing."""
    paths = [path for path in FILES if path != gone]
    kept = next(path for path in FILES[13:17] if path != gone and path[:8] == gone[:8])
    asks: list[tuple[str | None, str | None]] = [(quant_of(gone), None), (None, kept), (None, gone)]
    for quant, path in asks:
        with pytest.raises(NotFoundError, match="lacks 1 of the 2 parts") as caught:
            _model(paths, quant, path)
        assert gone in caught.value.message


def test_a_repo_without_models_says_so() -> None:
    """Projectors and calibration data alone are no model."""
    with pytest.raises(NotFoundError, match="no GGUF model"):
        _model(["model.safetensors", "imatrix.gguf", "mmproj-F16.gguf"])


@pytest.mark.parametrize(
    ("model", "projector"),
    [
        ("a/m-Q8_0.gguf", "a/mmproj-Q8_0.gguf"),
        ("a/b/m-BF16.gguf", "a/mmproj-F16.gguf"),
        ("m-Q4_0.gguf", "mmproj-Q8_0.gguf"),
    ],
)
def test_the_projector_is_the_nearest_one(model: str, projector: str) -> None:
    """The deepest common folder first, then the nearest bit width."""
    paths = ["mmproj-F16.gguf", "mmproj-Q8_0.gguf", "a/mmproj-F16.gguf", "a/mmproj-Q8_0.gguf", model]
    assert choose_companion("mmproj", paths, model, REPO).path == projector


def test_no_projector_is_an_error() -> None:
    """What was asked for and is not there is not left out."""
    with pytest.raises(NotFoundError, match="no projector"):
        choose_companion("mmproj", ["m.gguf", "mmproj.txt"], "m.gguf", REPO)


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Q4_K_M"),
        ("ggml-model-f16.gguf", "f16"),
        ("Phi-3-mini-4k-instruct-q4.gguf", "q4"),
        ("gpt-oss-20b-MXFP4.gguf", "MXFP4"),
        ("x.i1-IQ2_XXS.gguf", "i1-IQ2_XXS"),
        ("TQ1_0/x-00001-of-00002.gguf", "TQ1_0"),
        ("Q4_K_M/x-Q8_0.gguf", "Q8_0"),
        ("m-Q4_0_4_8.gguf", "Q4_0_4_8"),
        ("m.Q8_0.gguf.part1of2", "Q8_0"),
        ("Qwen2.5-7B.gguf", None),
        ("SomeQ4_K.gguf", None),
    ],
)
def test_the_quant_of_a_name(path: str, quant: str | None) -> None:
    """As its maker wrote it, in the file's name before its folder's."""
    assert quant_of(path) == quant


@given(
    st.lists(st.one_of(PATHS, HOSTILE_TEXTS, st.sampled_from(FILES)), max_size=8),
    st.one_of(st.none(), HOSTILE_TEXTS, st.sampled_from(["Q4_K_M", "Q8_0", "F16"])),
    st.one_of(st.none(), HOSTILE_TEXTS, st.sampled_from(FILES)),
)
def test_whatever_a_hub_lists_the_choice_is_of_it(
    paths: list[str], quant: str | None, path: str | None
) -> None:
    """A choice has files of the listing alone, or there is an error of ours."""
    choice = tried(lambda: _model(paths, quant, path))
    assert choice is None or set(choice.files) <= set(paths)
    projector = tried(lambda: choose_companion("mmproj", paths, path or "m.gguf", REPO))
    assert projector is None or projector.path in paths
    assert all(quant.isprintable() for quant in quants(paths))
