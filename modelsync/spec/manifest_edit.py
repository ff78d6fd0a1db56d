"""Edits of a manifest's text that leave every other byte as it is.

Libraries that keep a TOML file's comments hang each one on what stands before it, so that removing a model takes along
the words above the next one. Here whole statements go into and out of the text, where `locate.statements` finds them,
and the result is read again before it is returned.
"""

from collections.abc import Sequence
from typing import Any, Literal

from modelsync.errors import ManifestError, UsageError
from modelsync.spec.locate import Statement, statements
from modelsync.spec.manifest import MAX_TEXT, Manifest, parse
from modelsync.spec.names import check_name
from modelsync.spec.text_lines import Lines
from modelsync.spec.toml import dotted, loads, toml_key, toml_string, toml_value
from modelsync.spec.uri import Reference

_TEMPLATE = """\
# The models of this project: `modelsync add NAME URI` adds one, `modelsync sync` makes them be here.

[modelsync]
# dir = "models"                  # also link the files here, as <dir>/<name>/<file>
# default-groups = ["chat"]       # what a bare `sync` takes besides the ungrouped; without this, all

[models]
# embed = "hf:nomic-ai/nomic-embed-text-v1.5-GGUF:Q8_0"
#
# [models.llama3]
# uri = "hf:bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M"
# revision = "main"               # a branch, tag or commit
# mmproj = true                   # or a URI: the projector for images or sound
# loras = ["hf:user/adapter/adapter.gguf"]
# groups = ["chat"]
# load = { n_ctx = 8192 }         # for modelsync.load()
#
# [models.llama3.variants.server] # what differs; for `sync --variant server`
# uri = "hf:bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q8_0"
"""


def template() -> str:
    """A manifest without models, with words about what could stand in it."""
    return _TEMPLATE


def add(
    text: str,
    name: str,
    reference: Reference,
    *,
    revision: str | None = None,
    mmproj: Reference | Literal[True] | None = None,
    loras: Sequence[Reference] = (),
    groups: Sequence[str] = (),
    endpoint: str | None = None,
    sha256: str | None = None,
    variant: str | None = None,
    replace: bool = False,
    where: str = "models.toml",
) -> str:
    """The manifest with one more model: a line in `[models]` where a URI says it all, else a table.

    Args:
        text: The manifest.
        name: The model's name.
        reference: Where it is.
        revision: Its branch, tag or commit.
        mmproj: The projector beside it, or elsewhere.
        loras: Its adapters.
        groups: Its groups.
        endpoint: The hub of this model.
        sha256: What its file must be.
        variant: Add this variant of the model that is there, instead of a model.
        replace: Whether one that is there may go, with all that was said about it.
        where: The manifest's name, for messages.

    Raises:
        UsageError: the name cannot be one, or is taken; or two revisions are named.
        NotFoundError: there is no model to add the variant to.
        ManifestError: the manifest is wrong, or written in a way that this cannot edit.
    """
    path = _path(check_name(name), None if variant is None else check_name(variant))
    if variant is not None and groups:
        raise UsageError("a variant has the groups of its model", hint="leave the groups away")
    if None not in (revision, reference.revision) and revision != reference.revision:
        raise UsageError(f"two revisions are named: {reference.revision} and {revision}")
    values: dict[str, Any] = {
        "uri": str(reference.uri),
        "revision": revision or reference.revision,
        "mmproj": str(mmproj) if isinstance(mmproj, Reference) else mmproj,
        "loras": list(map(str, loras)),
        "sha256": sha256,
        "endpoint": endpoint,
        "groups": list(groups),
    }
    body = [f"{key} = {toml_value(value)}" for key, value in values.items() if value]
    before = parse(text, where=where)
    if variant is not None:
        before.entry(name)
    kept = _without(before, [path])
    if kept != _without(before, []):
        if not replace:
            what = f"`{name}`" if variant is None else f"the variant `{variant}` of `{name}`"
            raise UsageError(f"{what} is there already", hint="take another name, or remove that one first")
        text = _cut(text, path)
    new = _with_line(text, name, values["uri"]) if len(body) == 1 and variant is None else None
    if new is None:
        new = _with_table(text if variant is None else _spread(text, path[:2]), path, body)
    _check_toml(new, path, where)
    after = parse(new, where=where)
    if _without(after, [path]) != kept or _without(after, []) == kept:
        raise _cannot_edit(where, path)
    return new


def remove(text: str, names: Sequence[str], *, where: str = "models.toml") -> str:
    """The manifest without these models and their variants; comments outside of their own tables stay.

    Raises:
        NotFoundError: one of the names is not there.
        ManifestError: the manifest is wrong, or written in a way that this cannot edit.
    """
    before = parse(text, where=where)
    for name in names:
        before.entry(name)
        text = _cut(text, _path(name))
    if _without(parse(text, where=where), []) != _without(before, [_path(name) for name in names]):
        raise _cannot_edit(where, _path(*names[:1]))
    return text


def _path(name: str, variant: str | None = None) -> tuple[str, ...]:
    return ("models", name) if variant is None else ("models", name, "variants", variant)


def _without(manifest: Manifest, paths: Sequence[tuple[str, ...]]) -> Manifest:
    """The manifest as it shall be when what stands under `paths` is gone; in an order of its own, to compare."""
    entries = {_path(entry.name, entry.variant): entry for entry in manifest.entries}
    kept = (path for path in sorted(entries) if not any(path[: len(gone)] == gone for gone in paths))
    return manifest._replace(entries=tuple(entries[path] for path in kept))


def _check_toml(text: str, path: tuple[str, ...], where: str) -> None:
    try:
        loads(text, where, ManifestError, limit=MAX_TEXT)
    except ManifestError:
        raise _cannot_edit(where, path) from None


def _cannot_edit(where: str, path: tuple[str, ...]) -> ManifestError:
    return ManifestError(
        f"{where}: {dotted(path)} cannot be edited: it is part of a table that is written on one line",
        hint=f"write it with a header of its own, [{dotted(path[:2])}], or edit it by hand",
    )


# --- text to text ------------------------------------------------------------------------------------


def _with_line(text: str, name: str, uri: str) -> str | None:
    """`name = "uri"` below the last line of `[models]`; None if there is no such table."""
    place, inside = None, False
    for statement in statements(text):
        if statement.is_header:
            inside = statement.path == ("models",)
        if inside:
            place = statement.last
    if place is None:
        return None
    lines = Lines(text)
    lines.insert(place, [f"{toml_key(name)} = {toml_string(uri)}"])
    return str(lines)


def _with_table(text: str, path: tuple[str, ...], body: Sequence[str]) -> str:
    """A table behind the last model, or behind the model that it is a variant of."""
    above = path[:2] if len(path) > 2 else path[:1]
    lines = Lines(text)
    place = len(lines)
    for statement in statements(text):
        if statement.path[: len(above)] == above:
            place = statement.last
    end = place
    while lines[end].startswith("#"):
        end += 1
    if not lines[end]:  # comments right below belong to what stands above, unless they lead on to something
        place = end
    header = f"[{'.'.join(map(toml_key, path))}]"
    lines.insert(place, [*([""] if place else []), header, *body])
    return str(lines)


def _spread(text: str, path: tuple[str, ...]) -> str:
    """With a table where `name = "uri"` stood, so that it can have variants."""
    for statement in statements(text):
        if statement.path == path and not statement.is_header:
            lines = Lines(text)
            value = lines[statement.first - 1].partition("=")[2].strip()
            if statement.first == statement.last and value.startswith(('"', "'")):
                lines.delete(statement.first - 1, statement.last)
                return _with_table(str(lines), path, [f"uri = {value}"])
    return text


def _cut(text: str, path: tuple[str, ...]) -> str:
    """Without the statements about `path`, and without the blank line above a header that goes."""
    lines = Lines(text)
    for run in reversed(_runs(text, path)):
        first, end = run[0].first - 1, run[-1].last
        if run[0].is_header and not lines[first - 1]:
            first = max(first - 1, 0)
        lines.delete(first, end)
    return str(lines)


def _runs(text: str, path: tuple[str, ...]) -> list[list[Statement]]:
    """The statements about `path`, in runs without another statement between."""
    runs: list[list[Statement]] = []
    is_open = False
    for statement in statements(text):
        matches = statement.path[: len(path)] == path
        if matches and is_open:
            runs[-1].append(statement)
        elif matches:
            runs.append([statement])
        is_open = matches
    return runs
