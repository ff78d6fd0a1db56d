"""Shell completion: names, groups and variants of the nearest manifest.

Completion must be quick and must never fail, so the manifest is read without being checked.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from modelsync.errors import ModelsyncError

if TYPE_CHECKING:
    import click


def names(context: "click.Context", _: "click.Parameter", incomplete: str) -> list[str]:
    """Names of models, without those that were typed already."""
    typed = {word for value in context.params.values() if isinstance(value, tuple) for word in value}
    return [name for name in _matching(_models(context), incomplete) if name not in typed]


def groups(context: "click.Context", _: "click.Parameter", incomplete: str) -> list[str]:
    """Groups that any model is in."""
    return _matching(_words(context, "groups"), incomplete)


def variants(context: "click.Context", _: "click.Parameter", incomplete: str) -> list[str]:
    """Variants that any model has; and `auto`, except where a new variant is named."""
    words = _words(context, "variants")
    made = context.info_name == "add"
    return _matching(words if made or not words else {*words, "auto"}, incomplete)


def _matching(words: Iterable[str], incomplete: str) -> list[str]:
    from modelsync.spec.names import printable

    return sorted(word for word in words if word.startswith(incomplete) and printable(word) == word)


def _words(context: "click.Context", key: str) -> set[str]:
    found: set[str] = set()
    for entry in _models(context).values():
        if isinstance(entry, dict) and isinstance(entry.get(key), list | dict):
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
