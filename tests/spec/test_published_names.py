"""The names that published repos give their files: which one is meant."""

import pytest

from modelsync.errors import NotFoundError
from modelsync.spec.beside import choose_companion
from modelsync.spec.choose import choose_model, models, quants
from modelsync.spec.file_kinds import by_kind

REPO = "user/model"
WHOLE_WITH_HEAD = ("Qwen3.6-27B-MTP-Q4_K_M.gguf", "Qwen3.6-27B-MTP-Q8_0.gguf", "mmproj-F16.gguf")
PROJECTORS = ("X-Q8_0.gguf", "X.mmproj-f16.gguf", "X-mmproj-F16.gguf")
HEADS = ("g.Q4_K_M.gguf", "g-assistant.Q4_K_M.gguf", "g-eagle3-Q4_K_M.gguf")
GEMMA = (
    "gemma-4-E2B-it-qat-UD-Q4_K_XL.gguf",
    "mtp-gemma-4-E2B-it.gguf",
    "MTP/gemma-4-E2B-it-Q8_0-MTP.gguf",
)
TWO_SIZES = (
    "Qwen2.5-VL-3B-Q8_0.gguf",
    "Qwen2.5-VL-7B-Q8_0.gguf",
    "mmproj-Qwen2.5-VL-3B-Q8_0.gguf",
    "mmproj-Qwen2.5-VL-7B-Q8_0.gguf",
)
NO_QUANTS = ("Qwen-APEX-I-Balanced.gguf", "Qwen-APEX-I-Compact.gguf")
WIDTHS = ("X-IQ4_XS-3.48bpw.gguf", "X-IQ4_XS-3.87bpw.gguf", "X-IQ4_XS-4.20bpw.gguf")
LEVELS = ("X-Q6_K.gguf", "X-Q6_K_P.gguf")


def taken(paths: tuple[str, ...], quant: str | None = None, **sizes: int) -> str:
    """The one file that is chosen."""
    choice = choose_model(paths, quant=quant, path=None, repo=REPO, sizes=sizes or None)
    assert len(choice.files) == 1
    return choice.files[0]


@pytest.mark.parametrize(
    ("paths", "quant", "right"),
    [
        (WHOLE_WITH_HEAD, None, WHOLE_WITH_HEAD[0]),
        (WHOLE_WITH_HEAD, "Q4_K_M", WHOLE_WITH_HEAD[0]),
        (WHOLE_WITH_HEAD, "q8_0", WHOLE_WITH_HEAD[1]),
        (PROJECTORS, None, PROJECTORS[0]),
        (HEADS, None, HEADS[0]),
        (HEADS, "Q4_K_M", HEADS[0]),
        (HEADS[1:2], "Q4_K_M", HEADS[1]),
        (HEADS[2:], None, HEADS[2]),
        (("mtp-x-Q8_0.gguf", "mmproj-F16.gguf"), "Q8_0", "mtp-x-Q8_0.gguf"),
        (GEMMA, None, GEMMA[0]),
        (NO_QUANTS, "Balanced", NO_QUANTS[0]),
        (NO_QUANTS, "Qwen-APEX-I-Compact", NO_QUANTS[1]),
        (WIDTHS, "IQ4_XS-3.87bpw", WIDTHS[1]),
        (LEVELS, "Q6_K", LEVELS[0]),
        (LEVELS, "Q6_K_P", LEVELS[1]),
        (LEVELS, "q6_k_p", LEVELS[1]),
    ],
)
def test_the_file_that_is_meant(paths: tuple[str, ...], quant: str | None, right: str) -> None:
    """A word in a name tells by where it stands and by what lies beside the file."""
    assert taken(paths, quant) == right
    assert taken(paths[::-1], quant) == right


@pytest.mark.parametrize(
    ("paths", "quant"),
    [(PROJECTORS, "F16"), (GEMMA, "Q8_0"), (LEVELS[1:], "Q6_K"), (LEVELS[:1], "Q6_K_P"), (WIDTHS, "IQ4")],
)
def test_what_is_no_model_has_no_quant(paths: tuple[str, ...], quant: str) -> None:
    """The quant of a projector or a draft head is not one of the repo; a longer word is not a shorter one."""
    with pytest.raises(NotFoundError, match=f"no quant {quant}"):
        taken(paths, quant)


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (WHOLE_WITH_HEAD, ("Q4_K_M", "Q8_0")),
        (GEMMA, ("UD-Q4_K_XL",)),
        (NO_QUANTS, ("Balanced", "Compact")),
        (WIDTHS, ("IQ4_XS-3.48bpw", "IQ4_XS-3.87bpw", "IQ4_XS-4.20bpw")),
        (LEVELS, ("Q6_K", "Q6_K_P")),
        (TWO_SIZES, ("3B-Q8_0", "7B-Q8_0")),
        (("model.gguf",), ("model",)),
        (("b/x-Q4_K_M.gguf", "x-Q4_K_M.gguf"), ("b/x-Q4_K_M", "x-Q4_K_M")),
    ],
)
def test_each_file_has_a_label(paths: tuple[str, ...], labels: tuple[str, ...]) -> None:
    """It is what its maker wrote, and no two have the same."""
    assert quants(paths) == labels


def test_the_label_in_a_uri_means_that_file() -> None:
    """A file whose label is not the maker's word for its quant, or is another's too, is named by its path."""
    assert [model.by_quant for model in models(WIDTHS)] == [True, True, True]
    assert [model.by_quant for model in models(NO_QUANTS)] == [False, False]
    assert [model.by_quant for model in models(TWO_SIZES)] == [False, False]
    for model in models((*WIDTHS, *LEVELS)):
        assert taken((*WIDTHS, *LEVELS), model.label) == model.path


@pytest.mark.parametrize("model", TWO_SIZES[:2])
def test_a_projector_belongs_to_the_model_whose_name_it_shares(model: str) -> None:
    """The quant and the mark left out; and nothing need be said where only one would do."""
    assert choose_companion("mmproj", TWO_SIZES, model, REPO) == (f"mmproj-{model}", None)


@pytest.mark.parametrize(
    ("paths", "model", "right"),
    [
        (("a/mmproj-F16.gguf", "b/mmproj-F16.gguf"), "b/x-Q8_0.gguf", "b/mmproj-F16.gguf"),
        (("mmproj-x-F16.gguf", "mmproj-x-Q8_0.gguf"), "x-Q8_0.gguf", "mmproj-x-Q8_0.gguf"),
        (("mmproj-x-3B-F16.gguf", "mmproj-F16.gguf"), "x-7B-Q8_0.gguf", "mmproj-F16.gguf"),
        (("mmproj-x-v2-F16.gguf", "mmproj-x-F16.gguf"), "x-Q8_0.gguf", "mmproj-x-F16.gguf"),
        (("3B/mmproj-F16.gguf", "7B/mmproj-F16.gguf"), "x-7B-Q8_0.gguf", "7B/mmproj-F16.gguf"),
        (("x.mmproj-f16.gguf", "y.mmproj-f16.gguf"), "y.Q4_K_M.gguf", "y.mmproj-f16.gguf"),
    ],
)
def test_name_then_folder_then_width(paths: tuple[str, ...], model: str, right: str) -> None:
    """Of several projectors the nearest; one for another size of the model is the last."""
    assert choose_companion("mmproj", (*paths, model), model, REPO).path == right


def test_projectors_that_are_alike_are_told() -> None:
    """The note says which was taken, and how to name the other."""
    paths = ("m-Q4_K_M.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf")
    pick = choose_companion("mmproj", paths, paths[0], REPO)
    assert pick.path == "mmproj-BF16.gguf"
    assert "2 projectors" in str(pick.note)
    assert f'mmproj = "hf:{REPO}/mmproj-F16.gguf"' in str(pick.note)


def test_a_projector_for_another_size_is_told() -> None:
    """It is taken where there is no other, and never in silence."""
    pick = choose_companion("mmproj", ("mmproj-Q-3B.gguf", "Q-7B-Q8_0.gguf"), "Q-7B-Q8_0.gguf", REPO)
    assert "another size" in str(pick.note)


@pytest.mark.parametrize(
    ("paths", "model", "right"),
    [
        (GEMMA, GEMMA[0], "mtp-gemma-4-E2B-it.gguf"),
        (HEADS[:2], HEADS[0], HEADS[1]),
        (("a-4B.gguf", "mtp-a-4B.gguf", "a-9B.gguf", "mtp-a-9B.gguf"), "a-9B.gguf", "mtp-a-9B.gguf"),
        (
            ("x-Q4_K_M.gguf", "mtp-x-Q8_0.gguf", "mtp-x-Q4_K_M.gguf"),
            "x-Q4_K_M.gguf",
            "mtp-x-Q4_K_M.gguf",
        ),
    ],
)
def test_a_draft_head_is_chosen_as_a_projector_is(paths: tuple[str, ...], model: str, right: str) -> None:
    """By name, folder and width."""
    assert choose_companion("draft", paths, model, REPO).path == right


def test_a_whole_model_with_its_head_is_no_draft_head() -> None:
    """`-MTP-` within a name tells nothing: such a repo has no head by itself."""
    assert by_kind(WHOLE_WITH_HEAD).heads == ()
    with pytest.raises(NotFoundError, match=r"no draft head .*MTP"):
        choose_companion("draft", WHOLE_WITH_HEAD, WHOLE_WITH_HEAD[0], REPO)


def test_a_plain_model_comes_before_its_twin_with_a_head() -> None:
    """Both are models of that quant; the note says how to name the other."""
    paths = ("A-MTP-Q4_K_M.gguf", "A-Q4_K_M.gguf")
    choice = choose_model(paths, quant="Q4_K_M", path=None, repo=REPO)
    assert choice.files == ("A-Q4_K_M.gguf",)
    assert f"hf:{REPO}/A-MTP-Q4_K_M.gguf" in str(choice.note)


def test_calibration_data_is_small_beside_a_model() -> None:
    """The same word in the name of a model that was made with such data leaves it a model."""
    paths = ("big-v2-imatrix.gguf", "big-v2.gguf")
    assert by_kind(paths, {"big-v2-imatrix.gguf": 86, "big-v2.gguf": 160}).models == paths
    assert by_kind(paths, {"big-v2-imatrix.gguf": 1, "big-v2.gguf": 160}).models == ("big-v2.gguf",)
    assert by_kind(("big-v2-imatrix.gguf",)).models == ("big-v2-imatrix.gguf",)


@pytest.mark.parametrize(
    ("paths", "other"),
    [
        (("x-Q4_K_M.gguf", "x-Q8_0.gguf"), f"hf:{REPO}:Q8_0"),
        (NO_QUANTS, f"hf:{REPO}/Qwen-APEX-I-Compact.gguf"),
        (TWO_SIZES, f"hf:{REPO}/Qwen2.5-VL-7B-Q8_0.gguf"),
    ],
)
def test_what_was_taken_of_several_is_told(paths: tuple[str, ...], other: str) -> None:
    """With a URI of another."""
    note = choose_model(paths, quant=None, path=None, repo=REPO).note
    assert f"took {paths[0]}; another: {other}" in str(note)
