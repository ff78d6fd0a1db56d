"""The globs of folder models: the dialect of `hf download`, held against huggingface_hub itself."""

import pytest
from huggingface_hub.utils._paths import filter_repo_objects
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import UsageError
from modelsync.spec.globs import Globs, check_glob, literal, takes
from modelsync.spec.names import path_fault

_NAMES = ["config.json", "sub/config.json", "model.safetensors", "1_Pooling/config.json", "onnx/model.onnx"]
_TELLING = st.text(st.sampled_from("abAB./\\*?[]!{}-,é \n"), max_size=12)
_PATHS = st.one_of(
    st.sampled_from([*_NAMES, ".gitattributes", "A/b", "a\\b"]), _TELLING.filter(bool), st.text(max_size=8)
)
_GLOBS = st.one_of(
    st.sampled_from(
        [
            "*",
            "*.json",
            "**/*.json",
            "sub/",
            "sub",
            "onnx/*",
            "[!a]*",
            "{a,b}",
            "!a",
            "./a",
            "[b-a]",
            "[]",
            "[[",
        ]
    ),
    st.sampled_from(_NAMES),
    _TELLING,
    st.text(max_size=8),
)


@given(st.lists(_PATHS, max_size=8), st.lists(_GLOBS, min_size=1, max_size=5), st.lists(_GLOBS, max_size=4))
def test_globs_take_what_huggingface_hub_takes(
    paths: list[str], include: list[str], exclude: list[str]
) -> None:
    """Whatever the paths and globs are: the same files, by the list and one by one."""
    theirs = list(filter_repo_objects(paths, allow_patterns=include, ignore_patterns=exclude))
    globs = Globs(tuple(include), tuple(exclude))
    assert [path for path in paths if globs.takes(path)] == theirs
    one_by_one = [
        path
        for path in paths
        if any(takes(glob, path) for glob in include) and not any(takes(glob, path) for glob in exclude)
    ]
    assert one_by_one == theirs


@pytest.mark.parametrize(
    ("glob", "taken", "left"),
    [
        ("*.json", ["config.json", "sub/config.json"], ["config.JSON", "config.json5"]),
        ("**/*.json", ["sub/config.json"], ["config.json"]),
        ("sub/", ["sub/a", "sub/b/c"], ["sub", "a/sub/b"]),
        ("sub", ["sub"], ["sub/a"]),
        ("?_Pooling/[ac]*", ["1_Pooling/config.json"], ["1_Pooling/b"]),
        ("{a,b}", ["{a,b}"], ["a"]),
        ("*", [".gitattributes", "a/b"], []),
        ("a\\b", ["a/b"], ["a\\\\b"]),
    ],
)
def test_the_traps_of_the_dialect(glob: str, taken: list[str], left: list[str]) -> None:
    """`*` takes slashes, `**` is no more, a folder needs its slash, braces are letters, case counts."""
    assert [path for path in taken + left if Globs((glob,)).takes(path)] == taken


@given(st.text(min_size=1).filter(lambda text: path_fault(text) is None), st.text(min_size=1))
def test_a_literal_takes_one_path(path: str, other: str) -> None:
    """Special characters of a path are letters in its literal glob."""
    assert takes(literal(path), path)
    assert other.replace("\\", "/") == path or not takes(literal(path), other)


@pytest.mark.parametrize(("text", "why"), [("", "empty"), ("a\x1b", "control"), ("x" * 1025, "too long")])
def test_what_cannot_be_a_glob(text: str, why: str) -> None:
    """The reason is said, and how one looks."""
    with pytest.raises(UsageError, match=why) as caught:
        check_glob(text)
    assert "1_Pooling/*" in str(caught.value.hint)


def test_many_stars_are_quick() -> None:
    """The longest glob of stars, on the longest path that it does not take, comes to an end."""
    assert not Globs(("*a" * 400 + "b",)).takes("a" * 1024)
