"""Where a pull puts plain files in its folder."""

from collections.abc import Sequence
from urllib.parse import quote, unquote, urlsplit

from modelsync.errors import UsageError
from modelsync.spec import uri as uris
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.names import file_name, safe_path
from modelsync.spec.uri import HfUri, OciUri, WebUri


def places(models: Sequence[LockedModel], filename: str | None) -> tuple[tuple[str, ...], ...]:
    """Where each file of each model is to be in the folder.

    Raises:
        UsageError: one file name for several files, or one place for two.
        RefusedError: a place leaves the folder.
    """
    if filename is not None:
        if len(models[0].files) != 1:
            raise UsageError("--filename names one file, and this is more than one", hint="leave it out")
        return ((safe_path(filename),),)
    found = tuple(tuple(_place_of(model, file) for file in model.files) for model in models)
    taken: dict[str, str] = {}
    for model, own in zip(models, found, strict=True):
        for file, place in zip(model.files, own, strict=True):
            if taken.setdefault(place.casefold(), file.sha256) != file.sha256:
                raise UsageError(
                    f"two of the URIs mean different files for {place}", hint="pull them into two folders"
                )
    return found


def _place_of(model: LockedModel, file: LockedFile) -> str:
    uri = uris.parse(model.request["uri"]).uri
    if isinstance(uri, HfUri):
        revision = model.request.get("revision")
        at = f"@{quote(revision, safe='/@+,=')}" if revision is not None else ""
        return safe_path(f"{file.repo or uri.repo}{at}/{file.path}")
    if isinstance(uri, OciUri):
        tag = uri.tag or (uri.digest or "").partition(":")[2]
        at = f"@{tag}" if tag != "latest" else ""
        return safe_path(f"{uri.repository}{at}/{file.path}")
    if isinstance(uri, WebUri):
        parts = urlsplit(file.url or uri.url)
        folder = unquote(parts.path).strip("/").rpartition("/")[0]
        return safe_path("/".join(filter(None, (parts.hostname or "", folder, file_name(file.path)))))
    return file_name(file.path)
