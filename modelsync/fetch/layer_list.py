"""Lists the files in tar layers by the headers of the tars, which are read by ranges: nothing is fetched for it."""

from modelsync.context import Context
from modelsync.fetch import layer_rows
from modelsync.fetch.layer_rows import Unpacked
from modelsync.registry.contents import StoredFile
from modelsync.registry.unpack import Removed, placed
from modelsync.sources.base import Found, Resolution
from modelsync.spec import oci_url
from modelsync.transfer.tar_member import entries


def listed(context: Context, answer: Resolution) -> Resolution:
    """A model with the files of its layers, each without a sha256: only reading a whole file tells that.

    Raises:
        NotSyncedError: a layer is compressed, or no part of it can be had.
        NotFoundError: there is no model in them, or several.
        RefusedError: a layer is broken, or a name in it leads out of the model.
        ModelsyncError: a layer cannot be read.
    """
    own = layer_rows.own_files(answer)
    parts: list[Unpacked] = []
    rows: dict[str, Found] = {}
    for file in own:
        if file.layer is None:
            stored = layer_rows.stored(file)
            rows[stored.digest] = file
            parts.append(((stored,), ()))
        else:
            parts.append(_headers(context, file, file.layer))
    meant = layer_rows.choose(parts, [file.layer for file in own if file.layer is not None])
    files = tuple(
        rows[each.digest]._replace(role=each.role)
        if each.digest in rows
        else Found(each.role, each.path, each.digest, each.size, None)
        for each in meant.files
    )
    return answer._replace(files=layer_rows.in_order(files, answer))


def _headers(context: Context, file: Found, layer: StoredFile) -> Unpacked:
    """What one layer has; its files have their URLs in the place of digests."""
    url = oci_url.read(file.url or "")
    assert url is not None
    files: list[StoredFile] = []
    removed: list[Removed] = []
    for entry in entries(context.remote(str(url))):
        found = placed(layer, entry.name)
        if isinstance(found, Removed):
            removed.append(found)
        elif found is not None and not (layer_rows.is_told(layer) and found != layer.path):
            own = str(url._replace(member=entry.name))
            files.append(layer._replace(path=found, digest=own, size=entry.size, packed=False, inside=""))
    return files, removed
