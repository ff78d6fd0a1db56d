"""The line that an error of a manifest shows: where the caret is, and what is never shown."""

import pytest

from modelsync.errors import ConfigError, LockfileError, ManifestError
from modelsync.spec.excerpt import WIDTH, column_of, excerpt
from modelsync.spec.toml import Fault, loads


@pytest.mark.parametrize(
    ("text", "line", "caret"),
    [
        ("[models]\nx = hf:u/m\n", "2 | x = hf:u/m", 4),
        ('[models]\nx = "hf:u/m', '2 | x = "hf:u/m', 4),
        ("a = 1\nb = [1,\n", "2 | b = [1,", 4),
        ("a = 1\r\nb = 01\r\n", "2 | b = 01", 4),
        ('\tx = "千问" 模型\n', '1 |  x = "千问" 模型', 12),
        ('"e\u0301" = "💾" b\n', '1 | "e\u0301" = "💾" b', 11),
        ("\ufeffa = tru\n", "1 | a = tru", 4),
    ],
)
def test_text_that_is_no_toml_shows_its_line(text: str, line: str, caret: int) -> None:
    """With a caret below the place, also where characters before it take two columns, or none."""
    with pytest.raises(ManifestError) as wrong:
        loads(text, "models.toml", ManifestError, limit=1000)
    shown, below = wrong.value.details
    assert shown == line
    assert below == "  | " + " " * caret + "^"


def test_a_wrong_key_is_pointed_at() -> None:
    """The last of its path, quoted or bare; the beginning of the line where it is not in it."""
    text = '[models.x]\nuri = "hf:u/m"\n"my key" = 7\nload = { n_ctx = true }\n'
    for path, line, caret in (
        (("models", "x", "uri"), '2 | uri = "hf:u/m"', 0),
        (("models", "x", "my key"), '3 | "my key" = 7', 0),
        (("models", "x", "load", "n_ctx"), "4 | load = { n_ctx = true }", 9),
        (("models", "x"), "1 | [models.x]", 8),
    ):
        error = Fault(path, "is wrong").located(text, "models.toml", LockfileError)
        assert error.details == (line, "  | " + " " * caret + "^")
    assert column_of("  a = 1", 1, "b") == 3


def test_secrets_are_not_shown() -> None:
    """Neither a user of an address, nor a query, nor what is called a token; of the user's config nothing at all."""
    for line in (
        'x = "https://me:hunter22@host/x.gguf"',
        'x = "https://host/x.gguf?X-Amz-Signature=hunter22"',
        'token = "hunter22"',
        'x = { Authorization = "Bearer hunter22" }',
        'x = "hf_hunter22hunter22"',
    ):
        assert "hunter22" not in "".join(excerpt(line, 1, 1)), line
        with pytest.raises(ConfigError) as wrong:
            loads(f"{line}\nx = [", "config.toml", ConfigError, limit=1000)
        assert wrong.value.details == ()


def test_long_and_hostile_lines_are_cut_and_escaped() -> None:
    """Around the place; no control character is shown as it is."""
    shown, below = excerpt("a" * 500 + "!" + "b" * 500, 1, 501)
    assert len(shown) <= WIDTH + 4
    assert shown[below.index("^")] == "!"
    shown, below = excerpt("a = \x1b[31m!", 1, 10)
    assert "\x1b" not in shown
    assert shown[below.index("^")] == "!"
    assert excerpt("", 1, 1) == excerpt("x", 7, 1) == ()
