"""`python -m tests.torture.fuzz_process TARGET SECONDS INPUTS SEED CORPUS FIGURES`: fuzzes one target."""

import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

HAS_ATHERIS = importlib.util.find_spec("atheris") is not None
SLOW = 5.0  # seconds of one input


class Figures:
    """Runs a target on inputs, and keeps the figures in a file.

    Args:
        name: The target.
        path: The file.
        engine: What makes the inputs.
    """

    def __init__(self, name: str, path: Path, engine: str) -> None:
        from tests.torture import fuzz_targets

        self._target = fuzz_targets.TARGETS[name]
        self._allowed = fuzz_targets.ALLOWED[name]
        self._path, self._engine = path, engine
        self._inputs = 0
        self._faults: dict[str, str] = {}

    def one(self, data: bytes) -> None:
        """Runs it on one input."""
        self._inputs += 1
        begun = time.monotonic()
        try:
            self._target(data)
        except self._allowed:
            pass
        except Exception as error:  # noqa: BLE001
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
            self._fault(where, f"{where}: {str(error)[:200]}; the input is {data[:600]!r}")
        if time.monotonic() - begun > SLOW:
            self._fault("slow", f"an input took {time.monotonic() - begun:.0f} s: {data[:600]!r}")
        if self._inputs % 200 == 0:
            self.write()

    def begin(self, inputs: Iterable[bytes]) -> None:
        """Runs it on what is made by hand."""
        for data in inputs:
            self.one(data)
        self.write()

    def _fault(self, where: str, what: str) -> None:
        if where not in self._faults:
            self._faults[where] = what
            self.write()

    def write(self) -> None:
        """Writes the figures."""
        value = {"engine": self._engine, "inputs": self._inputs, "faults": list(self._faults.values())}
        self._path.write_text(json.dumps(value))


def _atheris(name: str, seconds: int, inputs: int, seed: int, corpus: Path, path: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["modelsync"]):
        from tests.torture import fuzz_targets
    for number, data in enumerate(fuzz_targets.SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(data)
    figures = Figures(name, path, "atheris")
    figures.begin(fuzz_targets.shaped(name))
    options = [f"-max_total_time={seconds}", f"-seed={seed + 1}", "-rss_limit_mb=2048", "-timeout=60"]
    options += [f"-artifact_prefix={corpus}-", "-max_len=20000", *([f"-runs={inputs}"] if inputs else [])]
    atheris.Setup([sys.argv[0], *options, str(corpus)], figures.one)
    atheris.Fuzz()


def _hypothesis(name: str, seconds: int, inputs: int, seed: int, corpus: Path, path: Path) -> None:
    """Seeds that are cut, joined and overwritten, until the time is over."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st
    from hypothesis.database import DirectoryBasedExampleDatabase

    from tests.torture import fuzz_targets

    figures = Figures(name, path, "Hypothesis")
    figures.begin(fuzz_targets.shaped(name))
    pieces = st.one_of(
        st.binary(max_size=8), st.sampled_from([b"null", b"[]", b"{}", b"-1", b'"', b"1e999", b"\n"])
    )
    edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), pieces), max_size=6)
    edited = st.builds(_edited, st.sampled_from(fuzz_targets.SEEDS[name]), edits)
    database = DirectoryBasedExampleDatabase(corpus)
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until and (not inputs or number * 200 < inputs):
        number += 1

        @seeded(seed * 10_000 + number)
        @settings(
            max_examples=min(200, inputs or 200),
            deadline=None,
            database=database,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.one_of(edited, st.binary(max_size=200)))
        def work(data: bytes) -> None:
            figures.one(data)

        work()
    figures.write()


def _edited(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for where, length, piece in edits:
        at = int(where * len(data))
        data = data[:at] + piece + data[at + length :]
    return data


def main() -> None:
    """Runs what the words say."""
    name, seconds, inputs, seed, corpus, path = sys.argv[1:]
    engine: Callable[[str, int, int, int, Path, Path], None] = _atheris if HAS_ATHERIS else _hypothesis
    engine(name, int(seconds), int(inputs), int(seed), Path(corpus), Path(path))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
