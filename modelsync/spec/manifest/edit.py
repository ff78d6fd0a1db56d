"""Edits of a manifest's text that keep its comments, its order and every other byte."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from modelsync.errors import UsageError
from modelsync.spec.manifest.read import parse
from modelsync.spec.names import check_name
from modelsync.spec.roles import COMPANIONS
from modelsync.spec.uri import Reference
from modelsync.version import __version__

_TEMPLATE = """\
# The models of this project: `modelsync add NAME URI` adds one, `modelsync sync` makes them be here.

[modelsync]
# dir = "models"                  # also link the files here, as <dir>/<name>/<file>
# default-groups = ["chat"]       # what a bare `sync` takes besides the ungrouped; without this, all
# allowed-licenses = ["apache-2.0", "mit"]  # models under others, and under none that is known, are refused
# required-version = ">=VERSION"  # who has an older modelsync is told to upgrade it

[models]
# embed = "hf:nomic-ai/nomic-embed-text-v1.5-GGUF:Q8_0"
#
# [models.llama3]
# uri = "hf:bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M"
# revision = "main"               # a branch, tag or commit
# mmproj = true                   # or a URI: the projector for images or sound
# draft = true                    # or a URI: the draft head, for speculative decoding
# loras = ["hf:user/adapter/adapter.gguf"]
# groups = ["chat"]
# load = { n_ctx = 8192 }         # for modelsync.load()
#
# [models.llama3.variants.server] # what differs; for `sync --variant server`
# uri = "hf:bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q8_0"
#
# [models.minilm]                 # a folder of files of any type: its path is the folder
# uri = "hf:sentence-transformers/all-MiniLM-L6-v2"
# include = ["*.json", "model.safetensors", "1_Pooling/*"]
"""


class NewModel(NamedTuple):
    """A model to add, or a variant of one that is there.

    Attributes:
        name: The model's name.
        reference: Where it is; it may name the revision.
        revision: Its branch, tag or commit.
        include: Globs of the files of a folder model.
        exclude: Globs of files that it leaves out.
        allow_code: Globs of files that may run code when they are loaded.
        mmproj: True for the projector beside it, or where another is.
        loras: Its adapters.
        draft: True for the draft head beside it, or where another is.
        groups: Its groups.
        endpoint: The hub of this model.
        sha256: What its file must be.
        variant: The variant to add; None: the model itself.
        license: What a person states, where its source publishes none.
    """

    name: str
    reference: Reference
    revision: str | None = None
    mmproj: Reference | Literal[True] | None = None
    loras: Sequence[Reference] = ()
    draft: Reference | Literal[True] | None = None
    groups: Sequence[str] = ()
    endpoint: str | None = None
    sha256: str | None = None
    variant: str | None = None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    allow_code: Sequence[str] = ()
    license: str | None = None


def template() -> str:
    """A manifest without models, with comments that explain what it can hold."""
    return _TEMPLATE.replace("VERSION", __version__)


def add(text: str, model: NewModel, *, force: bool = False, where: str = "models.toml") -> str:
    """The manifest with one more model: a line in `[models]` if there is only a URI, else a table.

    Args:
        text: The manifest.
        model: The model to add.
        force: Replace what has its name, or of a variant the variant, with all its keys.
        where: The manifest's name, for messages.

    Raises:
        UsageError: the name cannot be one, or is taken; or two revisions are named; or what would be replaced has
            variants.
        NotFoundError: there is no model to add the variant to.
        ManifestError: the manifest is wrong, or written in a way that this cannot edit.
    """
    from modelsync.spec.manifest.draft import Draft

    name, reference, revision, variant = model.name, model.reference, model.revision, model.variant
    path = ("models", check_name(name)) + (() if variant is None else ("variants", check_name(variant)))
    if variant is not None and model.groups:
        raise UsageError("a variant has the groups of its model", hint="leave the groups away")
    if None not in (revision, reference.revision) and revision != reference.revision:
        raise UsageError(f"two revisions are named: {reference.revision} and {revision}")
    values: dict[str, Any] = {
        "uri": str(reference.uri),
        "revision": revision or reference.revision,
        "include": list(model.include),
        "exclude": list(model.exclude),
        "allow-code": list(model.allow_code),
        **{each.key: _written(getattr(model, each.key)) for each in COMPANIONS},
        "sha256": model.sha256,
        "endpoint": model.endpoint,
        "license": model.license,
        "groups": list(model.groups),
    }
    values = {key: value for key, value in values.items() if value}
    before = parse(text, where=where)
    if variant is not None:
        before.entry(name)
    if any(entry.key == (name, variant) for entry in before.entries):
        if not force:
            raise _taken(name, variant)
        if variant is None and any(entry.name == name and entry.variant for entry in before.entries):
            raise UsageError(
                f"`{name}` has variants, which --force would remove with it",
                hint=f"`modelsync remove {name}` first, or replace one variant with --variant",
            )
        text = remove(text, [name], variant=variant, where=where)
    draft = Draft(text, path, where)
    draft.put(values)
    new = draft.finished(values)
    parse(new, where=where)
    return new


def remove(text: str, names: Sequence[str], *, variant: str | None = None, where: str = "models.toml") -> str:
    """The manifest without these models and their variants; with `variant`, without that variant of each.

    Comments between their lines are removed with them. Those above and below stay: they may be about several models.

    Raises:
        NotFoundError: one of the names, or its variant, is not there.
        ManifestError: the manifest is wrong, or written in a way that this cannot edit.
    """
    from modelsync.spec.manifest.draft import Draft

    before = parse(text, where=where)
    for name in names:
        before.entry(name, variant)
    for name in dict.fromkeys(names):
        path: tuple[str, ...] = ("models", name)
        if variant is not None:
            others = [entry for entry in before.entries if entry.name == name and entry.variant]
            path = (*path, "variants") if len(others) == 1 else (*path, "variants", variant)
        draft = Draft(text, path, where)
        draft.cut()
        text = draft.finished()
    return text


def _written(value: Reference | Sequence[Reference] | bool | None) -> str | list[str] | bool | None:
    """A companion's value as a manifest has it."""
    if isinstance(value, Reference):  # before the tuples: it is one
        return str(value)
    return value if value is None or isinstance(value, bool) else list(map(str, value))


def _taken(name: str, variant: str | None) -> UsageError:
    if variant is None:
        hint = f"--force replaces it; `modelsync remove {name}` removes it"
        return UsageError(f"`{name}` is there already", hint=hint)
    return UsageError(f"the variant `{variant}` of `{name}` is there already", hint="--force replaces it")
