"""The parts of a model that have a license each. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from modelsync.spec.lock.origin import asked
from modelsync.spec.roles import COMPANIONS, Role
from modelsync.spec.uri import HfUri, Uri


class LicensedFile(Protocol):
    """A file of a model, as its source describes it or as it is locked."""

    @property
    def role(self) -> Role:
        """Its role."""

    @property
    def path(self) -> str:
        """Its path."""

    @property
    def repo(self) -> str | None:
        """Its repo, where that is not the model's."""

    @property
    def revision(self) -> str | None:
        """Its commit, where that is not the model's."""

    @property
    def license(self) -> str | None:
        """Its license, where it is of another repo."""


File = TypeVar("File", bound=LicensedFile)


class LicensedPart(NamedTuple, Generic[File]):
    """The files of a model that come from one place, and so have one license.

    Attributes:
        role: None: the model itself, with all that comes with it.
        path: Of a companion from elsewhere: its file; else None.
        license: As the source publishes it.
        page: Where a person reads about it.
        uri: Where it comes from.
        files: Its files.
        repo: Its repo on a hub, or None.
        revision: The commit there.
    """

    role: Role | None
    path: str | None
    license: str | None
    page: str
    uri: Uri
    files: tuple[File, ...]
    repo: str | None = None
    revision: str | None = None


def parts(
    request: Mapping[str, Any],
    files: Iterable[File],
    license: str | None,
    revision: str | None = None,
) -> tuple[LicensedPart[File], ...]:
    """The parts of a model that have a license each: itself first, then each companion from elsewhere.

    Args:
        request: As `Request.to_dict` gives it and a lock has it.
        files: In the lock's order.
        license: The model's own.
        revision: The model's commit.
    """
    wanted = asked(request)
    home = wanted.model.uri
    named = {each.role: iter(wanted.companions[each.role]) for each in COMPANIONS}
    own: list[File] = []
    others: list[LicensedPart[File]] = []
    for file in files:
        reference = next(named[file.role], None) if file.role in named else None
        uri = home if reference is None else reference.uri  # its own, or what a registry's model brings along
        at_home = uri == home or (
            isinstance(uri, HfUri) and isinstance(home, HfUri) and uri.repo == home.repo
        )
        if reference is None or (at_home and file.repo is None and file.revision is None):
            own.append(file)
        else:
            page = _page(uri, wanted.endpoint)
            others.append(
                LicensedPart(
                    file.role, file.path, file.license, page, uri, (file,), _repo(uri), file.revision
                )
            )
    page = _page(home, wanted.endpoint)
    return LicensedPart(None, None, license, page, home, tuple(own), _repo(home), revision), *others


def _page(uri: Uri, endpoint: str) -> str:
    return f"{endpoint}/{uri.repo}" if isinstance(uri, HfUri) else str(uri)


def _repo(uri: Uri) -> str | None:
    return uri.repo if isinstance(uri, HfUri) else None
