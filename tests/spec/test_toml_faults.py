"""What is said of a text that is not TOML: plain words for the usual mistakes, the parser's sentence for the rest."""

import pytest

from modelsync.errors import ConfigError, LockfileError, ManifestError, ModelsyncError
from modelsync.spec.toml import loads

QUOTES = "text stands in double quotes"
WRITTEN = "a key and its value are written"
NAMES = "letters, digits, "
ONE_LINE = "a line is: key = value"

# text | line and column | message | hint begins
MISTAKES: tuple[tuple[str, tuple[int, int], str, str | None], ...] = (
    ('x = "hf:u/m\ny = 1', (1, 5), "the text that begins here is not closed", 'write " where'),
    ('# "\nx = "hf:u/m', (2, 5), "the text that begins here is not closed", 'write " where'),
    ('x = "a\\"', (1, 5), "the text that begins here is not closed", 'write " where'),
    ("y = 1\nx = 'hf:u/m\nz = 1\n", (2, 5), "the text that begins here is not closed", "write ' where"),
    ('x = """a\nb\n', (1, 5), "the text that begins here is not closed", 'write """ where'),
    ('x = ["a", "b]\n', (1, 11), "the text that begins here is not closed", 'write " where'),
    ("[models", (1, 8), "the header of this table is not closed", "end it with `]`"),
    ("[models\nx = 1\n", (1, 8), "the header of this table is not closed", "end it with `]`"),
    ("[models]\nx = 1\n[models\n", (3, 8), "the header of this table is not closed", "end it with `]`"),
    ("[[model]\n", (1, 8), "the header of this table is not closed", "end it with `]]`"),
    ("[my model]\n", (1, 5), "the name of this table has a blank or another sign", NAMES),
    ("[models.]\n", (1, 9), "a part of this name is missing, or has a sign that needs quotes", NAMES),
    ('tiny "hf:u/m"\n', (1, 6), "the `=` between the key and its value is missing", WRITTEN),
    ("[models]\ntiny\n", (2, 5), "a key without `=` and a value", WRITTEN),
    ("tiny\n# c", (1, 5), "a key without `=` and a value", WRITTEN),
    ("tiny", (1, 5), "a key without `=` and a value", WRITTEN),
    ("tiny: hf:u/m\n", (1, 5), "`:` stands where `=` belongs", WRITTEN),
    ('my model = "hf:u/m"\n', (1, 4), "the name before `=` has a blank or another sign", NAMES),
    ("= 1\n", (1, 1), "there is no key before `=`", None),
    ("x == 1\n", (1, 4), "there is a `=` too many", None),
    ("x = hf:u/m\n", (1, 5), "this value is not in quotes", QUOTES),
    ("x = hf:u/m", (1, 5), "this value is not in quotes", QUOTES),
    ("x = ~/m.gguf\n", (1, 5), "this value is not in quotes", QUOTES),
    ("x = 1.2.3\n", (1, 5), "this value is neither a number, a date, true nor false", QUOTES),
    ("x = 3b:Q4\n", (1, 5), "this value is neither a number, a date, true nor false", QUOTES),
    ("x =\n", (1, 4), "there is no value behind `=`", QUOTES),
    ("y = 1\nx =", (2, 4), "there is no value behind `=`", QUOTES),
    ("x = # c\n", (1, 5), "there is no value behind `=`", QUOTES),
    ("x = “hf:u/m”\n", (1, 5), "this is no quotation mark of TOML", "write \" or '"),
    ("x = True\n", (1, 5), "`true` and `false` are written in small letters", None),
    ("x = None\n", (1, 5), "TOML has no empty value", "leave the key out"),
    ('x = "C:\\models\\m.gguf"\n', (1, 8), "`\\` begins an escape in double quotes", "write a Windows path"),
    ('x = "C:\\Users\\m.gguf"\n', (1, 8), "`\\` begins an escape in double quotes", "write a Windows path"),
    ('x = "\\\\host\\share"\n', (1, 12), "`\\` begins an escape in double quotes", "write a Windows path"),
    ('x = "a\\qb"\n', (1, 7), "`\\` begins an escape in double quotes", "write `\\\\` for a backslash"),
    ('x = "a\x01b"\n', (1, 7), "there is a control character here", "leave it out"),
    ('x = ["a" "b"]\n', (1, 10), "a `,` or the closing `]` of a list is missing", "the values of a list"),
    ('x = ["a",\n"b"\ny = 1\n', (3, 1), "a `,` or the closing `]` of a list is missing", "the values"),
    ('y = 1\nx = ["a",\n', (2, 5), "the list that begins here is not closed", "write `]`"),
    ('x = ["a",\n"b"', (1, 5), "the list that begins here is not closed", "write `]`"),
    ("x = {a = 1 b = 2}\n", (1, 12), "a `,` or the closing `}` is missing", "what stands between { }"),
    ("x = {a = 1\n", (1, 11), "a `,` or the closing `}` is missing", "what stands between { }"),
    ("x = {a = 1, a = 2}\n", (1, 18), "a key stands twice between these { }", "keep one"),
    ('x = "a" "b"\n', (1, 9), 'something stands behind the closing "', 'a " in a text is'),
    ("x = 'it's'\n", (1, 9), "something stands behind the closing '", "a text with '"),
    ('x = "a",\n', (1, 8), "no line ends with `,` in TOML", "leave it out"),
    ('x = "a" // c\n', (1, 9), "this is no comment", "a comment begins with `#`"),
    ("// c\nx = 1\n", (1, 1), "this is no comment", "a comment begins with `#`"),
    ("[models] x = 1\n", (1, 10), "something stands behind the header of this table", "a key goes on a line"),
    ('{"models": {}}\n', (1, 1), "this is JSON, not TOML", ONE_LINE),
    ("! x\n", (1, 1), "no line of TOML begins so", ONE_LINE),
    ('名 = "hf:u/m"\n', (1, 1), "this name needs quotes", NAMES),
    ("\ufeffx = hf:u/m\r\n", (1, 5), "this value is not in quotes", QUOTES),
)


def wrong(text: str, error: type[ModelsyncError] = ManifestError) -> ModelsyncError:
    """The error of a text."""
    with pytest.raises(error) as raised:
        loads(text, "models.toml", error, limit=1000)
    return raised.value


@pytest.mark.parametrize(("text", "place", "message", "hint"), MISTAKES)
def test_a_usual_mistake_is_told_in_plain_words(
    text: str, place: tuple[int, int], message: str, hint: str | None
) -> None:
    """What is wrong, on which line, with a caret below it, and what mends it."""
    error = wrong(text)
    line, column = place
    assert error.message.startswith(f"models.toml:{line}: {message}")
    assert [each.line for each in error.places] == [line]
    assert (error.hint is None) if hint is None else (error.hint or "").startswith(hint), error.hint
    shown, below = error.details
    assert shown.startswith(f"{line} | ")
    assert below.index("^") == len(f"{line} | ") + column - 1


def test_a_lock_and_the_users_config_are_told_the_same() -> None:
    """The config without its line: it may hold secrets, and nothing of the text is in a message."""
    for text, _, message, _ in MISTAKES:
        assert message in wrong(text, LockfileError).message
        error = wrong(text.replace("hf:u/m", "hunter22"), ConfigError)
        assert message in error.message
        assert error.details == ()
        assert "hunter22" not in f"{error.message} {error.hint}"


def test_a_key_that_is_defined_twice_is_shown_where_it_is_first() -> None:
    """Both lines; of tables, and of a table and a value too."""
    for text, key, first, second in (
        ("[models]\nx = 1\n\nx = 2\n", "models.x", "2 | x = 1", "4 | x = 2"),
        ("[a]\nx = 1\n[b]\n[a]\n", "a", "1 | [a]", "4 | [a]"),
        ("a.b = 1\na = 2\n", "a", "1 | a.b = 1", "2 | a = 2"),
    ):
        error = wrong(text)
        assert error.message.endswith(f": {key}: it is defined twice; keep one of the two")
        assert error.details[::2] == (first, second)


def test_what_is_unknown_keeps_the_parsers_sentence() -> None:
    """With its place; a number that is too long for Python has none."""
    error = wrong("x = " + "1" * 900 + "\n" + "y = " + "[" * 60)
    assert error.details
    with pytest.raises(ManifestError, match=r"models\.toml: not TOML: "):
        loads("x = " + "1" * 5000, "models.toml", ManifestError, limit=10_000)
