"""The plan: the steps from what is on this machine to what the lock says. Pure, and printable."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.spec.lock.model import LockedFile, LockedModel

Verb = Literal["fetch", "adopt", "check", "view", "link", "unlink"]
BlobState = Literal["here", "suspect", "missing"]

_SHOWN = 3  # files of one model that are told one by one


class Step(NamedTuple):
    """One thing to do.

    `fetch` a blob over the network, `adopt` one from a file that is here already, `check` one that changed since
    it was stored, make a `view`, `link` into the project's folder or `unlink` from it. `target` is the blob's
    digest, or the path in the project's folder; `bytes` are those that the step reads or fetches. `place` says in words
    where a file is adopted from.
    """

    verb: Verb
    model: "LockedModel | None"
    target: str
    file: "LockedFile | None" = None
    bytes: int = 0
    place: str = "the project's folder"
    links: bool = False  # no byte has to be copied

    @property
    def room(self) -> int:
        """Bytes of the store's disk that the step may need."""
        return 0 if self.links else self.bytes


class Offer(NamedTuple):
    """What another tool has: the place in words, and whether a link suffices."""

    place: str
    links: bool


class Here(NamedTuple):
    """A snapshot of this machine, taken for some locked models.

    Attributes:
        blobs: The state of each digest.
        copies: Digests whose bytes seem to stand in the project's folder, of the right name and size.
        offers: What other tools' caches seem to have, by digest.
        views: Indices of the models whose view is whole.
        links: What stands in the project's folder and modelsync put there: path to digest. Of what is not wanted,
            only what was put there for this project.
    """

    blobs: Mapping[str, BlobState]
    copies: frozenset[str] = frozenset()
    views: frozenset[int] = frozenset()
    links: Mapping[str, str] = {}
    offers: Mapping[str, Offer] = {}


class Plan(NamedTuple):
    """Steps in the order they are done in: blobs, views, links, and removals last.

    `allowed` is what the manifest permits to run code when it is loaded.
    """

    steps: tuple[Step, ...]
    allowed: Mapping[tuple[str, str | None], tuple[str, ...]] = {}  # globs by name and variant

    def of(self, *verbs: Verb) -> tuple[Step, ...]:
        """The steps of these verbs, in order."""
        return tuple(step for step in self.steps if step.verb in verbs)

    @property
    def bytes_to_fetch(self) -> int:
        """What the network has to bring, in bytes."""
        return sum(step.bytes for step in self.of("fetch"))

    def keeping_links(self, names: Collection[str]) -> "Plan":
        """The plan without the removal of links of the models of these names."""
        return Plan(
            tuple(
                step
                for step in self.steps
                if step.verb != "unlink" or step.target.partition("/")[0] not in names
            )
        )

    def without(self, models: "Sequence[LockedModel]") -> "Plan":
        """The plan without what concerns these models; what is linked for them stays."""
        rest = Plan(tuple(step for step in self.steps if not any(step.model is model for model in models)))
        return rest.keeping_links({model.name for model in models})


def make(
    models: "Sequence[LockedModel]",
    here: Here,
    *,
    linked: bool,
    exact: bool,
    exact_names: Collection[str] = (),
) -> Plan:
    """Plans how `models` come to be here.

    Args:
        models: What is wanted; several variants of one name, if `clash` finds none of their files at one place.
        here: What there is.
        linked: Whether the files are wanted in the project's folder too.
        exact: Whether links in that folder that are wanted no more are removed.
        exact_names: Names of models whose links are removed so, where `exact` is False.
    """
    blobs: dict[str, Step] = {}
    views: list[Step] = []
    links: list[Step] = []
    wanted: set[str] = set()
    for index, model in enumerate(models):
        for file in model.files:
            state = here.blobs[file.sha256]
            key = file.sha256 or f"{model.title}/{file.path}"  # a dry run does not know every digest
            if state != "here" and key not in blobs:
                blobs[key] = _blob_step(model, file, here)
        if index not in here.views:
            views.append(Step("view", model, model.name))
        if linked:
            for file, target in link_targets(model):
                new = target not in wanted
                wanted.add(target)
                if new and here.links.get(target) != file.sha256:
                    links.append(Step("link", model, target, file))
    gone = [
        Step("unlink", None, target)
        for target in sorted(here.links.keys() - wanted if linked else ())
        if exact or target.partition("/")[0] in exact_names
    ]
    return Plan((*blobs.values(), *views, *links, *gone))


def clash(models: "Iterable[LockedModel]") -> "tuple[LockedModel, LockedModel, str] | None":
    """Two models of which different files would have one path in the project's folder, and that path; None: none."""
    taken: dict[str, tuple[str, LockedModel]] = {}
    for model in models:
        for file, target in link_targets(model):
            sha256, other = taken.setdefault(target, (file.sha256, model))
            if sha256 != file.sha256:
                return other, model, target
    return None


def bytes_here(models: "Iterable[LockedModel]", here: Here) -> int:
    """Bytes of these models that are in the store already; a file that several share counts once."""
    files = (file for model in models for file in model.files if here.blobs[file.sha256] == "here")
    return sum({file.sha256: file.size for file in files}.values())


def describe(step: Step) -> str:
    """A step in words."""
    model = step.model.title if step.model else ""
    path = step.file.path if step.file else ""
    match step.verb:
        case "fetch":
            return f"fetch {model}: {path}"
        case "adopt":
            return f"take {model}: {path} from {step.place} into the store"
        case "check":
            return f"check {model}: {path}, which changed since it was stored"
        case "view":
            return f"make the files of {model} available under their names"
        case "link":
            return f"link {step.target}"
        case "unlink":
            return f"remove {step.target}"


def summary(steps: "Iterable[Step]") -> list[tuple[str, int | None]]:
    """Steps in words, each with the bytes that it moves or reads, or None where it does neither.

    What is done with many files of one model is told once.
    """
    groups: dict[tuple[str, object], list[Step]] = {}
    for step in steps:
        name = step.target.partition("/")[0] if step.verb == "unlink" else ""
        many = step.verb == "unlink" or (step.model is not None and step.model.is_folder)
        key: object = (name, id(step.model)) if many else id(step)
        groups.setdefault((step.verb, key), []).append(step)
    told: list[tuple[str, int | None]] = []
    for (verb, _), group in groups.items():
        sized = verb in ("fetch", "adopt", "check")
        if len(group) <= _SHOWN:
            told += ((describe(step), step.bytes if sized else None) for step in group)
        else:
            told.append((_together(group), sum(step.bytes for step in group) if sized else None))
    return told


def lacking(steps: "Iterable[Step]", folder: str) -> str:
    """What is not as the lock says, in a line: `2 models are not here, 1 is not in models/`.

    Args:
        steps: What there is to do; at least one step.
        folder: What the project's folder is called.
    """
    steps = list(steps)
    lost = {step.target for step in steps if step.verb in ("fetch", "adopt")}
    models: dict[Verb, set[str]] = {}
    for step in steps:
        if step.model is not None:
            shares = any(
                file.sha256 in lost for file in step.model.files
            )  # one step fetches what several models have
            models.setdefault("fetch" if shares else step.verb, set()).add(step.model.title)
    stray = sum(step.verb == "unlink" for step in steps)
    told: set[str] = set()
    words: list[str] = []
    states: tuple[tuple[tuple[Verb, ...], str], ...] = (
        (("fetch", "adopt"), "not here"),
        (("check",), "to be checked: files changed since they were stored"),
        (("view",), "not ready to be used"),
        (("link",), f"not in {printable(folder)}"),
    )
    for verbs, state in states:
        titles = {title for verb in verbs for title in models.get(verb, ())} - told
        told |= titles
        if titles:
            noun = "" if words else " model" if len(titles) == 1 else " models"
            words.append(f"{len(titles)}{noun} {'is' if len(titles) == 1 else 'are'} {state}")
    if stray:
        words.append(f"{stray} {'file is' if stray == 1 else 'files are'} not wanted any more")
    return ", ".join(words)


def _together(steps: "Sequence[Step]") -> str:
    """What is done with several files of one model, in words."""
    first, count = steps[0], f"{len(steps)} files"
    name = first.model.title if first.model else first.target.partition("/")[0]
    match first.verb:
        case "adopt":
            return f"take {count} of {name} from the project's folder into the store"
        case "check":
            return f"check {count} of {name}, which changed since they were stored"
        case "unlink":
            return f"remove {count} from {name}/"
        case verb:
            return f"{verb} {count} of {name}"


def link_targets(model: "LockedModel") -> "Iterable[tuple[LockedFile, str]]":
    """Each file with its path in the project's folder: `<name>/<file>`."""
    from modelsync.spec.view_names import shown_names

    return (
        (file, f"{model.name}/{shown}")
        for file, shown in zip(model.files, shown_names(model.files), strict=True)
    )


def _blob_step(model: "LockedModel", file: "LockedFile", here: Here) -> Step:
    step = Step("fetch", model, file.sha256, file, file.size)
    if here.blobs[file.sha256] == "suspect":
        return step._replace(verb="check")
    if file.sha256 in here.copies:
        return step._replace(verb="adopt")
    offer = here.offers.get(file.sha256)
    return step if offer is None else step._replace(verb="adopt", place=offer.place, links=offer.links)
