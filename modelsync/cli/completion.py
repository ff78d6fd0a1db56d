"""Shell completion: names, groups and variants of the nearest manifest, and paths.

Completion must be quick and must never fail, so the manifest is read without being checked.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from modelsync.errors import ModelsyncError

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def names(context: "click.Context", _: "click.Parameter", incomplete: str) -> list[str]:
    """Names of models, without those that were typed already."""
    typed = {word for value in context.params.values() if isinstance(value, tuple) for word in value}
    return [name for name in _matching(_models(context), incomplete) if name not in typed]


def names_or_paths(
    context: "click.Context", parameter: "click.Parameter", incomplete: str
) -> "list[CompletionItem[str]]":
    """Names of models; the shell's own paths where a path is typed, or no name begins so."""
    from click.shell_completion import CompletionItem

    found = [] if _is_path(incomplete) else names(context, parameter, incomplete)
    return [CompletionItem(name) for name in found] or [CompletionItem(incomplete, type="file")]


def paths(_: "click.Context", __: "click.Parameter", incomplete: str) -> "list[CompletionItem[str]]":
    """The shell's own paths."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def local_paths(
    context: "click.Context", parameter: "click.Parameter", incomplete: str
) -> "list[CompletionItem[str]]":
    """The shell's own paths where one is typed; nothing can be offered of a URI."""
    return paths(context, parameter, incomplete) if _is_path(incomplete) else []


def _is_path(word: str) -> bool:
    return word.startswith((".", "/", "~")) or "/" in word.partition(":")[0] or "\\" in word


def groups(context: "click.Context", _: "click.Parameter", incomplete: str) -> list[str]:
    """Groups that any model is in."""
    return _matching(_words(context, "groups"), incomplete)


def variants(context: "click.Context", __: "click.Parameter", incomplete: str) -> list[str]:
    """Variants that any model has, behind `NAME=` those of that model; and `auto`, except where one is added."""
    if context.info_name in ("add", "remove"):
        return _matching(_words(context, "variants"), incomplete)
    name, named, _ = incomplete.partition("=")
    words = _words(context, "variants", name if named else None)
    words |= {"auto"} if words else set()
    return _matching((name + named + word for word in words) if named else words, incomplete)


def _matching(words: Iterable[str], incomplete: str) -> list[str]:
    from modelsync.spec.names import printable

    return sorted(word for word in words if word.startswith(incomplete) and printable(word) == word)


def _words(context: "click.Context", key: str, name: str | None = None) -> set[str]:
    """The words of that key, of one model or of all."""
    found: set[str] = set()
    for each, entry in _models(context).items():
        if name in (None, each) and isinstance(entry, dict) and isinstance(entry.get(key), list | dict):
            found |= {word for word in entry[key] if isinstance(word, str)}
    return found


def _models(context: "click.Context") -> dict[str, Any]:
    import tomllib

    from modelsync.cli.invocation import Invocation

    invocation = context.find_object(Invocation) or Invocation()
    try:
        invocation.enter()
        models = tomllib.loads(invocation.project().read_manifest_text()).get("models")
    except (ModelsyncError, ValueError, OSError):
        return {}
    return models if isinstance(models, dict) else {}
