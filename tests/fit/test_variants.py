"""Which entry of a model is meant."""

import pytest

from modelsync.errors import NotFoundError
from modelsync.ops import path, sync, up_to_date
from modelsync.project.project import Project
from tests.support.machines import Sized
from tests.support.project import Opened, Place, chosen_file, sync_options


def test_the_environment_may_ask_for_auto(
    two: Project, opened: Opened, sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`MODELSYNC_VARIANT=auto` means it everywhere; a variant that is named wins over it."""
    monkeypatch.setenv("MODELSYNC_VARIANT", "auto")
    sized(64 * 1024)
    sync.sync(opened(), two)
    assert chosen_file(opened(), two, None) == "tiny-Q8_0.gguf"
    assert up_to_date.files(opened(), two, "tiny", None) is not None
    with pytest.raises(NotFoundError):
        chosen_file(opened(), two, "laptop")


def test_a_model_without_variants_needs_no_decision(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """It is what it is, however large the machine: no header is read for it."""
    sized(1)
    sync.sync(opened(), two, sync_options(["plain"]))
    place.hub.clear()
    context = opened()
    assert path.files(context, "plain", lambda: two, variant="auto").model.name == "tiny-Q2_K.gguf"
    assert context.decided == {}
    assert place.hub.seen() == []
