"""What the machines covered and what went wrong, as figures."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

NEVER = ("wrong bytes stored", "wrong bytes returned")  # shown even at 0: that is what all this is about


@dataclass
class Budget:
    """How much a machine may do: until a time, and no more cases than a number.

    Attributes:
        seconds: From when it was made.
        cases: The most; None: no limit.
        whole: Whether cases that take a minute each are wanted too.
        seed: Where it begins, so that two runs need not look at the same places.
        operations: Those of `kill` that count; none: all.
        actions: The same.
    """

    seconds: float
    cases: int | None = None
    whole: bool = False
    seed: int = 0
    operations: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    begun: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() - self.begun >= self.seconds

    def part(self, share: float) -> "Budget":
        """A part of it, which begins now."""
        cases = None if self.cases is None else max(1, round(self.cases * share))
        return Budget(self.seconds * share, cases, self.whole, self.seed)


@dataclass
class Tally:
    """Counts, what was skipped, and faults with how to see them again."""

    counts: Counter[str] = field(default_factory=Counter)
    covered: dict[str, tuple[int, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        """Adds to a figure."""
        self.counts[what] += number

    def fault(self, case: str, what: str) -> None:
        """Notes a broken promise; `case` tells how to see it again."""
        self.faults.append(f"{case}: {what}")
        for wrong in NEVER:
            self.counts[wrong] += wrong in what

    def to_json(self) -> str:
        """The figures as one line."""
        value: dict[str, Any] = {
            "counts": dict.fromkeys(NEVER, 0) | dict(sorted(self.counts.items())),
            "covered": self.covered,
            "faults": self.faults,
            "skipped": self.skipped,
        }
        return json.dumps(value)

    def table(self) -> str:
        """The figures for people, as Markdown."""
        rows = [(what, f"{number:,}") for what, number in sorted(self.counts.items()) if what not in NEVER]
        rows += [(what, f"{self.counts[what]:,}") for what in NEVER]
        rows += [("faults", f"{len(self.faults):,}")]
        lines = ["| what | how many |", "|---|---:|", *(f"| {what} | {number} |" for what, number in rows)]
        lines += self._coverage()
        lines += [f"\nSkipped: {reason}" for reason in self.skipped]
        return "\n".join(lines)

    def _coverage(self) -> list[str]:
        """Events that were struck, of how many, by operation and action."""
        if not self.covered:
            return []
        columns = list(dict.fromkeys(pair.partition(", ")[2] for pair in self.covered))
        names = list(dict.fromkeys(pair.partition(", ")[0] for pair in self.covered))
        lines = ["", f"| events | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
        for name in names:
            cells = [self.covered.get(f"{name}, {column}") for column in columns]
            told = [f"{cell[0]:,} of {cell[1]:,}" if cell else "0" for cell in cells]
            lines.append(f"| {name} | {' | '.join(told)} |")
        return lines

    def add(self, figures: dict[str, Any]) -> None:
        """Adds the figures of another process, as `to_json` gave them."""
        self.counts.update(figures["counts"])
        self.faults += figures["faults"]
        self.skipped += figures["skipped"]
