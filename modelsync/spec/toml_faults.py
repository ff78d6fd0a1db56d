"""What is wrong with a text that is not TOML, in plain words: the place, and what mends it. Pure.

tomllib says what its parser expected next. A person wants to know which quote, bracket or sign is missing or too
many, and where it belongs. Nothing of the text is repeated in a message: the user's config may hold secrets.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

QUOTES = 'text stands in double quotes: key = "…"'

_CURLY = "\u2018\u2019\u201a\u201c\u201d\u201e\xab\xbb`"  # quotation marks of text programs
_NO_QUOTES = (
    "letters, digits, `-` and `_` stand as they are in a name; one with other signs needs double quotes"
)
_WINDOWS_PATH = r"[A-Za-z]:\\|\\\\\w"


class ParseFault(NamedTuple):
    """What the parser said.

    Attributes:
        what: Its sentence, without the place.
        text: The whole text.
        line: From 1 on; None: the text ended too early.
        column: From 1 on.
    """

    what: str
    text: str
    line: int | None
    column: int

    @property
    def words(self) -> str:
        """The line; empty where the text ended."""
        return self.text.split("\n")[self.line - 1].rstrip("\r") if self.line is not None else ""

    @property
    def before(self) -> str:
        """What stands in the line before the place."""
        return self.words[: self.column - 1]

    @property
    def rest(self) -> str:
        """What stands in the line from the place on, without blanks."""
        return self.words[self.column - 1 :].strip()


class Explanation(NamedTuple):
    """The same for people: what is wrong, what mends it, and where; line and column from 1 on."""

    message: str
    hint: str | None
    line: int
    column: int


def explained(fault: ParseFault) -> Explanation | None:
    """The fault in plain words; None where the parser's sentence has to do."""
    for pattern, explain in _KINDS:
        if re.match(pattern, fault.what):
            return explain(fault)
    return None


def _here(fault: ParseFault, message: str, hint: str | None, column: int | None = None) -> Explanation | None:
    if fault.line is None:
        return None
    return Explanation(message, hint, fault.line, fault.column if column is None else column)


def _text(fault: ParseFault) -> Explanation | None:
    line = fault.line or _begun(fault.text)
    words = fault.text.split("\n")[line - 1]
    opened = _opened(words)
    if opened is None:
        return None
    column, quote = opened
    several = '; text of several lines stands between """' if quote == '"' else ""
    hint = f"write {quote} where it ends{several}"
    return Explanation("the text that begins here is not closed", hint, line, column)


def _header(fault: ParseFault) -> Explanation | None:
    line = fault.line or _last(fault.text)
    words = fault.text.split("\n")[line - 1].rstrip()
    opening = "[[" if words.lstrip().startswith("[[") else "["
    if fault.line is not None and "]" in fault.rest and not fault.rest.startswith("]"):
        return _here(fault, "the name of this table has a blank or another sign", _NO_QUOTES)
    closing = "]" * len(opening)
    column = fault.column if fault.line is not None else len(words) + 1
    return Explanation("the header of this table is not closed", f"end it with `{closing}`", line, column)


def _declared(fault: ParseFault) -> Explanation | None:
    """Explains a second table of a name that is none: a header that was not closed counts as one."""
    words = fault.words.strip()
    if words.startswith("[") and "]" not in words:
        return _header(fault._replace(column=len(fault.words.rstrip()) + 1))
    return None


def _equals(fault: ParseFault) -> Explanation | None:
    line = fault.line or _last(fault.text)
    words = fault.text.split("\n")[line - 1].rstrip()
    column = fault.column if fault.line is not None else len(words) + 1
    rest = fault.rest
    if rest.startswith(":"):
        message, hint = "`:` stands where `=` belongs", 'a key and its value are written: key = "…"'
    elif re.match(r"[^\"'#]*=", rest):
        message = "the name before `=` has a blank or another sign"
        hint = _NO_QUOTES
    elif not rest or rest.startswith("#"):
        message, hint = "a key without `=` and a value", 'a key and its value are written: key = "…"'
    else:
        message = "the `=` between the key and its value is missing"
        hint = 'a key and its value are written: key = "…"'
    return Explanation(message, hint, line, column)


def _value(fault: ParseFault) -> Explanation | None:
    if fault.line is None:
        line = _begun(fault.text)
        words = fault.text.split("\n")[line - 1].rstrip()
        _, _, value = words.partition("=")
        if value.strip().startswith("["):
            return _list(fault)
        if value.strip():
            return None
        return Explanation("there is no value behind `=`", QUOTES, line, len(words) + 1)
    rest = fault.rest
    if not rest or rest.startswith("#"):
        return _here(fault, "there is no value behind `=`", QUOTES)
    if rest[0] in _CURLY:
        return _here(fault, "this is no quotation mark of TOML", "write \" or ', as a keyboard has them")
    if re.match(r"(?i)(true|false)\b", rest):
        return _here(fault, "`true` and `false` are written in small letters", None)
    if re.match(r"(?i)(none|null|nil)\b", rest):
        return _here(fault, "TOML has no empty value", "leave the key out")
    if rest[0] == "=":
        return _here(fault, "there is a `=` too many", None)
    return _here(fault, "this value is not in quotes", QUOTES)


def _behind(fault: ParseFault) -> Explanation | None:
    rest = fault.rest
    if rest[:1] in (",", ";"):
        return _here(fault, f"no line ends with `{rest[0]}` in TOML", "leave it out")
    if rest.startswith("//"):
        return _here(fault, "this is no comment", "a comment begins with `#`")
    if fault.before.lstrip().startswith("["):
        hint = "a key goes on a line of its own, below the header"
        return _here(fault, "something stands behind the header of this table", hint)
    found = re.match(r"\s*(?:[\w.-]+|\"[^\"]*\"|'[^']*')\s*=\s*", fault.before)
    if found is None:
        return _here(
            fault, "something stands behind the value", "one key and its value have a line of their own"
        )
    quote = fault.before[found.end() :][:1]
    if quote in ('"', "'"):
        inner = r'a " in a text is written \", or the text stands in single quotes'
        inner = inner if quote == '"' else "a text with ' in it stands in double quotes"
        return _here(fault, f"something stands behind the closing {quote}", inner)
    if quote in ("[", "{"):
        return _here(
            fault, "something stands behind the value", "one key and its value have a line of their own"
        )
    message = "this value is neither a number, a date, true nor false"
    return _here(fault, message, QUOTES, found.end() + 1)


def _escape(fault: ParseFault) -> Explanation | None:
    at = fault.before.rfind("\\")
    if at < 0:
        return None
    message = "`\\` begins an escape in double quotes, and this one is unknown"
    path = re.search(_WINDOWS_PATH, fault.words)
    hint = (
        r"write a Windows path in single quotes, 'C:\models\x.gguf', or with `/`"
        if path
        else r"write `\\` for a backslash, or put the text in single quotes"
    )
    return _here(fault, message, hint, at + 1)


def _character(fault: ParseFault) -> Explanation | None:
    return _here(
        fault, "there is a control character here", "leave it out; in double quotes `\\u001b` stands for one"
    )


def _list(fault: ParseFault) -> Explanation | None:
    if fault.line is not None:
        message = "a `,` or the closing `]` of a list is missing before this"
        return _here(fault, message, "the values of a list have a `,` between them")
    line = _begun(fault.text)
    at = fault.text.split("\n")[line - 1].find("[")
    return Explanation(
        "the list that begins here is not closed", "write `]` behind its last value", line, at + 1
    )


def _inline(fault: ParseFault) -> Explanation | None:
    line = fault.line or _last(fault.text)
    words = fault.text.split("\n")[line - 1].rstrip()
    column = fault.column if fault.line is not None else len(words) + 1
    message = "a `,` or the closing `}` is missing before this"
    hint = "what stands between { } is on one line, with a `,` between its keys"
    return Explanation(message, hint, line, column)


def _name(fault: ParseFault) -> Explanation | None:
    if "{" in fault.before and not fault.rest:
        hint = "write it on one line, or as a table of its own: [models.NAME]"
        return _here(fault, "what stands between { } does not end on this line", hint)
    return _here(fault, "a part of this name is missing, or has a sign that needs quotes", _NO_QUOTES)


def _twice(fault: ParseFault) -> Explanation | None:
    return _here(fault, "a key stands twice between these { }", "keep one of the two")


def _statement(fault: ParseFault) -> Explanation | None:
    rest = fault.rest
    if rest.startswith("{"):
        return _here(fault, "this is JSON, not TOML", "a line is: key = value, [table] or # comment")
    if rest.startswith(("//", ";", "/*", "--")):
        return _here(fault, "this is no comment", "a comment begins with `#`")
    if rest.startswith("="):
        return _here(fault, "there is no key before `=`", None)
    if rest[:1].isalpha():  # of an alphabet that has to be quoted
        return _here(fault, "this name needs quotes", _NO_QUOTES)
    return _here(fault, "no line of TOML begins so", "a line is: key = value, [table] or # comment")


_KINDS: tuple[tuple[str, Callable[[ParseFault], Explanation | None]], ...] = (
    (r"Illegal character '\\n'|Unterminated string|Expected \"'", _text),
    (r"Illegal character ", _character),
    (r"Expected '\]\]?'", _header),
    (r"Cannot declare ", _declared),
    (r"Expected '='", _equals),
    (r"Expected newline", _behind),
    (r"Invalid value", _value),
    (r"Unescaped |Invalid hex value", _escape),
    (r"Unclosed array", _list),
    (r"Unclosed inline", _inline),
    (r"Invalid initial character", _name),
    (r"Duplicate inline", _twice),
    (r"Invalid statement", _statement),
)


def _opened(line: str) -> tuple[int, str] | None:
    """The quote that is open at the end of a line, and its column from 1 on; None where none is."""
    at = 0
    while at < len(line) and line[at] != "#":
        quote = line[at]
        if quote not in "\"'":
            at += 1
            continue
        mark = quote * 3 if line.startswith(quote * 3, at) else quote
        end = at + len(mark)
        while end < len(line) and not line.startswith(mark, end):
            end += 2 if quote == '"' and line[end] == "\\" else 1
        if end >= len(line):
            return at + 1, mark
        at = end + len(mark)
    return None


def _begun(text: str) -> int:
    """The line on which the statement begins that the text ends within, from 1 on."""
    from modelsync.spec.locate import statements

    lines = text.split("\n")
    line = next(iter([each.last for each in statements(text)][-1:]), 0)
    while line < len(lines) - 1 and not lines[line].partition("#")[0].strip():
        line += 1
    return line + 1


def _last(text: str) -> int:
    """The last line that has something, from 1 on."""
    return text.rstrip().count("\n") + 1
