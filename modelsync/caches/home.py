"""The user's home and variables, as other tools read them to find their caches."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self


class Home(NamedTuple):
    """A user's home folder and environment.

    Attributes:
        folder: The home folder; None: the user has none.
        variables: The environment.
    """

    folder: Path | None
    variables: Mapping[str, str]

    @classmethod
    def of_process(cls) -> Self:
        """That of this process."""
        try:
            folder = Path.home()
        except RuntimeError:
            folder = None
        return cls(folder if folder is not None and folder.is_absolute() else None, os.environ)

    def named(self, *variables: str) -> Path | None:
        """The folder that the first of these variables names that is set; None if none is.

        `~` and `$NAME` in it are expanded, as the Hugging Face tools do it.
        """
        for variable in variables:
            text = self.variables.get(variable, "").strip()
            if text:
                path = Path(os.path.expandvars(text))
                if path.parts[:1] == ("~",):
                    return self.folder.joinpath(*path.parts[1:]) if self.folder is not None else None
                return path.absolute()
        return None

    def below(self, *parts: str) -> Path | None:
        """A folder in the home folder."""
        return self.folder.joinpath(*parts) if self.folder is not None else None

    def cache(self) -> Path | None:
        """`XDG_CACHE_HOME`, else `~/.cache`, on every system."""
        return self.named("XDG_CACHE_HOME") or self.below(".cache")
