"""When a lock no longer answers its manifest."""

import pytest

from modelsync.context import Context
from modelsync.errors import (
    StaleLockError,
)
from modelsync.ops import lock
from tests.support.project import MANIFEST, REPO, Place


def test_a_changed_manifest_makes_the_lock_stale(place: Place, context: Context) -> None:
    """A request that differs, a name that is missing and one that is extra are each a reason; other keys are none."""
    project = place.write(MANIFEST)
    with pytest.raises(StaleLockError, match="tiny is not in the lock"):
        lock.check(project)
    lock.lock(context, project)
    place.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\ngroups = ["chat"]\n[models.tiny.load]\nn_ctx = 8\n'
    )
    lock.check(project)
    place.write(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n')
    with pytest.raises(StaleLockError, match=r"tiny changed in the manifest \(uri\)") as stale:
        lock.check(project)
    assert "modelsync lock" in str(stale.value.hint)
    place.write("")
    with pytest.raises(StaleLockError, match="tiny is no longer in the manifest"):
        lock.check(project)
    report = lock.lock(context, project)
    assert [(change.name, change.action) for change in report.changes] == [("tiny", "removed")]
