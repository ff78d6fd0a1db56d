"""Errors of single models, kept while the other models go on."""

from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.errors import CancelledError, ModelsyncError, Place

if TYPE_CHECKING:
    from modelsync.project.project import LoadedProject
    from modelsync.spec.manifest.model import Entry


class Failures:
    """The first error of each model of one call.

    Args:
        project: Where the models are asked for, to name the line; None: nowhere.
        named: Whether messages name the model: not where there is only one.
    """

    def __init__(self, project: "LoadedProject | None" = None, *, named: bool = True) -> None:
        self._project = project
        self._named = named
        self._errors: dict[str, ModelsyncError] = {}

    def __bool__(self) -> bool:
        return bool(self._errors)

    def __contains__(self, title: str) -> bool:
        return title in self._errors

    def clear(self) -> None:
        """Forgets all of them."""
        self._errors.clear()

    def add(self, title: str, error: ModelsyncError, entry: "Entry | None" = None) -> None:
        """Keeps an error of a model.

        Args:
            title: The model's.
            error: What went wrong; an interruption is raised at once.
            entry: What the manifest asks for, where that is what could not be had.
        """
        if isinstance(error, CancelledError):
            raise error
        if title in self._errors:
            return
        if error.model is None and self._named:  # else: it names its model
            place = self._place(entry) if entry is not None else None
            error = error.about(title, place and f"{Path(place.file).name}:{place.line}")
            if place is not None and not error.places:
                error.at(place)
        self._errors[title] = error

    def first(self, report: object = None) -> ModelsyncError | None:
        """The first error by name, with all of them and what the call came to; None if there is none."""
        if not self._errors:
            return None
        errors = tuple(self._errors[title] for title in sorted(self._errors))
        errors[0].errors = errors if self._named else ()
        errors[0].report = report if self._named else None
        return errors[0]

    def raise_first(self, report: object = None) -> None:
        """Raises the first error, if there is one."""
        error = self.first(report)
        if error is not None:
            raise error

    def _place(self, entry: "Entry") -> Place | None:
        """The line of the manifest that asks for it."""
        from modelsync.spec.locate import line_of

        if self._project is None:
            return None
        line = line_of(self._project.manifest_text, entry.keys)
        return Place(str(self._project.manifest_path), line) if line else None
