"""`required-version`: a modelsync that is too old says so, and not what it does not know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from modelsync import version
from modelsync.errors import ManifestError, UsageError
from modelsync.spec.manifest.read import parse
from modelsync.spec.manifest.required_version import allows

_NUMBERS = st.integers(0, 3)
_RELEASES = st.lists(_NUMBERS, min_size=1, max_size=3).map(lambda numbers: ".".join(map(str, numbers)))
_SUFFIXES = st.sampled_from(
    ["", "", "", "a1", "b2", "rc1", ".post1", ".dev0", "rc1.dev2", "a1.post2", ".post1.dev1"]
)
_VERSIONS = st.builds(lambda release, suffix: release + suffix, _RELEASES, _SUFFIXES)
_CLAUSES = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["==", "!=", "<=", ">=", "<", ">", ">= "]), _VERSIONS),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), _RELEASES),
    st.builds("~={}.{}".format, _RELEASES, _NUMBERS),
)


@given(st.lists(_CLAUSES, min_size=1, max_size=3).map(", ".join), _VERSIONS)
def test_specifiers_mean_what_packaging_reads_in_them(text: str, running: str) -> None:
    """Every clause of the subset allows the very versions that the library allows, pre-releases included."""
    assert allows(text, running) == SpecifierSet(text).contains(running, prereleases=True)


@pytest.mark.parametrize(
    "text",
    ["", "0.3", ">=0.3,", "=>0.3", ">=", "~=1", ">=0.3.*", "===0.3", ">=1!0", ">=a", "==0.3rc1.*", ">=0.3+x"],
)
def test_what_is_no_specifier_is_an_error(text: str) -> None:
    """A text that names no version is refused with an example, and not taken for `any`."""
    with pytest.raises(UsageError, match="is no version specifier") as caught:
        allows(text, "0.3")
    assert ">=0.3" in str(caught.value.hint)


@pytest.mark.parametrize(
    "rest",
    [
        'new-key = 1\n[models.a]\nuri = "hf:u/m"\nnew = true\n',
        '[later]\nx = 1\n[models]\na = "later:u/m"\n',
        "dir = 3\n",
    ],
)
def test_it_is_looked_at_before_anything_else(rest: str) -> None:
    """Keys, tables, URIs and types that only a later version knows are not complained of: upgrading is what mends."""
    with pytest.raises(ManifestError) as caught:
        parse(f'[modelsync]\nrequired-version = ">=99.1"\n{rest}')
    needs = f"this project needs modelsync >=99.1, and this is {version.__version__}"
    assert caught.value.message == f"models.toml:2: modelsync.required-version: {needs}"
    assert "upgrade modelsync" in str(caught.value.hint)


def test_a_version_that_will_do_changes_nothing() -> None:
    """With the version that runs, or an older one, the manifest is read as ever; a wrong type is an error."""
    assert parse(f'[modelsync]\nrequired-version = "<={version.__version__},>=0.0.1"\n') == parse("")
    with pytest.raises(ManifestError, match="required-version: text in quotes is expected"):
        parse("[modelsync]\nrequired-version = 0.3\n")
