"""What a model may become in a registry. Light."""

from typing import Literal, TypeAlias, get_args

Form: TypeAlias = Literal["modelpack", "image"]
FORMS: tuple[Form, ...] = get_args(Form)
