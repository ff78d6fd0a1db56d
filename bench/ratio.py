"""How two builds compare, from times that were taken in pairs."""

import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

WORSE = 1.03  # identical commands differ by up to 3 %
CONFIDENCE = 0.95
RESAMPLES = 4_000
ENOUGH = 6  # pairs: with fewer, all lie on one side of the truth by chance more than once in 20 times


class Ratio(NamedTuple):
    """The ratio of two medians, its 95 % interval, and the number of pairs behind them."""

    value: float
    low: float
    high: float
    pairs: int

    @property
    def verdict(self) -> str:
        """`worse` or `not worse` if the whole interval lies on that side of 1.03 and there are enough pairs."""
        if self.pairs < ENOUGH:
            return "undecided"
        if self.low > WORSE:
            return "worse"
        return "not worse" if self.high <= WORSE else "undecided"


def ratio_of_medians(new: Sequence[float], old: Sequence[float]) -> Ratio:
    """Compares seconds that were taken pair by pair.

    The interval is a percentile bootstrap over pairs: a slow moment of the machine meets both halves of a pair, so
    pairs are drawn whole. The seed is fixed: the same times give the same interval.

    Raises:
        ValueError: There are no pairs, or halves are missing.
    """
    pairs = list(zip(new, old, strict=True))
    if not pairs:
        raise ValueError("no pairs")
    draw = random.Random(0)
    drawn = sorted(_ratio(draw.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    outside = round((1 - CONFIDENCE) / 2 * RESAMPLES)
    return Ratio(_ratio(pairs), drawn[outside], drawn[-outside - 1], len(pairs))


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return statistics.median(new for new, _ in pairs) / statistics.median(old for _, old in pairs)
