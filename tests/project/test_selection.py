"""Names, groups and variants."""

import pytest

from modelsync.errors import NotFoundError, UsageError
from modelsync.project.selection import (
    Groups,
    Selection,
    VariantChoice,
    asked_of,
    choice_of,
    every_variant,
    parse_choice,
    select,
    unknown_variants,
    variants_of,
)
from modelsync.spec.manifest import read

TEXT = """
[modelsync]
default-groups = ["chat"]
[models]
plain = "hf:u/plain"
[models.talk]
uri = "hf:u/talk"
groups = ["chat"]
[models.talk.variants.server]
uri = "hf:u/talk:Q8_0"
[models.judge]
uri = "hf:u/judge"
groups = ["eval", "slow"]
"""
MANIFEST = read.parse(TEXT)
NO_DEFAULTS = read.parse(TEXT.replace('default-groups = ["chat"]', ""))
NONE = Groups()


def chosen(*names: str, groups: Groups = NONE) -> list[str]:
    return [entry.name for entry in select(MANIFEST, Selection(names, groups))]


def test_ungrouped_and_default_groups_are_taken_bare() -> None:
    """A bare selection is the ungrouped models and those of the default groups."""
    assert chosen() == ["plain", "talk"]


def test_without_default_groups_everything_is_taken() -> None:
    """Where the manifest names no default groups, all groups are taken."""
    assert [entry.name for entry in select(NO_DEFAULTS, Selection())] == ["plain", "talk", "judge"]


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (Groups(plus=("eval",)), ["plain", "talk", "judge"]),
        (Groups(only=("eval",)), ["judge"]),
        (Groups(minus=("chat",)), ["plain"]),
        (Groups(everything=True), ["plain", "talk", "judge"]),
        (Groups(everything=True, minus=("eval",)), ["plain", "talk", "judge"]),
        (Groups(everything=True, minus=("eval", "slow")), ["plain", "talk"]),
        (Groups(only=("eval", "chat"), minus=("chat",)), ["judge"]),
    ],
)
def test_group_flags(groups: Groups, names: list[str]) -> None:
    """--group adds to the defaults, --only-group leaves the ungrouped out, --no-group takes away."""
    assert chosen(groups=groups) == names


def test_names_are_taken_in_the_manifests_order_and_once() -> None:
    """Names select just those models, whatever their groups."""
    assert chosen("judge", "plain", "judge") == ["plain", "judge"]


def test_a_variant_is_asked_of_the_models_that_have_it() -> None:
    """A named one wins over a plain one, the later over the earlier, and a model that has none of them is not asked."""
    mine = variants_of(MANIFEST)["talk"] | {"tiny": MANIFEST.entry("talk")}
    for words, meant in {
        ("server",): "server",
        ("server", "tiny"): "tiny",
        ("tiny", "server"): "server",
        ("tiny", "talk=server"): "server",
        ("talk=tiny", "talk=server"): "server",
        ("other=server",): None,
        ("absent", "auto"): "auto",
        ("absent",): None,
    }.items():
        assert asked_of(mine, parse_choice(words), "talk") == meant, words
    assert choice_of({"talk": "server"}).of("talk") == ("server",)
    assert choice_of(None) == VariantChoice()
    assert (
        parse_choice(["b=2", "s", "a=1", "b=3"]).text == parse_choice(["s", "b=3", "a=1"]).text == "s a=1 b=3"
    )


@pytest.mark.parametrize("word", ["=server", "talk=", "="])
def test_half_a_pair_is_no_variant(word: str) -> None:
    """It is a mistake in usage, which says what the forms are."""
    with pytest.raises(UsageError, match="is no variant"):
        parse_choice([word])
    with pytest.raises(UsageError, match="does not go with"):
        every_variant("server")


def test_unknown_words_are_errors_that_say_what_there_is() -> None:
    """A name, group or variant that nothing has is an error, with the ones there are."""
    with pytest.raises(NotFoundError, match=r"plian.*plain"):
        chosen("plian")
    with pytest.raises(NotFoundError) as group:
        chosen(groups=Groups(plus=("evil",)))
    assert "eval" in str(group.value.hint)
    (laptop,) = unknown_variants(MANIFEST, parse_choice(["laptop", "server", "auto", "plain=auto"]))
    assert "server" in str(laptop.hint)
    model, variant = unknown_variants(MANIFEST, parse_choice(["tlak=server", "talk=sever"]))
    assert "`talk`" in model.message
    assert "`server`" in variant.message


def test_names_and_group_flags_do_not_go_together() -> None:
    """A call that names models and groups cannot mean anything."""
    with pytest.raises(UsageError):
        chosen("plain", groups=Groups(plus=("chat",)))
