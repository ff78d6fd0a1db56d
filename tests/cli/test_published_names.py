"""Repos as they are published, at the command line: which file `add`, `estimate` and `inspect` mean."""

from typing import Any

import pytest

from tests.support.command_line import Cli
from tests.support.project import REPO
from tests.support.quant_files import parts, quant

DESCRIBED = ("--ram", "64GiB")


@pytest.fixture
def place(empty: Cli) -> Cli:
    """A project without models, and a repo without files."""
    empty.write("[modelsync]\n")
    empty.repo.commit(dict.fromkeys(empty.repo.commits[empty.repo.branches["main"]].files))
    return empty


def commit(place: Cli, *names: str) -> None:
    """Puts models of those names into the repo; those behind the first are larger."""
    kinds = ("Q4_K_M", "Q8_0", "F16")
    place.repo.commit({name: quant(kinds[min(at, 2)], note=name) for at, name in enumerate(names)})


def locked(place: Cli) -> list[str]:
    """The paths in the lock."""
    lines = (place.folder / "models.lock").read_text().splitlines()
    return [line.partition('path = "')[2].partition('"')[0] for line in lines if "role" in line]


def test_a_whole_model_with_its_head(place: Cli) -> None:
    """`-MTP-` in a name: every command takes it for the model it is."""
    names = ("Qwen3.6-27B-MTP-Q4_K_M.gguf", "Qwen3.6-27B-MTP-Q8_0.gguf", "mmproj-F16.gguf")
    commit(place, *names)
    rows = place("estimate", f"hf:{REPO}", *DESCRIBED, "--format", "json").json["rows"]
    assert [row["quant"] for row in rows] == ["Q4_K_M", "Q8_0"]
    assert place("inspect", f"hf:{REPO}:Q8_0", "--format", "json").json["files"] == [names[1]]
    place("add", "bare", f"hf:{REPO}", "--no-sync")
    place("add", "fit", f"hf:{REPO}", "--fit", *DESCRIBED, "--no-sync")
    assert locked(place) == list(names[:2])


def test_names_without_a_quant_have_a_row_each(place: Cli) -> None:
    """`add --fit` writes the path of the file: no label of a maker's own is a quant for good."""
    names = ("Qwen-APEX-I-Compact.gguf", "Qwen-APEX-I-Balanced.gguf")
    commit(place, *names)
    rows = place("estimate", f"hf:{REPO}", *DESCRIBED, "--format", "json").json["rows"]
    assert [row["quant"] for row in rows] == ["Compact", "Balanced"]
    value = place("add", "apex", f"hf:{REPO}", "--fit", *DESCRIBED, "--no-sync", "--format", "json").json
    assert value["fit"]["uri"] == f"hf:{REPO}/{names[1]}"
    assert f'uri = "hf:{REPO}/{names[1]}"' in (place.folder / "models.toml").read_text()
    assert locked(place) == [names[1]]
    place("add", "other", f"hf:{REPO}:Compact", "--no-sync")
    assert locked(place) == [names[1], names[0]]


def test_files_of_one_quant_have_a_row_each(place: Cli) -> None:
    """The width is a part of the label, and the label names the file in a URI."""
    names = ("X-IQ4_XS-3.48bpw.gguf", "X-IQ4_XS-3.87bpw.gguf", "X-IQ4_XS-4.20bpw.gguf")
    commit(place, *names)
    rows = place("estimate", f"hf:{REPO}", *DESCRIBED, "--format", "json").json["rows"]
    assert [row["quant"] for row in rows] == [name[2:-5] for name in names]
    value = place("add", "x", f"hf:{REPO}", "--fit", *DESCRIBED, "--no-sync", "--format", "json").json
    assert value["fit"]["uri"] == f"hf:{REPO}:IQ4_XS-4.20bpw"
    assert locked(place) == [names[2]]


def test_a_longer_quant_is_another(place: Cli) -> None:
    """`Q6_K_P` is itself, and is not taken for `Q6_K`."""
    commit(place, "X-Q6_K_P.gguf")
    done = place("add", "x", f"hf:{REPO}:Q6_K", "--no-sync", status=1)
    assert "has no quant Q6_K; did you mean `Q6_K_P`?" in done.err
    place("add", "x", f"hf:{REPO}:Q6_K_P", "--no-sync")
    assert locked(place) == ["X-Q6_K_P.gguf"]


def test_the_projector_of_the_model(place: Cli) -> None:
    """With `mmproj = true` the one that has the model's name, not the first."""
    commit(
        place, *(f"{kind}Qwen2.5-VL-{size}-Q8_0.gguf" for kind in ("mmproj-", "") for size in ("3B", "7B"))
    )
    place("add", "vl", f"hf:{REPO}/Qwen2.5-VL-7B-Q8_0.gguf", "--mmproj", "--no-sync")
    assert locked(place) == ["Qwen2.5-VL-7B-Q8_0.gguf", "mmproj-Qwen2.5-VL-7B-Q8_0.gguf"]


def test_projectors_that_are_alike_are_told(place: Cli) -> None:
    """The note names the one that was taken, and the words for the other."""
    commit(place, "m-Q4_K_M.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf")
    done = place("add", "vl", f"hf:{REPO}", "--mmproj", "--no-sync")
    assert "took mmproj-BF16.gguf" in " ".join(done.err.split())
    assert f'mmproj = "hf:{REPO}/mmproj-F16.gguf"' in " ".join(done.err.split())


def test_the_page_of_a_folder_is_its_quant(place: Cli) -> None:
    """The address in a browser, while one looks at a folder of parts, is a URI of the model in it."""
    files = parts("Q8_0", 2)
    place.repo.commit({**files, "tiny-Q4_K_M.gguf": quant("Q4_K_M")})
    place("add", "big", f"https://huggingface.co/{REPO}/tree/main/Q8_0", "--no-sync")
    assert f'uri = "hf:{REPO}:Q8_0"' in (place.folder / "models.toml").read_text()
    assert locked(place) == sorted(files)


def test_the_label_of_a_name_and_the_type_of_its_header(place: Cli) -> None:
    """Where they disagree `inspect` has both: `quant` is what the file is called."""
    keys: dict[str, Any] = {"general.file_type": 14}
    place.repo.commit({"X-UD-IQ2_M.gguf": quant("Q4_K_M", **keys)})
    value = place("inspect", f"hf:{REPO}", "--format", "json").json
    assert (value["quant"], value["file_type"]) == ("UD-IQ2_M", "Q4_K_S")
    assert "Q4_K_S (UD-IQ2_M by its name)" in place("inspect", f"hf:{REPO}").out


def test_a_draft_head_is_not_locked_as_the_model(place: Cli) -> None:
    """It is beside the model in its repo, and its quant is not one of the repo's."""
    commit(
        place,
        "gemma-4-E2B-it-qat-UD-Q4_K_XL.gguf",
        "mtp-gemma-4-E2B-it.gguf",
        "MTP/gemma-4-E2B-it-Q8_0-MTP.gguf",
    )
    place("add", "gemma", f"hf:{REPO}", "--no-sync")
    assert locked(place) == ["gemma-4-E2B-it-qat-UD-Q4_K_XL.gguf"]
    assert "no quant Q8_0" in place("add", "head", f"hf:{REPO}:Q8_0", "--no-sync", status=1).err


def test_a_quant_that_is_still_uploaded_is_left_out(place: Cli) -> None:
    """A part is missing: the others have their rows, and a note says what is missing."""
    files = parts("Q8_0", 3)
    last = sorted(files)[-1]
    place.repo.commit({**files, "tiny-Q4_K_M.gguf": quant("Q4_K_M")})
    place.repo.commit({last: None})
    done = place("estimate", f"hf:{REPO}", *DESCRIBED, "--format", "json")
    assert [row["quant"] for row in done.json["rows"]] == ["Q4_K_M"]
    (note,) = done.json["notes"]
    assert "lacks 1 of the 3 parts" in note
    assert last in note
    place("add", "fit", f"hf:{REPO}", "--fit", *DESCRIBED, "--no-sync")
    assert locked(place) == ["tiny-Q4_K_M.gguf"]
    place.repo.commit({"tiny-Q4_K_M.gguf": None})
    assert "lacks 1 of the 3 parts" in place("estimate", f"hf:{REPO}", *DESCRIBED, status=1).err
