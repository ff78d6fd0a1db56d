"""`modelsync cache rm`: which files a word means, whether they may go, and what goes with them."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from modelsync.errors import ModelsyncError, NotFoundError, RefusedError, UsageError
from modelsync.ops.cache.models import StoredModels
from modelsync.spec import uri as uris
from modelsync.spec.labels import plain_quant, quant_of, stem_of
from modelsync.spec.names import did_you_mean, printable
from modelsync.store import prune_plan

_DIGEST = r"(?:sha256:)?([0-9a-f]{8,64})"


class Removal(NamedTuple):
    """What is to go.

    Attributes:
        plan: The steps.
        busy: How many files stay, since a process is at work on them.
    """

    plan: prune_plan.PrunePlan
    busy: int


def removal(found: StoredModels, words: Sequence[str], *, lock: Path | None, force: bool = False) -> Removal:
    """Plans to remove what the words mean.

    Args:
        found: What is in the store.
        words: Names of models, URIs, repos, `repo:QUANT` as `cache list` shows them, digests or their beginnings.
        lock: The lock of the project at hand, whose names are meant first.
        force: Remove also what a lock that is alive needs.

    Raises:
        NotFoundError: the store has nothing of a word.
        RefusedError: a lock that is alive needs some of it.
        UsageError: a beginning of a digest is that of several.
    """
    digests = frozenset(digest for word in words for digest in meant(found, word, lock))
    if not force:
        refuse_needed(found, digests)
    busy = sum(thing.held and thing.key in digests for thing in found.survey.of("partial"))
    return Removal(prune_plan.removal(found.survey, digests), busy)


def meant(found: StoredModels, word: str, lock: Path | None) -> frozenset[str]:
    """The digests of the files in the store that a word means.

    Raises:
        NotFoundError: there are none.
        UsageError: it begins the digests of several files.
    """
    here = frozenset(digest for model in found.models for digest in model.digests)
    for ways in (_named, _of_uri, _titled, _of_digest):
        digests = ways(found, word, lock) & here
        if digests:
            return digests
    titles = tuple(model.title for model in found.models)
    raise NotFoundError(
        f"the store has nothing of `{printable(word)}`{did_you_mean(word, titles)}",
        hint="`modelsync cache list` shows what it has",
    )


def refuse_needed(found: StoredModels, digests: frozenset[str]) -> None:
    """Refuses to remove what a lock that is alive names.

    Raises:
        RefusedError: one does, or may: something in the store that tells what is needed cannot be read.
    """
    hint = "--force removes it all the same, and the next sync fetches it again"
    for model in found.models:
        mine = model.digests & digests
        living = [need for need in model.needs if need.lives and not mine.isdisjoint(need.digests)]
        if living:
            raise RefusedError(f"{model.title} is needed by {needers_text(found, mine)}", hint=hint)
    if None in found.survey.roots.values():
        raise RefusedError("what tells who needs it cannot be read: it may be needed", hint=hint)


def needers_text(found: StoredModels, digests: frozenset[str]) -> str:
    """`/home/me/app (llama3), /srv/bot (chat)`: the projects whose locks name any of the files now."""
    texts = []
    for need in found.needs:
        if need.lives and need.lock is not None and not digests.isdisjoint(need.digests):
            names = [
                model.title
                for model in found.locks.get(need.lock, ())
                if not digests.isdisjoint(file.sha256 for file in model.files)
            ]
            folder = printable(str(Path(need.lock).parent), 1000)
            texts.append(f"{folder} ({', '.join(names)})" if names else folder)
    return ", ".join(texts)


def _named(found: StoredModels, word: str, lock: Path | None) -> frozenset[str]:
    """By the name of a model: in the lock at hand, else in any lock."""
    mine = str(lock.absolute()) if lock is not None else None
    if mine is not None and mine in found.locks:
        digests = _digests(found, [mine], word)
        if digests:
            return digests
    return _digests(found, found.locks, word)


def _digests(found: StoredModels, locks: Iterable[str], word: str) -> frozenset[str]:
    return frozenset(
        file.sha256
        for lock in locks
        for model in found.locks[lock]
        if word in (model.name, model.title)
        for file in model.files
    )


def _of_uri(found: StoredModels, word: str, _: Path | None) -> frozenset[str]:
    with suppress(ModelsyncError):
        asked = uris.parse(word)
        pulled = {digest for need in found.needs if need.uri == str(asked) for digest in need.digests}
        if pulled:
            return frozenset(pulled)
        if isinstance(asked.uri, uris.HfUri):
            return _of_hub(found, asked.uri)
        address = str(asked.uri)
        if isinstance(asked.uri, uris.OciUri):
            return frozenset(
                file.sha256
                for models in found.locks.values()
                for model in models
                if model.request.get("uri") == address
                for file in model.files
            )
        return frozenset(digest for digest, file in found.known.items() if file.url == address)
    return frozenset()


def _of_hub(found: StoredModels, asked: uris.HfUri) -> frozenset[str]:
    def right(path: str) -> bool:
        if asked.path is not None:
            return path == asked.path or stem_of(path) == stem_of(asked.path)
        if asked.quant is None:
            return True
        quant = quant_of(path)
        return quant is not None and (
            quant.lower() == asked.quant.lower() or plain_quant(quant) == plain_quant(asked.quant)
        )

    return frozenset(
        digest for digest, file in found.known.items() if file.repo == asked.repo and right(file.path)
    )


def _titled(found: StoredModels, word: str, _: Path | None) -> frozenset[str]:
    """As `cache list` shows it, or by the repo."""
    exact = frozenset(digest for model in found.models if model.title == word for digest in model.digests)
    return exact or frozenset(
        digest for model in found.models if model.repo == word for digest in model.digests
    )


def _of_digest(found: StoredModels, word: str, _: Path | None) -> frozenset[str]:
    match = re.fullmatch(_DIGEST, word.lower())
    if match is None:
        return frozenset()
    every = {digest for model in found.models for digest in model.digests}
    digests = frozenset(digest for digest in every if digest.startswith(match[1]))
    if len(digests) > 1:
        raise UsageError(f"{len(digests)} files begin with {match[1]}", hint="write more of the sha256")
    return digests
