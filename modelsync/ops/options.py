"""What `sync`, `lock` and `push` were asked to do. Light: built for every sync, one with nothing to do too."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from modelsync.errors import UsageError
from modelsync.project.selection import Selection, VariantChoice

if TYPE_CHECKING:
    from modelsync.registry.forms import Form
    from modelsync.spec.uri import Reference
    from modelsync.store.links import LinkMode


class FolderOptions(NamedTuple):
    """Which files of a repo are a folder model.

    Attributes:
        include: Globs of the files to take; none: the model is no folder.
        exclude: Globs of files that are left out.
        allow_code: Globs of files that may run code when they are loaded.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    allow_code: tuple[str, ...] = ()


NO_FOLDER = FolderOptions()


class PullOptions(NamedTuple):
    """What a pull was asked beside its URIs.

    Attributes:
        globs: Which files of each repo are a folder model.
        mmproj: True for the projector beside each model, or where another is.
        revision: The branch, tag or commit of each URI that names none.
        dry_run: Fetch nothing; say what would be.
    """

    globs: FolderOptions = NO_FOLDER
    mmproj: "Reference | Literal[True] | None" = None
    revision: str | None = None
    dry_run: bool = False


PLAIN_PULL = PullOptions()


class Upgrade(NamedTuple):
    """Which models upstream is asked about again, though the lock has an answer.

    Attributes:
        every_model: All of them.
        models: These.
        repin: Take the newest commit even where it has the same files; without `models`, of all of them.
    """

    every_model: bool = False
    models: Sequence[str] = ()
    repin: bool = False

    @property
    def wanted(self) -> bool:
        """Whether there is any."""
        return bool(self.every_model or self.models or self.repin)

    def concerns(self, name: str) -> bool:
        """Whether the model of that name is among them."""
        return self.every_model or name in self.models or (self.repin and not self.models)


class Merging(NamedTuple):
    """That a lock which git could not merge is read, both sides of it.

    Attributes:
        ours: Which side's answer counts where both have one to the same request, and not the same: True, that of the
            branch that was merged into; False, the other's; None: that is an error.
    """

    ours: bool | None = None


class SyncOptions(NamedTuple):
    """What a sync was asked to do.

    Attributes:
        selection: The models to sync.
        locked: Fail if the lock is stale, instead of bringing it up to date.
        frozen: Take the lock as it is, and do not compare it with the manifest.
        check: Change nothing; fail if anything would have to be done.
        dry_run: Change nothing; the report's plan says what would be done.
        directory: The folder to link into, over the manifest's `dir`.
        link_mode: How files come into that folder.
        inexact: Keep links that are no longer wanted.
        replace: Before the first byte, free what the lock needed before and nothing else needs: for a disk that
            cannot hold two versions. If the fetch then fails, the old version is gone.
        upgrade: The models that upstream is asked about first.
        as_synced: Whether a model of which no variant is asked stays as it was synced last, for a command that syncs
            on its way; a plain sync means the entry itself.
        replaced: Names whose entry was just replaced: their links that are no longer wanted are removed, although the
            sync is of a part.
    """

    selection: Selection = Selection()
    locked: bool = False
    frozen: bool = False
    check: bool = False
    dry_run: bool = False
    directory: Path | None = None
    link_mode: "LinkMode" = "auto"
    inexact: bool = False
    replace: bool = False
    upgrade: Upgrade = Upgrade()
    as_synced: bool = False
    replaced: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether this is a sync of the whole project as the manifest says, the kind that is remembered."""
        every = isinstance(self.selection.variant, VariantChoice) and self.selection.variant.everything
        part = self.selection.partial or self.directory or self.upgrade.wanted or every
        return not part and self.link_mode == "auto"

    @property
    def exact(self) -> bool:
        """Whether links that are no longer wanted are removed."""
        return not (self.inexact or self.selection.partial)

    @property
    def writes(self) -> bool:
        """Whether this machine may be changed."""
        return not (self.check or self.dry_run)

    def check_combination(self) -> None:
        """Checks that the options go together.

        Raises:
            UsageError: two of them contradict each other.
        """
        if self.locked and self.frozen:
            raise UsageError(
                "--locked and --frozen do not go together", hint="--frozen alone takes the lock as it is"
            )
        if (self.locked or self.frozen or self.check) and self.upgrade.wanted:
            raise UsageError("an upgrade writes the lock, which --locked, --frozen and --check rule out")


class PushOptions(NamedTuple):
    """What a push was asked to do.

    Attributes:
        form: What the models become there.
        tag: Whether they get tags of their names too.
        dry_run: Ask what is there, and send nothing.
    """

    form: "Form" = "modelpack"
    tag: bool = False
    dry_run: bool = False
