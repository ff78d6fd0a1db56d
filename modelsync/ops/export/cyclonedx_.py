"""An SBOM of the models in CycloneDX 1.6, written with cyclonedx-python-lib.

The same lock gives the same bytes: the serial number is made of what is in it, and it has no time but that of
`SOURCE_DATE_EPOCH`.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelsync.errors import ConfigError, ExtraMissingError
from modelsync.ops.export.models import Exported, ExportedModel
from modelsync.settings import DEFAULT_ENDPOINT
from modelsync.spec import licenses
from modelsync.spec.labels import quant_of
from modelsync.spec.lock import text as lock_text
from modelsync.spec.lock.licensed import LicensedPart, parts
from modelsync.spec.lock.model import Lock, LockedFile
from modelsync.spec.names import file_name
from modelsync.spec.uri import FileUri, HfUri, OciUri
from modelsync.version import __version__

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import DisjunctiveLicense
    from packageurl import PackageURL

EPOCH = "SOURCE_DATE_EPOCH"


def write(chosen: Sequence[ExportedModel], root: Path) -> list[Exported]:  # noqa: ARG001
    """One document: a component for each model and each companion from elsewhere, with its files.

    Raises:
        ExtraMissingError: cyclonedx-python-lib is not installed.
        ConfigError: `SOURCE_DATE_EPOCH` is no time.
    """
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.model.tool import ToolRepository
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError:
        raise ExtraMissingError(
            "cyclonedx-python-lib is not installed, which writes this format",
            hint='`pip install "modelsync[sbom]"` installs it',
        ) from None
    time = _time()
    lock = Lock(tuple(model.known.model for model in chosen))
    stated = [model.known.entry.license or "" for model in chosen]
    content = hashlib.sha256("\0".join((lock_text.dumps(lock), *stated)).encode()).hexdigest()
    tool = Component(type=ComponentType.APPLICATION, name="modelsync", version=__version__)
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, content),
        metadata=BomMetaData(
            tools=ToolRepository(components=[tool]), timestamp=time or datetime.fromtimestamp(0, UTC)
        ),
    )
    for model in chosen:
        whole, *companions = _components(model)
        for component in (whole, *companions):
            bom.components.add(component)
        bom.register_dependency(whole, companions)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    if time is None:
        del document["metadata"]["timestamp"]  # the library writes one always
    return [Exported("", json.dumps(document, indent=2, ensure_ascii=False) + "\n")]


def _time() -> datetime | None:
    text = os.environ.get(EPOCH)
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"{EPOCH} is no number of seconds since 1970") from None


def _components(model: ExportedModel) -> list[Component]:
    """The component of a model, then those of its companions from elsewhere."""
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    entry, locked = model.known.entry, model.known.model
    endpoint = str(locked.request.get("endpoint", DEFAULT_ENDPOINT))
    found = []
    for number, part in enumerate(parts(locked.request, locked.files, locked.license, locked.revision)):
        ref = f"model:{entry.name}" + (f"@{entry.variant}" if entry.variant else "")
        if number:
            ref += f"#{number}"
        quant = None if locked.is_folder else quant_of(part.files[0].path)
        said = {"name": entry.name, "variant": entry.variant, "role": part.role, "quant": quant}
        group, _, name = (part.repo or "").rpartition("/")
        if isinstance(part.uri, OciUri):
            group, _, name = f"{part.uri.registry}/{part.uri.repository}".rpartition("/")
        found.append(
            Component(
                type=ComponentType.MACHINE_LEARNING_MODEL,
                bom_ref=ref,
                group=group or None,
                name=name or file_name(part.files[0].path),
                version=part.revision,
                purl=_purl(part, endpoint),
                licenses=_licenses(part, entry.license),
                external_references=_references(part.page, is_file=not part.repo),
                properties=[
                    Property(name=f"modelsync:{key}", value=value) for key, value in said.items() if value
                ],
                components=[_file(file, f"{ref}/{place}") for place, file in enumerate(part.files)],
            )
        )
    return found


def _file(file: LockedFile, ref: str) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        type=ComponentType.FILE,
        bom_ref=ref,
        name=file.path,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
        external_references=_references(file.url, is_file=True),
        properties=[
            Property(name="modelsync:role", value=file.role),
            Property(name="modelsync:size", value=str(file.size)),
        ],
    )


def _references(url: str | None, *, is_file: bool) -> list[Any]:
    """Where it is on the web, if it is there."""
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri

    if url is None or not url.startswith(("https:", "http:")):
        return []
    kind = ExternalReferenceType.DISTRIBUTION if is_file else ExternalReferenceType.WEBSITE
    return [ExternalReference(type=kind, url=XsUri(url))]


def _licenses(part: LicensedPart[LockedFile], stated: str | None) -> list[DisjunctiveLicense]:
    """What is published is declared; what a person states in its place is concluded."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement
    from cyclonedx.spdx import fixup_id

    published = frozenset(licenses.ids(part.license or ""))
    made = []
    for each in licenses.effective(part.license, stated) or tuple(sorted(published)):
        known = fixup_id(each)
        how = LicenseAcknowledgement.DECLARED if each in published else LicenseAcknowledgement.CONCLUDED
        made.append(
            DisjunctiveLicense(id=known, acknowledgement=how)
            if known is not None
            else DisjunctiveLicense(name=each, acknowledgement=how)
        )
    return made


def _purl(part: LicensedPart[LockedFile], endpoint: str) -> PackageURL:
    """The package URL of a part: `pkg:huggingface/user/model@commit`, `pkg:oci/…`, `pkg:generic/…`."""
    from packageurl import PackageURL

    uri, first = part.uri, part.files[0]
    if isinstance(uri, HfUri):
        user, _, name = uri.repo.partition("/")
        elsewhere = {"repository_url": endpoint} if endpoint != DEFAULT_ENDPOINT else None
        return PackageURL("huggingface", user, name, part.revision, elsewhere)
    if isinstance(uri, OciUri):
        place = {"repository_url": f"{uri.registry}/{uri.repository}"}
        tag = {"tag": uri.tag} if uri.tag else {}
        return PackageURL("oci", None, file_name(uri.repository).lower(), part.revision, {**place, **tag})
    checksum = {"checksum": f"sha256:{first.sha256}"}
    url = {} if isinstance(uri, FileUri) else {"download_url": str(uri)}
    return PackageURL("generic", None, file_name(first.path), None, {**checksum, **url})
