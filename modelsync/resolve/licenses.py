"""The texts of the licenses that models are under, as their repos have them.

A lock has no row for them, and needs none: the commit that it names decides their bytes.
"""

import hashlib
import re
from typing import NamedTuple

from modelsync.context import Context
from modelsync.errors import CancelledError, HashMismatchError, ModelsyncError
from modelsync.resolve import published as confirmed
from modelsync.sources.hub import Hubs
from modelsync.sources.hub_answers import RemoteFile
from modelsync.spec.lock.model import LockedModel
from modelsync.spec.lock.origin import hf_url
from modelsync.store import published

LONGEST = 1 << 20  # bytes of one text
MOST = 8  # texts of one repo
_NAME = re.compile(r"(?i)(?:licen[cs]e|copying|notice|use_policy)(?:[-_][a-z0-9-]+)*(?:\.(?:md|txt|rst))?")


class LicenseText(NamedTuple):
    """A license file.

    Attributes:
        path: Where it belongs beside the model: `LICENSE`; of a companion's repo `user/repo/LICENSE`.
        data: Its bytes.
    """

    path: str
    data: bytes


class Licenses:
    """Finds license texts, for one call: a hub that did not answer is not asked again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._hubs = Hubs(context.origin_client)
        self._faults: dict[str, ModelsyncError] = {}

    def of(self, model: LockedModel) -> tuple[LicenseText, ...]:
        """The license files at the top of each repo of a model; none for a model that is of no hub.

        They are remembered in the store for 30 days after they were last of use.

        Raises:
            ModelsyncError: they are not known here, and the hub could not be asked.
        """
        hub = self._context.endpoint(model.request.get("endpoint"))
        of_hub, _ = confirmed.files_of(self._context, model)
        found: dict[str, LicenseText] = {}
        for number, (repo, commit) in enumerate(dict.fromkeys((file.repo, file.commit) for file in of_hub)):
            for name, data in self._texts(hub, repo, commit).items():
                path = f"{repo}/{name}" if number else name
                found.setdefault(path, LicenseText(path, data))
        return tuple(found.values())

    def _texts(self, hub: str, repo: str, commit: str) -> dict[str, bytes]:
        store = self._context.store
        known = published.read_texts(store, hub, repo, commit)
        if known is None:
            if hub in self._faults:
                raise self._faults[hub]
            try:
                known = self._ask(hub, repo, commit)
            except CancelledError:
                raise
            except ModelsyncError as error:
                self._faults[hub] = error
                raise
            published.note_texts(store, hub, repo, commit, known)
        return {name: text.encode() for name, text in known.items()}

    def _ask(self, hub: str, repo: str, commit: str) -> dict[str, str]:
        asked = self._hubs.repo(hub, repo, commit)
        listed = self._hubs.files(hub, asked)
        names = sorted(name for name in listed if _NAME.fullmatch(name))[:MOST]
        texts = {}
        for name in names:
            size = listed[name].size
            if size is not None and size > LONGEST:
                continue
            data = self._context.origin_client().get(hf_url(hub, repo, commit, name), limit=LONGEST).data
            _check(data, listed[name], name)
            try:
                text = data.decode()
            except UnicodeDecodeError:
                continue
            if "\0" not in text:
                texts[name] = text
        return texts


def _check(data: bytes, listed: RemoteFile, name: str) -> None:
    """Raises HashMismatchError where the hub lists another file of that name."""
    etag = listed.etag or ""
    if len(etag) == 64:
        right = hashlib.sha256(data).hexdigest() == etag
    else:
        named = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        right = not etag or named == etag
    if not right:
        raise HashMismatchError(f"what came as {name} is not what the hub lists")
