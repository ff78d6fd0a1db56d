"""`modelsync add` and `modelsync remove`: edit the manifest, then lock and sync."""

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from modelsync.cli import completion, edit_report, options, sizes
from modelsync.cli.command import command
from modelsync.cli.help_page import RareOption
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import safe
from modelsync.context import CallOptions
from modelsync.errors import CancelledError, ModelsyncError, UsageError
from modelsync.ops.options import SyncOptions
from modelsync.project.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelsync.context import Context
    from modelsync.fit.best_quant import Chosen
    from modelsync.fit.estimation import EstimateOptions
    from modelsync.install.report import SyncReport
    from modelsync.project.project import Project
    from modelsync.spec.manifest.edit import NewModel
    from modelsync.spec.uri import Reference

no_sync = click.option("--no-sync", is_flag=True, help="Lock, and fetch nothing.")
frozen = click.option(
    "--frozen", cls=RareOption, is_flag=True, help="Edit the manifest alone; make no request."
)


def _new_model(
    name: str, uri: str, mmproj: str | None, loras: tuple[str, ...], draft: str | None, **given: Any
) -> "NewModel":
    from modelsync.spec import uri as uris
    from modelsync.spec.manifest.edit import NewModel

    def beside(text: str | None) -> "Reference | Literal[True] | None":
        return True if text == "" else parse(text) if text else None

    parse = partial(uris.parse, hub=click.get_current_context().ensure_object(Invocation).hub())
    return NewModel(
        name,
        parse(uri),
        mmproj=beside(mmproj),
        loras=tuple(map(parse, loras)),
        draft=beside(draft),
        **given,
    )


@command(
    "add",
    short_help="Add a model to the manifest, lock and sync it.",
    examples=(
        ("modelsync add llama3 hf:user/model:Q4_K_M", "one quant of a repo"),
        ("modelsync add llama3 hf:user/model --fit", "the best quant for this machine"),
        ("modelsync add embed hf:user/model --include '*.json'", "files of any type, as a folder"),
    ),
)
@options.value(
    "model",
    _new_model,
    click.argument("name"),
    click.argument("uri"),
    click.option("--revision", metavar="REV", help="A branch, tag or commit."),
    *options.GLOBS,
    click.option(
        "--mmproj",
        metavar="[URI]",
        is_flag=False,
        flag_value="",
        help="The vision or audio projector: the one beside the model, or this.",
    ),
    click.option("--lora", "loras", metavar="URI", multiple=True, help="A LoRA adapter; may be repeated."),
    click.option(
        "--draft",
        cls=RareOption,
        metavar="[URI]",
        is_flag=False,
        flag_value="",
        help="The draft head for speculative decoding: the one beside the model, or this.",
    ),
    click.option(
        "--group",
        "groups",
        metavar="G",
        multiple=True,
        shell_complete=completion.groups,
        help="Put the model in this group; may be repeated.",
    ),
    click.option("--sha256", cls=RareOption, metavar="HEX", help="What the model's file must be."),
    click.option(
        "--license",
        cls=RareOption,
        metavar="ID",
        help="State its license, where its source names none: apache-2.0, LicenseRef-NAME.",
    ),
    click.option(
        "--variant",
        metavar="V",
        shell_complete=completion.variants,
        help="Add this as a variant of the model that is there.",
    ),
)
@click.option(
    "--force", is_flag=True, help="Replace the entry of that name, or that variant of it, with all its keys."
)
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be added.")
@click.option("--fit", is_flag=True, help="Choose the best quant of the repo that fits this machine.")
@options.value(
    "asked",
    sizes.asked_of,
    click.option(
        "--ctx",
        "context",
        type=click.IntRange(0),
        metavar="N",
        help="With --fit: tokens of context to have room for; 4096.",
    ),
    *sizes.MACHINE,
)
@options.require_fit
@options.adopt
@options.mirrors
@options.transfer
@no_sync
@frozen
def add(
    invocation: Invocation,
    model: "NewModel",
    force: bool,
    dry_run: bool,
    fit: bool,
    asked: "EstimateOptions",
    call: CallOptions,
    no_sync: bool,
    frozen: bool,
) -> None:
    """Add the model at URI to the manifest under NAME, then lock and sync it.

    \b
    URI is one of
      hf:user/model:QUANT          a quant of a repo on Hugging Face
      hf:user/model/path/x.gguf    one file of it, of any type
      https://…                    any web page of those, or a direct URL
      ./x.gguf                     a file of this project
      docker:ai/smollm2, ollama:llama3.2:3b, oci://registry/repo:tag
                                   a model of a registry

    Of a repo with several quants, the one that is taken is written into the manifest.

    With --include, URI is `hf:user/model`, and the files that match are one folder, of any type.

    With --fit, URI is `hf:user/model`, or a registry's repository without a tag, and the best quant that fits is
    written into the manifest.

    --endpoint is written into the manifest, for this model.
    """
    from modelsync.ops import edit

    if not fit and asked != sizes.asked_of((), None):
        raise UsageError(
            "--ctx, --gpu and --ram say what --fit is to choose for",
            hint="add --fit, or set n_ctx in the load table of the manifest",
        )
    if fit and model.include:
        raise UsageError(
            "--fit chooses a GGUF quant, and --include makes a folder of files", hint="give one of them"
        )
    if fit and frozen:
        raise UsageError("--fit asks the hub which quants there are, and --frozen makes no request")
    chosen: list[Chosen] = []

    def choose(context: "Context", reference: "Reference") -> "Reference":
        from modelsync.fit import best_quant
        from modelsync.spec.request import Companions

        companions = Companions(model.mmproj, tuple(model.loras), model.draft)
        found = best_quant.best_quant(context, reference, asked, companions=companions)
        invocation.say(*map(safe, (*found.notes, *best_quant.reasons(found))))
        chosen.append(found)
        return found.reference

    model = model._replace(endpoint=invocation.endpoint)
    project = invocation.project().loaded()
    with invocation.context(call) as context:
        locked = edit.add(
            context,
            project,
            model,
            frozen=frozen,
            force=force,
            dry_run=dry_run,
            choose=partial(choose, context) if fit else None,
        )
        more: dict[str, Any] = {"fit": chosen[0].to_dict()} if chosen else {}
        tell: Callable[..., None] = partial(
            edit_report.tell,
            invocation,
            locked,
            edited=f"{model.name} is in {project.manifest_path.name}",
            **more,
        )
        synced = None
        if not (no_sync or dry_run or locked is None):
            synced = _sync(context, project, [model.name], tell, replaced=force)
    if dry_run:
        edit_report.tell_supposed(
            invocation, locked, f"{model.name} would be in {project.manifest_path.name}", more
        )
    else:
        tell(synced)


@command(
    "remove",
    short_help="Remove models from the project.",
    examples=(
        ("modelsync remove llama3", "and its links in the project's folder"),
        ("modelsync remove llama3 --variant server", "one of its variants"),
        ("modelsync remove llama3 --no-sync", "from manifest and lock alone"),
    ),
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=completion.names)
@click.option(
    "--variant",
    metavar="V",
    shell_complete=completion.variants,
    help="Remove this variant of each alone; the model stays.",
)
@no_sync
@frozen
def remove(
    invocation: Invocation, names: tuple[str, ...], variant: str | None, no_sync: bool, frozen: bool
) -> None:
    """Remove models from the manifest and the lock, with their variants; then the links of the project's folder go too.

    The store keeps the files until `modelsync cache prune`.
    """
    from modelsync.ops import edit

    project = invocation.project().loaded()
    with invocation.context() as context:
        locked = edit.remove(context, project, names, variant=variant, frozen=frozen)
        of = f" ({variant})" if variant else ""
        gone = ", ".join(f"{name}{of}" for name in sorted(set(names)))
        tell = partial(
            edit_report.tell,
            invocation,
            locked,
            edited=f"removed from {project.manifest_path.name}: {gone}",
        )
        synced = None if no_sync or locked is None else _sync(context, project, (), tell)
    tell(synced)


def _sync(
    context: "Context",
    project: "Project",
    names: "Sequence[str]",
    tell: "Callable[..., None]",
    *,
    replaced: bool = False,
) -> "SyncReport":
    """Syncs what was just locked. What breaks off here has left manifest and lock as they are meant to be.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        names: The models; none: all.
        tell: Says what was done, of the report of a sync that failed for some models too.
        replaced: Whether their entries took the place of others, whose links go.
    """
    from modelsync.ops import sync

    hint = f"{project.manifest_path.name} and {project.lock_path.name} are written; `modelsync sync` does the rest"
    try:
        chosen = SyncOptions(Selection(names), as_synced=True, replaced=tuple(names) if replaced else ())
        return sync.sync(context, project, chosen)
    except ModelsyncError as error:
        error.advise(hint)
        tell(cast("SyncReport | None", error.report), failed=error)
        raise
    except KeyboardInterrupt:
        raise CancelledError("interrupted; what has arrived is kept", hint=hint) from None
