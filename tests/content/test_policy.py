"""What may be taken, from what a file is and where it lies."""

import pytest

from modelsync.content.findings import Content, Kind
from modelsync.content.policy import Claim, Permission, leads_out, objection


@pytest.mark.parametrize(
    ("url", "outside"),
    [
        ("file:/home/me/.ssh/id", True),
        ("file:../secrets.json", True),
        ("file:models/../../x", True),
        ("file:C:/Users/me/x", True),
        ("file:models/tokenizer.json", False),
        ("file:..models/x", False),
        ("https://x.example/../x", False),
        (None, False),
    ],
)
def test_paths_out_of_the_project(url: str | None, outside: bool) -> None:
    """Absolute paths and those that go up out of the manifest's folder, and no others."""
    assert leads_out(url) is outside


@pytest.mark.parametrize(
    ("kind", "taken"), [("unknown", False), ("json", False), ("gguf", True), ("safetensors", True)]
)
def test_of_the_users_own_files_models_alone_are_taken(kind: Kind, taken: bool) -> None:
    """What lies outside the project must be a model by its bytes; what lies in it may be anything."""
    for outside, expected in ((True, taken), (False, True)):
        claim = Claim("x", "x", "model", is_outside=outside)
        assert (objection(claim, Content(kind), Permission()) is None) is expected
