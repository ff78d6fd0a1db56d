"""Which answers may be joined to the bytes that are here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from modelsync.transfer.journal import Validator
from modelsync.transfer.responses import Expectation, Verdict, judge, validator_of


@dataclass
class Said:
    status: int = 206
    total: int | None = 100
    etag: str | None = '"1"'
    origin: object = "https://cdn"
    start: int = 0
    waited: float = 0.0
    headers: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {} if self.etag is None else {"etag": self.etag}

    def read_into(self, buffer: memoryview) -> int:
        return 0


HERE = Validator("https://cdn", '"1"', 100)


@pytest.mark.parametrize(
    ("answer", "known", "verdict"),
    [
        # a digest decides about the whole: whoever served a range of the right file size
        (Said(), Expectation(100, 100, True, None), "join"),
        (Said(etag='"2"', origin="https://other"), Expectation(100, 100, True, None), "join"),
        (Said(etag=None, total=None), Expectation(100, 100, True, None), "join"),
        (Said(total=None), Expectation(None, None, True, None), "plain"),
        (Said(), Expectation(None, None, True, None), "join"),
        (Said(), Expectation(None, 100, True, None), "join"),
        (Said(total=101), Expectation(None, 100, True, None), "changed"),
        (Said(status=200), Expectation(100, 100, True, None), "whole"),
        (Said(status=200, total=None), Expectation(None, None, True, None), "whole"),
        # another size is another file
        (Said(total=101), Expectation(100, 100, True, None), "other-size"),
        (Said(status=200, total=99), Expectation(100, 100, False, HERE), "other-size"),
        # no digest: only the same server's same strong validator
        (Said(), Expectation(None, None, False, None), "join"),
        (Said(), Expectation(None, 100, False, HERE), "join"),
        (Said(etag='"2"'), Expectation(None, 100, False, HERE), "changed"),
        (Said(origin="https://other"), Expectation(None, 100, False, HERE), "changed"),
        (Said(total=101), Expectation(None, 100, False, HERE), "changed"),
        (Said(etag='W/"1"'), Expectation(None, 100, False, HERE), "plain"),
        (Said(etag=None), Expectation(None, None, False, None), "plain"),
        (Said(total=None), Expectation(100, 100, False, None), "plain"),
        (Said(status=200, etag='"2"'), Expectation(None, 100, False, HERE), "whole"),
    ],
)
def test_verdicts(answer: Said, known: Expectation, verdict: Verdict) -> None:
    """A digest joins what has the right size; without one only one version's own ranges are joined."""
    assert judge(answer, known) == verdict


@pytest.mark.parametrize("etag", ['W/"1"', "1", '"', "", None])
def test_weak_and_odd_validators_prove_nothing(etag: str | None) -> None:
    """Only a quoted, strong one does."""
    assert validator_of(Said(etag=etag)) is None
    assert validator_of(Said(etag=' "1" ')) == HERE
