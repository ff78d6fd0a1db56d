"""Asks registries about models: the manifest that a tag or an index names, and what of a model it has."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import ModelsyncError, NotFoundError
from modelsync.registry.arrange import chosen
from modelsync.registry.documents import is_index
from modelsync.registry.indexes import index_choice
from modelsync.registry.manifests import config_of, contents
from modelsync.registry.repository import Repository
from modelsync.registry.texts import MAX_TEXT, with_texts
from modelsync.sources import registry_errors
from modelsync.sources.answers import Answers
from modelsync.spec.names import file_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelsync.net.client import Client
    from modelsync.registry.contents import Contents
    from modelsync.registry.repository import StoredManifest
    from modelsync.spec.uri import OciUri

_MAX_TEXTS = 32  # short texts of one model that are read


class RegistryModel(NamedTuple):
    """A model of a registry.

    Attributes:
        digest: Of the manifest, or index, that the URI names: what a lock pins.
        contents: Its files.
        notes: What a person should know of choices that were made.
    """

    digest: str
    contents: Contents
    notes: tuple[str, ...] = ()


class RegistryModels:
    """Models of registries, each asked about once in a run.

    Args:
        client_factory: Returns the run's client, always the same.
    """

    def __init__(self, client_factory: Callable[[], Client]) -> None:
        self._client = client_factory
        self._answers = Answers()

    def model(self, uri: OciUri, pinned: str | None = None) -> RegistryModel:
        """What a URI names.

        Args:
            uri: The model.
            pinned: The digest of the manifest that its tag was; None: what it is now.

        Raises:
            NotFoundError: there is none; the hint names what there is.
            GatedError: the registry lets nobody read it without a login, or not with this one.
            RefusedError, HashMismatchError: what is there is broken, or not what it says.
            NetworkError: the registry could not be asked.
        """
        digest = pinned or self.digest(uri)
        if digest is None:
            raise self._no_tag(uri)
        key = (uri.registry, uri.repository, uri.tag, digest)  # files without a name are called by the tag
        found: RegistryModel = self._answers.once(key, lambda: self._ask(uri, digest))
        return found

    def digest(self, uri: OciUri) -> str | None:
        """The digest of the manifest that a URI names now; None: there is none. Errors as of `model`.

        A tag is asked for by HEAD, which Docker Hub does not count as a pull.
        """
        if uri.digest is not None:
            return uri.digest
        with self._explained(uri):
            found: str | None = self._answers.once(
                ("tag", uri.registry, uri.repository, uri.tag), lambda: self.repository(uri).digest(uri.tag)
            )
        return found

    def tags(self, uri: OciUri) -> tuple[str, ...]:
        """The tags of a URI's repository. Errors as of `model`."""
        with self._explained(uri):
            tags: tuple[str, ...] = self._answers.once(
                ("tags", uri.registry, uri.repository), self.repository(uri).tags
            )
        return tags

    def repository(self, uri: OciUri) -> Repository:
        """Where a URI's model is."""
        return Repository(self._client(), uri.registry, uri.repository)

    def _ask(self, uri: OciUri, digest: str) -> RegistryModel:
        with self._explained(uri):
            return self._read(self.repository(uri), uri, digest)

    @contextmanager
    def _explained(self, uri: OciUri) -> Iterator[None]:
        """Puts a registry's refusals into words that say what to do."""
        try:
            yield
        except ModelsyncError as error:
            told = registry_errors.explain(error, uri)
            if told is error:
                raise
            raise told from error

    def _read(self, repository: Repository, uri: OciUri, digest: str) -> RegistryModel:
        first = manifest = self._manifest(repository, uri, digest)
        notes: list[str] = []
        depth = 0
        while is_index(manifest.data, manifest.media_type):
            with registry_errors.about(uri):
                choice = index_choice(manifest.data, manifest.media_type, depth)
            notes += filter(None, (choice.note,))
            found = self._stored(repository, choice.manifest.digest)
            if found is None:
                raise NotFoundError(
                    f"{uri}: its index names {choice.manifest.digest}, which the registry does not have",
                    hint="it was pushed in part: its owner has to push it again",
                )
            manifest, depth = found, depth + 1
        read = self._contents(repository, uri, manifest)
        notes += read.notes
        if not any(file.packed for file in read.files):  # what is in tars shows itself when they are read
            with registry_errors.about(uri):
                meant = chosen(read.files)
            notes += filter(None, (meant.note,))
            read = read._replace(files=meant.files)
        return RegistryModel(first.digest, read, tuple(notes))

    def _manifest(self, repository: Repository, uri: OciUri, digest: str) -> StoredManifest:
        """The manifest of that digest. Some registries give a manifest by its tag alone."""
        found = self._stored(repository, digest)
        if found is None and uri.tag:
            by_tag = repository.manifest(uri.tag)
            found = by_tag if by_tag is not None and by_tag.digest == digest else None
        if found is None:
            raise registry_errors.no_manifest(uri, digest)
        return found

    def _stored(self, repository: Repository, digest: str) -> StoredManifest | None:
        """A manifest by its digest, which several tags may have; read once, as registries count that."""
        key = ("manifest", repository.registry, repository.name, digest)
        found: StoredManifest | None = self._answers.once(key, lambda: repository.manifest(digest))
        return found

    def _contents(self, repository: Repository, uri: OciUri, manifest: StoredManifest) -> Contents:
        with registry_errors.about(uri):
            described = config_of(manifest.data, manifest.media_type)
        config = repository.small_blob(described.digest, described.size) if described is not None else None
        with registry_errors.about(uri):
            name = file_name(uri.repository)
            found = contents(manifest.data, manifest.media_type, config, name, uri.tag)
        texts = {
            blob.digest: repository.small_blob(blob.digest, blob.size)
            for blob in found.small[:_MAX_TEXTS]
            if blob.size <= MAX_TEXT
        }
        return with_texts(found, texts) if texts else found

    def _no_tag(self, uri: OciUri) -> NotFoundError:
        """The error about a tag that is not there; the hint names those that are."""
        try:
            tags = self.tags(uri)
        except ModelsyncError:
            tags = ()
        return registry_errors.no_tag(uri, tags)
