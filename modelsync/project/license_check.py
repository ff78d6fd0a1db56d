"""Whether a project allows the licenses of a model: the one place that refuses it. Pure."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from modelsync.errors import LicenseRefusedError
from modelsync.spec import licenses
from modelsync.spec.names import listed, printable
from modelsync.spec.toml import dotted

if TYPE_CHECKING:
    from modelsync.project.lookup import LockedEntry
    from modelsync.spec.lock.licensed import LicensedFile, LicensedPart
    from modelsync.spec.lock.model import LockedModel
    from modelsync.spec.manifest.model import Entry, Manifest


def of_model(manifest: "Manifest", entry: "Entry", model: "LockedModel") -> LicenseRefusedError | None:
    """Why a locked model is refused; None if it is not."""
    if manifest.allowed_licenses is None:
        return None
    from modelsync.spec.lock.licensed import parts

    found = parts(model.request, model.files, model.license)
    return _refusal(manifest.allowed_licenses, entry, found, locked=True)


def refusals(
    manifest: "Manifest", pairs: "Iterable[tuple[Entry, LockedModel]]"
) -> "list[tuple[Entry, LicenseRefusedError]]":
    """The entries whose locked models are refused, each with why."""
    if manifest.allowed_licenses is None:
        return []
    judged = ((entry, of_model(manifest, entry, model)) for entry, model in pairs)
    return [(entry, error) for entry, error in judged if error is not None]


def of_answer(
    manifest: "Manifest", entry: "Entry", files: "Iterable[LicensedFile]", license: str | None
) -> LicenseRefusedError | None:
    """Why what sources have for an entry is refused, its files and its license; None if it is not."""
    if manifest.allowed_licenses is None:
        return None
    from modelsync.spec.lock.licensed import parts

    found = parts(entry.request.to_dict(), files, license)
    return _refusal(manifest.allowed_licenses, entry, found, locked=False)


def require(known: "LockedEntry") -> None:
    """Checks that a model may be fetched.

    Raises:
        LicenseRefusedError: its project does not allow it.
    """
    error = of_model(known.manifest, known.entry, known.model)
    if error is not None:
        raise error.about(known.entry.title)


def _refusal(
    allowed: Iterable[str], entry: "Entry", parts: "Iterable[LicensedPart[Any]]", *, locked: bool
) -> LicenseRefusedError | None:
    """One error for all parts of a model that are refused: why, and what may be done about each."""
    said: list[str] = []
    hints: dict[str, None] = {}
    for part in parts:
        wrong = licenses.refused(part.license, entry.license, allowed)
        if wrong is None:
            continue
        said.append(f"{_words(part, entry, wrong)}: see {printable(part.page)}")
        if wrong:
            names = listed([f'"{printable(name)}"' for name in wrong])
            hints[f"add {names} to allowed-licenses under [modelsync] if your project accepts it"] = None
        else:
            key = ("models", entry.name, *(("variants", entry.variant) if entry.variant else ()))
            hints[
                f"read its terms, and state them under [{dotted(key)}]: "
                'license = "LicenseRef-NAME" if you accept them, or the id of one on the list (`add` takes --license)'
            ] = None
            if locked and part.role is not None and part.license is None:
                hints[
                    f"`modelsync lock -P {entry.name}` asks for it, where the lock was written before it had that"
                ] = None
    if not said:
        return None
    return LicenseRefusedError("; ".join(said), hint="; ".join((*hints, "or name another model")))


def _words(part: "LicensedPart[Any]", entry: "Entry", wrong: tuple[str, ...]) -> str:
    whose = "its" if part.path is None else f"the license of {printable(part.path)}, its {part.role},"
    which = "license" if part.path is None else ""
    subject = f"{whose} {which}".strip()
    if not wrong:
        return (
            f"{subject} is not known: its source says {printable(part.license) if part.license else 'none'}"
        )
    names = " and ".join(map(printable, wrong))
    stated = "as it is stated, " if entry.license in wrong and not licenses.is_published(part.license) else ""
    return f"{subject} is {names}, {stated}which allowed-licenses does not have"
