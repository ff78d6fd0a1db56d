"""Edits of a manifest that leave every other byte as it is."""

from itertools import groupby

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelsync.errors import ManifestError, NotFoundError, UsageError
from modelsync.spec.locate import statements
from modelsync.spec.manifest.edit import NewModel, add, remove, template
from modelsync.spec.manifest.read import parse
from modelsync.spec.request import Request
from modelsync.spec.uri import FileUri, HfUri, Reference, WebUri
from modelsync.spec.uri import parse as uri
from tests.support.manifests import FULL, manifest_texts
from tests.support.refused import tried
from tests.support.strategies import NAMES, requests

M = uri("hf:u/m:Q4_K_M")


def test_the_template_is_an_empty_manifest_with_words() -> None:
    """What `init` writes means nothing yet; without its comment marks it is a manifest of all that can be said."""
    assert parse(template()).entries == ()
    lines = (
        line.removeprefix("# ") if " = " in line or "# [" in line else line for line in template().split("\n")
    )
    full = parse("\n".join(lines))
    assert full.dir == "models"
    assert [(entry.name, entry.variant) for entry in full.entries] == [
        ("embed", None),
        ("llama3", None),
        ("llama3", "server"),
        ("minilm", None),
    ]


def test_a_uri_alone_is_one_line() -> None:
    """It stands below the other short forms, and comments stay where they were."""
    text = '# mine\n[models]  # all\na = "hf:u/a"  # one\n\n# the big one\n[models.b]\nuri = "hf:u/b"\n'
    assert add(text, NewModel("c", M)) == text.replace("# one\n", '# one\nc = "hf:u/m:Q4_K_M"\n')


def test_more_than_a_uri_is_a_table() -> None:
    """Its keys are in a fixed order; the comment of what follows stays with it."""
    text = '[models]\na = "hf:u/a"\n\n# settings\n[modelsync]\ndir = "models"\n'
    lora = uri("hf:u/l/l.gguf#v2")
    new = add(
        text,
        NewModel(
            "b",
            Reference(M.uri, "main"),
            mmproj=True,
            loras=[lora, uri("./x.gguf")],
            groups=["g"],
            endpoint="https://hf.corp.example",
            sha256="0" * 64,
        ),
    )
    assert new == text.replace(
        "\n\n# settings",
        f"""

[models.b]
uri = "hf:u/m:Q4_K_M"
revision = "main"
mmproj = true
loras = ["hf:u/l/l.gguf#v2", "file:x.gguf"]
sha256 = "{"0" * 64}"
endpoint = "https://hf.corp.example"
groups = ["g"]

# settings""",
    )


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("", '[models.b]\nuri = "hf:u/m:Q4_K_M"\n'),
        ("[models]", '[models]\nb = "hf:u/m:Q4_K_M"'),
        ("[models]\r\n", '[models]\r\nb = "hf:u/m:Q4_K_M"\r\n'),
        ("models.a = 'hf:u/a'\n", "models.a = 'hf:u/a'\n\n[models.b]\nuri = \"hf:u/m:Q4_K_M\"\n"),
        ("[models]\n# a = 1\n", '[models]\nb = "hf:u/m:Q4_K_M"\n# a = 1\n'),
        ("\ufeff[models]\r\na.uri = 'hf:u/a'", "\ufeff[models]\r\na.uri = 'hf:u/a'\r\nb = \"hf:u/m:Q4_K_M\""),
        (
            "[ models . a ] # x\n\turi = 'hf:u/a'\n",
            "[ models . a ] # x\n\turi = 'hf:u/a'\n\n[models.b]\nuri = \"hf:u/m:Q4_K_M\"\n",
        ),
    ],
)
def test_any_manner_of_writing_is_kept(text: str, new: str) -> None:
    """An empty file, no last line ending, Windows' line endings, a byte order mark, dotted keys, blanks in headers."""
    assert add(text, NewModel("b", M)) == new
    assert remove(new, ["b"]) == text


def test_a_name_with_a_dot_is_quoted() -> None:
    """A dot in a name is no path of keys."""
    text = add("[models]\n", NewModel("qwen2.5", M))
    assert '"qwen2.5" = ' in text
    assert parse(add(text, NewModel("phi3.5", M, groups=["g"]))).names == ("qwen2.5", "phi3.5")


def test_a_variant_stands_behind_its_model() -> None:
    """The variant of a table is a table more."""
    text = '[models.a]\nuri = "hf:u/a"\n\n[models.b]\nuri = "hf:u/b"\n'
    new = add(text, NewModel("a", M, variant="server"))
    assert new == text.replace("\n\n", '\n\n[models.a.variants.server]\nuri = "hf:u/m:Q4_K_M"\n\n', 1)


def test_the_variant_of_a_line_makes_it_a_table() -> None:
    """A short form cannot have variants: it becomes the table that means the same, with its comment."""
    new = add('[models]\na = "hf:u/a"  # mine\nb = "hf:u/b"\n', NewModel("a", M, variant="server"))
    assert new == (
        '[models]\nb = "hf:u/b"\n\n[models.a]\nuri = "hf:u/a"  # mine\n'
        '\n[models.a.variants.server]\nuri = "hf:u/m:Q4_K_M"\n'
    )


@pytest.mark.parametrize(
    ("text", "new"),
    [
        (
            'models.a = "hf:u/a" # x\nmodelsync.dir = "m"',
            'modelsync.dir = "m"\n\n[models.a]\nuri = "hf:u/a" # x',
        ),
        ('[models]\na.uri = "hf:u/a"\nb = "hf:u/b"', '[models]\na.uri = "hf:u/a"\nb = "hf:u/b"'),
    ],
)
def test_the_variant_of_dotted_keys_takes_nothing_else_in(text: str, new: str) -> None:
    """Its table stands behind all keys of the table that its model is in."""
    assert (
        add(text, NewModel("a", M, variant="server"))
        == f'{new}\n\n[models.a.variants.server]\nuri = "hf:u/m:Q4_K_M"'
    )


def test_a_model_goes_with_all_its_tables_and_nothing_else() -> None:
    """Its load settings and variants go too; the words above the next model stay."""
    text = (
        '[models]\na = "hf:u/a"\n\n[models.b]\n# inside\nuri = "hf:u/b"\n[models.b.load]\nn_ctx = 1\n\n'
        '[models.b.variants.v]\nuri = "hf:u/c"\n\n# the next one\n[models.c]\nuri = "hf:u/c"\n'
    )
    assert remove(text, ["b"]) == '[models]\na = "hf:u/a"\n\n# the next one\n[models.c]\nuri = "hf:u/c"\n'
    assert parse(remove(text, ["a", "c", "b"])).entries == ()


@pytest.mark.parametrize("variant", [None, "server"])
def test_what_is_there_is_never_replaced(variant: str | None) -> None:
    """A name that is taken is an error that says what to do."""
    with pytest.raises(UsageError, match="is there already") as caught:
        add(FULL, NewModel("llama3", M, variant=variant))
    assert str(caught.value.hint).startswith("--force replaces it")


def test_what_cannot_be_is_refused() -> None:
    """A bad name, a variant of nothing, groups of a variant, two revisions, a name that is not there."""
    with pytest.raises(UsageError, match="did you mean `my-model`"):
        add(FULL, NewModel("My Model", M))
    with pytest.raises(NotFoundError, match="did you mean `llama3`"):
        add(FULL, NewModel("llama", M, variant="v"))
    for variant in ("", "V", "a b"):
        with pytest.raises(UsageError, match="cannot be a name"):
            add(FULL, NewModel("llama3", M, variant=variant))
    with pytest.raises(ManifestError, match="cannot be called `auto`"):
        add(FULL, NewModel("llama3", M, variant="auto"))
    with pytest.raises(UsageError, match="groups"):
        add(FULL, NewModel("llama3", M, variant="v", groups=["g"]))
    with pytest.raises(UsageError, match="two revisions"):
        add(FULL, NewModel("x", Reference(M.uri, "a"), revision="b"))
    with pytest.raises(NotFoundError, match="did you mean `embed`"):
        remove(FULL, ["llama3", "embd"])


def test_bad_values_are_the_manifests_errors() -> None:
    """What the manifest could not say is not written."""
    with pytest.raises(ManifestError, match=r"models\.x\.endpoint"):
        add(FULL, NewModel("x", M, endpoint="ftp://x"))
    with pytest.raises(ManifestError, match=r"models\.x\.groups"):
        add(FULL, NewModel("x", M, groups=["A"]))
    with pytest.raises(ManifestError, match=r"models\.x\.mmproj"):
        add(FULL, NewModel("x", Reference(WebUri("https://e.com/m.gguf")), mmproj=True))


@pytest.mark.parametrize(
    "text", ['models = { a = "hf:u/a", b = "hf:u/b" }', '[models]\na = { uri = "hf:u/a", groups = [] }']
)
def test_a_table_on_one_line_is_left_to_people(text: str) -> None:
    """What cannot be edited in whole lines is an error that says how to write it."""
    with pytest.raises(ManifestError, match="cannot be edited safely") as caught:
        add(text, NewModel("a", M, variant="v"))
    assert "[models.a]" in str(caught.value.hint)


def test_a_model_inside_of_a_line_is_left_to_people() -> None:
    """Models that stand together on one line are not taken out of it."""
    for text in ('models = { a = "hf:u/a" }', 'models = { a = "hf:u/a", b = "hf:u/b" } # both'):
        with pytest.raises(ManifestError, match=r"models\.a cannot be edited safely"):
            remove(text, ["a"])


@given(manifest_texts(), NAMES, requests(), st.lists(NAMES, max_size=2))
def test_adding_and_removing_leaves_the_text_as_it_was(
    text: str, name: str, request: Request, groups: list[str]
) -> None:
    """Whatever the manifest looks like and whatever is added, taking it out again gives the same bytes."""
    assume(name not in parse(text).names)
    assume(not isinstance(request.sha256, tuple))
    assume(request.revision is None or isinstance(request.uri, HfUri))
    new = add(
        text,
        NewModel(
            name,
            request.reference,
            mmproj=request.mmproj,
            loras=request.loras,
            draft=request.draft,
            groups=groups,
            endpoint=request.endpoint,
            sha256=request.sha256 if isinstance(request.sha256, str) else None,
        ),
    )
    entry = parse(new).entry(name)
    assert entry.request == request
    assert entry.groups == tuple(dict.fromkeys(groups))
    assert remove(new, [name]) == text


@given(manifest_texts(), st.data())
def test_removing_keeps_the_others_and_their_comments(text: str, data: st.DataObject) -> None:
    """All other entries mean what they meant, and no line appears that was not there."""
    manifest = parse(text)
    assume(manifest.names)
    name = data.draw(st.sampled_from(manifest.names))
    new = remove(text, [name])
    assert parse(new).entries == tuple(entry for entry in manifest.entries if entry.name != name)
    remaining = iter(text.split("\n"))
    assert all(any(line.rstrip("\r") == old.rstrip("\r") for old in remaining) for line in new.splitlines())
    assert _comments(new.splitlines()) == _comments(_outside(text, name))


def _comments(lines: list[str]) -> list[str]:
    return [line for line in lines if line.lstrip().startswith("#")]


def _outside(text: str, name: str) -> list[str]:
    """The lines but those from the first to the last that says something about a model, with no other key between."""
    lines = text.splitlines()
    found = list(statements(text))
    for is_own, group in groupby(reversed(found), lambda one: one.path[:2] == ("models", name)):
        run = list(group)
        if is_own:
            del lines[run[-1].first - 1 : run[0].last]
    return lines


@given(manifest_texts(), NAMES, st.data())
def test_a_variant_is_added_to_any_model(text: str, variant: str, data: st.DataObject) -> None:
    """Line, table or dotted keys: the model and all others mean what they meant."""
    manifest = parse(text)
    assume(manifest.names)
    name = data.draw(st.sampled_from(manifest.names))
    assume(variant not in {"auto", *(entry.variant for entry in manifest.entries)})
    text_with_it = add(text, NewModel(name, Reference(FileUri("v.gguf")), variant=variant))
    new = parse(text_with_it)
    assert new.entry(name, variant).request.uri == FileUri("v.gguf")
    assert set(map(str, manifest.entries)) < set(map(str, new.entries))
    assert _comments(text_with_it.splitlines()) == _comments(text.splitlines())


@given(st.text(max_size=30), st.text(max_size=10))
def test_any_text_is_edited_or_an_error_with_words(text: str, name: str) -> None:
    """What is no manifest is not edited."""
    tried(lambda: add(text, NewModel(name, M)))
    tried(lambda: remove(text, [name]))
