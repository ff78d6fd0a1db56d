"""Names of models, of files from elsewhere, and as they are shown."""

import ntpath
import posixpath
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelsync.errors import RefusedError, UsageError
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.names import check_name, did_you_mean, file_name, printable, safe_path
from modelsync.spec.parts import siblings
from modelsync.spec.roles import Role
from modelsync.spec.view_names import shown_names
from tests.support.strategies import HOSTILE_TEXTS, PATHS


def _file(path: str, role: Role = "model") -> LockedFile:
    return LockedFile(role, path, 1, "0" * 64)


@pytest.mark.parametrize(
    "name", ["llama3", "a", "0", "qwen2.5-7b_instruct", "x" * 64, "console", "com", "nul1"]
)
def test_a_plain_name_is_taken(name: str) -> None:
    """Lower-case letters, digits, dots, dashes and underscores make a name."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Llama",
        "-a",
        ".a",
        "a b",
        "a/b",
        "..",
        "x" * 65,
        "a.",
        "con",
        "nul.txt",
        "com1",
        "lpt9.x",
        "ä",
        "a\n",
    ],
)
def test_what_could_not_be_a_folder_everywhere_is_no_name(name: str) -> None:
    """A name becomes a folder's and a variable's name, so it must be one on every system."""
    with pytest.raises(UsageError):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "near"), [("Llama3", "llama3"), ("my model", "my-model"), ("a/b", "a-b"), ("_x", "x")]
)
def test_a_bad_name_is_answered_with_a_good_one(name: str, near: str) -> None:
    """The error says which name is near and right."""
    with pytest.raises(UsageError, match=f"did you mean `{near}`"):
        check_name(name)


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    """No control, bidirectional or invisible character of another's reaches a terminal, and a good text stays."""
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable() or len(text) > 200


def test_printable_escapes_and_cuts() -> None:
    """Escapes are readable and the cut is marked."""
    assert printable("a\x1b[31mb\u202ec\ud800") == "a\\x1b[31mb\\u202ec\\ud800"
    assert printable("abcdef", 3) == "abc…"


@pytest.mark.parametrize(
    "path", ["x.gguf", "a/b/c.gguf", "Model (v2), final+x.gguf", "模型/重み.gguf", "-x.gguf", "console.gguf"]
)
def test_an_ordinary_path_of_a_hub_is_safe(path: str) -> None:
    """Folders, spaces and letters of all the world are names like others."""
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/x",
            "x/",
            "a//b",
            ".",
            "..",
            "../x",
            "a/../b",
            "a/./b",
            "a\\b",
            "..\\x",
            "C:x",
            "C:/x",
            "x:stream",
        ),
        *(
            "a\x00b",
            "a\nb",
            "a\x7fb",
            "a\u202eb",
            "a\u200bb",
            "con",
            "a/NUL.gguf",
            "Com1",
            "lpt¹.x",
            "aux .txt",
        ),
        *(
            "a.",
            "a ",
            "a./b",
            "a*b",
            "a?b",
            "a|b",
            'a"b',
            "a<b",
            "x" * 256,
            "ä" * 128,
            "a/" * 600 + "b",
            "\ud800",
        ),
    ],
)
def test_a_path_that_could_leave_its_folder_is_refused(path: str) -> None:
    """Absolute, climbing, of another system's syntax, of a device or unprintable: none becomes a file."""
    with pytest.raises(RefusedError) as caught:
        safe_path(path)
    assert caught.value.message.isprintable()


@given(st.one_of(st.text(), HOSTILE_TEXTS, PATHS, st.from_regex(r"\A[./\\:a ]{0,8}\Z")))
def test_a_safe_path_never_escapes(path: str) -> None:
    """Whatever passes stays inside its folder, by the rules of posix and of Windows."""
    try:
        safe_path(path)
    except RefusedError:
        return
    assert posixpath.normpath(posixpath.join("/store/view", path)) == "/store/view/" + path
    assert not PurePosixPath(path).is_absolute()
    on_windows = PureWindowsPath(path)
    assert not on_windows.drive
    assert not on_windows.root
    reserved = getattr(ntpath, "isreserved", None)  # since Python 3.13
    assert not (reserved(path) if reserved else on_windows.is_reserved())
    assert on_windows.parts == PurePosixPath(path).parts


def test_the_last_part_is_the_file_name() -> None:
    """A base name is what stands behind the last slash."""
    assert file_name("a/b/c.gguf") == "c.gguf"
    assert file_name("c.gguf") == "c.gguf"


def test_the_nearest_word_is_proposed() -> None:
    """Only a word that is near is proposed."""
    assert did_you_mean("grups", ["groups", "load"]) == "; did you mean `groups`?"
    assert did_you_mean("zzz", ["groups", "load"]) == ""


def test_files_are_shown_by_their_base_names() -> None:
    """Folders of a hub are not repeated: llama.cpp finds split parts by their names in one folder."""
    parts = siblings("Q8_0/m-00001-of-00002.gguf")
    files = [*map(_file, parts), _file("mmproj-F16.gguf", "mmproj")]
    assert shown_names(files) == ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "mmproj-F16.gguf")


def test_names_that_collide_get_a_folder_by_role() -> None:
    """Two adapters of the same name, whatever the case, are both there."""
    files = [
        _file("m.gguf"),
        _file("a/adapter.gguf", "lora"),
        _file("b/Adapter.gguf", "lora"),
        _file("M.gguf", "mmproj"),
    ]
    assert shown_names(files) == ("m.gguf", "adapter.gguf", "lora-2/Adapter.gguf", "mmproj-1/M.gguf")


def test_the_parts_of_a_split_model_move_together() -> None:
    """Where one part's name is taken, all its siblings go to the folder, so that llama.cpp finds them."""
    files = [
        _file("m-00002-of-00002.gguf", "lora"),
        *map(_file, siblings("m-00001-of-00002.gguf")),
    ]
    assert shown_names(files)[1:] == ("model-1/m-00001-of-00002.gguf", "model-1/m-00002-of-00002.gguf")


def test_long_names_are_not_cut() -> None:
    """A peer cuts names at 100 characters, so that the parts of a split model collide; here they stay whole."""
    parts = siblings("x" * 200 + "-00001-of-00003.gguf")
    assert shown_names([_file(part) for part in parts]) == parts


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["x.gguf", "X.GGUF", "a/x.gguf", "lora-1", "lora-2", "é.gguf", "e\u0301.gguf", "ß.gguf"]
            ),
            st.sampled_from(["model", "mmproj", "lora"]),
        ),
        max_size=6,
        unique=True,
    )
)
def test_shown_names_never_collide(items: list[tuple[str, Role]]) -> None:
    """No two files, and no file and folder, share a name where neither case nor Unicode form is told apart."""
    files = [_file(path, role) for path, role in items]
    shown = shown_names(files)
    assert shown == shown_names(files)
    assert [file_name(name) for name in shown] == [file_name(path) for path, _ in items]
    import unicodedata

    folded = [unicodedata.normalize("NFD", name).casefold() for name in shown]
    assume(folded)
    assert len(set(folded)) == len(folded)
    assert {name.partition("/")[0] for name in folded if "/" in name}.isdisjoint(folded)
