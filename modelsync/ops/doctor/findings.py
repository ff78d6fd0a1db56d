"""The result of a look at a machine: findings in groups, each with what mends it. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

from modelsync.errors import ModelsyncError

# `note`: worth knowing; `warning`: it works, though not as it could; `wrong`: something will not work.
State: TypeAlias = Literal["fine", "note", "warning", "wrong"]


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: What it is, in a word or two.
        text: What was found.
        state: How that is.
        hint: What mends it, or would be better; None where nothing is to be said.
    """

    name: str
    text: str
    state: State = "fine"
    hint: str | None = None


class FindingGroup(NamedTuple):
    """Findings about one part of the machine."""

    name: str
    findings: tuple[Finding, ...]


class Report(NamedTuple):
    """All that was found, in the order that it is read in."""

    groups: tuple[FindingGroup, ...]

    def of(self, *states: State) -> Iterator[tuple[str, Finding]]:
        """The findings of these states, each with its group's name."""
        for group in self.groups:
            yield from ((group.name, finding) for finding in group.findings if finding.state in states)

    @property
    def well(self) -> bool:
        """Whether nothing is wrong; there may be warnings."""
        return not any(self.of("wrong"))

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "well": self.well,
            "groups": [
                {"name": group.name, "findings": [finding._asdict() for finding in group.findings]}
                for group in self.groups
            ],
        }


def group(name: str, findings: Iterable[Finding]) -> FindingGroup:
    """A group, with all its findings looked at now."""
    return FindingGroup(name, tuple(findings))


def fault(name: str, error: ModelsyncError, state: State = "wrong") -> Finding:
    """An error as a finding."""
    return Finding(name, error.message, state, error.hint)
