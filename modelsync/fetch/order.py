"""The order in which the places are tried that a file's bytes may come from."""

from modelsync.context import Context
from modelsync.fetch.mirrors import mirror_places
from modelsync.fetch.packed import LayerPlace
from modelsync.fetch.places import NeighbourPlace, Place, ProjectCopy, RequestedRevision, SourcePlace


def places(context: Context) -> tuple[Place, ...]:
    """All places, in the order in which they are tried."""
    source = SourcePlace(context)
    return (
        ProjectCopy(context),
        NeighbourPlace(context),
        *mirror_places(context, source),
        source,
        LayerPlace(context),
        RequestedRevision(source),
    )
