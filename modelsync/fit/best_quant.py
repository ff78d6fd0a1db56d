"""Chooses the quant of a repo that is the best for this machine: `modelsync add --fit`."""

from typing import Any, NamedTuple

from modelsync.context import Context
from modelsync.errors import MisfitError, OfflineError, UsageError
from modelsync.fit.candidates import repo_of, shown_repo
from modelsync.fit.estimation import EstimateOptions, Estimation
from modelsync.fit.quants import estimate_quants
from modelsync.sizes import size
from modelsync.spec.names import printable
from modelsync.spec.request import NO_COMPANIONS, Companions
from modelsync.spec.uri import HfUri, OciUri, Reference, Uri, parse


class Chosen(NamedTuple):
    """A quant, and why it and no other.

    Attributes:
        reference: Its URI.
        best: What it needs.
        next: What the next larger one would have needed; None: there is none larger.
        among: Quants that there were to choose among.
        notes: What a person should be told of the others and of the machine.
    """

    reference: Reference
    best: Estimation
    next: Estimation | None
    among: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "uri": str(self.reference),
            "best": self.best.to_dict(),
            "next": None if self.next is None else self.next.to_dict(),
        }


def best_quant(
    context: Context,
    reference: Reference,
    asked: EstimateOptions | None = None,
    *,
    companions: Companions = NO_COMPANIONS,
) -> Chosen:
    """The best quant of a repo for this machine, or for one that is described.

    The best is the largest that has all its layers on the GPUs; if none has, or there is no GPU, the largest that fits.
    This machine counts with its memory in total, less a part for the system: what is free now is not what will be
    free, and the answer is written down.

    Args:
        context: What to work with.
        reference: An `hf:` URI without a quant, or that of a registry without a tag.
        asked: What is asked over llama-cpp-python's defaults; a context of 4096 tokens and as many layers on GPUs as
            fit, if nothing else is said.
        companions: What is loaded with the model.

    Raises:
        UsageError: the URI is no repo of an `hf:` hub, or names a quant already.
        OfflineError: the network was ruled out.
        MisfitError: no quant fits.
        ModelsyncError: whatever `quants.estimate_quants` raises.
    """
    uri = reference.uri
    repo = repo_of(uri)
    if repo is None:
        raise UsageError(
            f"--fit chooses among the quants of a repo, and {reference} is none",
            hint="give it a URI like hf:user/model",
        )
    shown = shown_repo(repo)
    what = _chosen_already(uri)
    if what is not None:
        raise UsageError(
            f"--fit chooses the quant, and the URI names {what}",
            hint=f"leave one of them out: --fit {shown}, or the URI alone",
        )
    if not context.asks_origin:
        raise OfflineError(
            f"--fit asks which quants {shown} has, and the network is ruled out",
            hint="leave out --offline, or name a quant",
        )
    table = estimate_quants(context, reference, asked, steady=True, companions=companions)
    best = table.best
    if best is None:
        least = table.rows[0]
        raise MisfitError(
            f"no quant of {shown} fits: the smallest, {least.quant}, needs {size(least.estimate.need)}"
            f" with a context of {least.estimate.context:,} tokens, and {least.verdict.text}",
            hint=f"`modelsync estimate {shown}` says what each needs; a smaller --ctx needs less",
        )
    larger = table.rows[table.rows.index(best) + 1 :]
    return Chosen(
        Reference(parse(best.title).uri, reference.revision),
        best,
        larger[0] if larger else None,
        len(table.rows),
        table.notes,
    )


def _chosen_already(uri: Uri) -> str | None:
    """What of a repo a URI names, in words; None: nothing."""
    if isinstance(uri, OciUri):
        return f"the tag {uri.tag}" if uri.tag != "latest" else None
    if isinstance(uri, HfUri) and uri.quant is not None:
        return f"the quant {uri.quant}"
    return f"the file {printable(str(uri.path))}" if isinstance(uri, HfUri) and uri.path is not None else None


def reasons(chosen: Chosen) -> tuple[str, ...]:
    """What was chosen and why, and what the next larger one would have needed, in words."""
    best, larger = chosen.best, chosen.next
    which = f"the largest of {chosen.among} quants" if chosen.among > 1 else "the only quant"
    if larger is not None:
        which += " that is all on the GPUs" if larger.verdict.fits else " that fits"
    words = [f"chose {best.quant}, {which}: it needs {_needs(best)}, and {best.verdict.text}"]
    if larger is not None:
        words.append(f"the next larger, {larger.quant}, would need {_needs(larger)}: {larger.verdict.text}")
    return tuple(words)


def _needs(row: Estimation) -> str:
    about = "at most " if row.estimate.bound else ""
    return f"{about}{size(row.estimate.need)} with a context of {row.estimate.context:,} tokens"
