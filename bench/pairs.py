"""This checkout beside an older commit: which rows, how many pairs, and the table."""

from collections.abc import Sequence

from bench.builds import NEW, OLD
from bench.ratio import WORSE, Ratio, ratio_of_medians
from bench.report import Result, seconds
from bench.rows import Row
from bench.timing import spread

ROWS = ("startup", "plain", "tls", "latency", "update-metadata")  # where no row is named
PAIRS = 20
STARTUP_PAIRS = 60
RULE = f"a row is worse only if the whole interval lies above {WORSE}"


def count(row: Row) -> int:
    """How many pairs a row has if nobody says."""
    return STARTUP_PAIRS if row.key.startswith("startup-") else PAIRS


def ratio(result: Result) -> Ratio:
    """This checkout's time in units of the older commit's."""
    return ratio_of_medians([run.wall for run in result.runs[NEW]], [run.wall for run in result.runs[OLD]])


def is_worse(result: Result) -> bool:
    """Whether the row was measured and is shown to be slower."""
    return bool(result.runs) and ratio(result).verdict == "worse"


def table(results: Sequence[Result], ref: str) -> list[str]:
    """The lines of a Markdown table: a row for each piece of work that was measured."""
    lines = [
        f"| work | pairs | seconds now: median (min-max) | at {ref} | ratio of medians | 95 % interval | |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        if not result.runs:
            continue
        new, old = ([run.wall for run in result.runs[name]] for name in (NEW, OLD))
        compared = ratio(result)
        cells = [result.row.title, str(len(new)), seconds(spread(new), 3), seconds(spread(old), 3)]
        cells += [f"{compared.value:.3f}", f"{compared.low:.3f}-{compared.high:.3f}", compared.verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", f"Intervals: bootstrap over pairs; {RULE}."]
