"""Prune: frees the store by a plan, and takes back what of it was put into other tools' caches."""

from modelsync.caches.hub_reclaim import reclaim
from modelsync.store import prune
from modelsync.store.layout import Store
from modelsync.store.prune import Freed
from modelsync.store.prune_plan import PrunePlan


def execute(store: Store, steps: PrunePlan) -> tuple[Freed, int]:
    """Carries a plan out.

    What was given away goes first: while it has another name, a file takes its space.

    Returns:
        What was freed, and how many files were taken back from other tools' caches.

    Raises:
        StoreError: as `store.prune.execute`.
    """
    going = {thing.name for thing in steps.things if thing.kind == "blob"}
    taken = reclaim(store, lambda sha256: sha256 not in going and store.blob_path(sha256).exists())
    return prune.execute(store, steps), taken
