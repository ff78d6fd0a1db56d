"""Models of OCI registries: layers that are files, pinned by the digest of their manifest."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from modelsync.errors import HttpStatusError, NotFoundError
from modelsync.sources.base import Found, Resolution
from modelsync.spec import oci_url
from modelsync.spec.lock.keys import is_manifest
from modelsync.spec.names import listed
from modelsync.spec.oci_url import BlobUrl
from modelsync.spec.roles import BY_ROLE, OWN_ROLES
from modelsync.spec.uri import OciUri, parse
from modelsync.transfer.jobs import Segment
from modelsync.transfer.responses import NoFileError, OtherSizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from modelsync.errors import ModelsyncError
    from modelsync.net.client import Client
    from modelsync.registry.contents import StoredFile
    from modelsync.sources.base import Question
    from modelsync.sources.registry_models import RegistryModels
    from modelsync.spec.lock.model import LockedFile, LockedModel
    from modelsync.spec.uri import Reference, Uri


class Registry:
    """The source of `oci:`, `docker:` and `ollama:` URIs. What asks a registry is imported when one is asked."""

    def __init__(self, client_factory: Callable[[], Client]) -> None:
        self._client = client_factory
        self._models: RegistryModels | None = None
        self._guard = threading.Lock()

    @property
    def models(self) -> RegistryModels:
        """What was asked of registries in this run."""
        with self._guard:
            if self._models is None:
                from modelsync.sources.registry_models import RegistryModels

                self._models = RegistryModels(self._client)
            return self._models

    def accepts(self, uri: Uri) -> bool:
        """Whether `uri` names a model of a registry."""
        return isinstance(uri, OciUri)

    def resolve(self, question: Question) -> Resolution:
        """Finds the manifest, and takes all files of its model; of a companion the one file that it is."""
        reference = question.reference
        uri = reference.uri
        if not isinstance(uri, OciUri):
            raise TypeError(f"{uri} is of no registry")
        pinned = reference.revision if reference.revision and is_manifest(reference.revision) else None
        if question.kept is not None:
            manifest = pinned or self.models.digest(uri)
            kept = _kept(question.kept, question.role, uri, manifest) if manifest is not None else None
            if kept is not None:
                return kept
        model = self.models.model(uri, pinned)
        files = model.contents.files
        if question.role not in OWN_ROLES:
            files = (_companion(uri, question.role, files)._replace(role=question.role),)
        found = tuple(_found(uri, model.digest, file) for file in files)
        return Resolution(found, model.digest, model.contents.license, model.notes)

    def locate(self, file: LockedFile | Found, endpoint: str, folder: Path) -> tuple[Segment, ...]:  # noqa: ARG002
        """The lock's URL: the client knows where its registry answers."""
        url = file.url or ""
        return (Segment(url, file.size, sha256=None if oci_url.is_packed(url) else file.sha256),)

    def relocate(self, file: LockedFile | Found, reference: Reference, endpoint: str) -> None:  # noqa: ARG002
        """None: a layer has no other place than its repository."""
        return

    def publishes(self, file: LockedFile | Found, endpoint: str) -> bool:  # noqa: ARG002
        """Whether the repository has the file as a layer: a layer is called by its digest."""
        url = oci_url.read(file.url or "")
        if url is None or url.sha256 != file.sha256 or file.size is None:
            return False
        from modelsync.registry.repository import Repository

        repository = Repository(self._client(), url.registry, url.repository)
        return repository.has_blob(url.digest, file.size)

    def explain(self, error: ModelsyncError, subject: str) -> ModelsyncError:
        """Explains a registry's refusal to give a layer; `subject` is its URL in the lock, or a URI."""
        if not isinstance(error, (HttpStatusError, OtherSizeError)):
            return error
        from modelsync.sources import registry_errors

        url = oci_url.read(subject)
        if isinstance(error, OtherSizeError):
            if url is None or isinstance(error, NoFileError):
                return error
            return registry_errors.other_size(error, url)
        if url is not None:
            uri = OciUri(url.registry, url.repository, f"@{url.digest}")
            return registry_errors.no_blob(error, uri, url.digest)
        asked = parse(subject).uri
        return registry_errors.explain(error, asked) if isinstance(asked, OciUri) else error


def _found(uri: OciUri, manifest: str, file: StoredFile) -> Found:
    sha256 = file.digest.removeprefix("sha256:")
    url = str(BlobUrl(uri.registry, uri.repository, sha256))
    if file.packed:
        return Found(file.role, file.path or "layer", url, file.size, None, revision=manifest, layer=file)
    return Found(file.role, file.path, url, file.size, sha256, revision=manifest)


def _kept(entry: LockedModel, role: str, uri: OciUri, manifest: str) -> Resolution | None:
    """What the lock has of a manifest; None where its rows are of another one."""
    rows = []
    for file in entry.files:
        url = oci_url.read(file.url or "")
        is_there = url is not None and (url.registry, url.repository) == (uri.registry, uri.repository)
        if is_there and (file.revision or entry.revision) == manifest and role in (*OWN_ROLES, file.role):
            rows.append(file)
    found = tuple(
        Found(file.role, file.path, file.url, file.size, file.sha256, revision=manifest) for file in rows
    )
    if role in OWN_ROLES:
        whole = entry.revision == manifest and any(file.role in OWN_ROLES for file in rows)
        return Resolution(found, manifest, entry.license) if whole else None
    if len(rows) != 1:
        return None
    return Resolution(found, manifest, rows[0].license if rows[0].revision else entry.license)


def _companion(uri: OciUri, role: str, files: Sequence[StoredFile]) -> StoredFile:
    """The one file that a URI means in the place of a companion.

    Raises:
        NotFoundError: there is none, or there are several.
    """
    own = [file for file in files if file.role == role] or list(files)
    if len(own) == 1 and not own[0].packed:
        return own[0]
    if any(file.packed for file in own):
        raise NotFoundError(
            f"{uri} has its files in tar layers, and {BY_ROLE[role].noun} is one layer",  # type: ignore[index]
            hint="push it with raw layers, as `modelsync push` does",
        )
    noun = BY_ROLE[role].noun  # type: ignore[index]
    raise NotFoundError(
        f"{uri} has {len(own)} files, and {noun} is one file: {listed([file.path for file in own])}",
        hint="name one that holds nothing else",
    )
