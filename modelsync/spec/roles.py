"""The roles of a model's files, as one table. Light."""

from typing import Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["model", "file", "mmproj", "lora", "draft"]


class Companion(NamedTuple):
    """A role of files that go with a model.

    Attributes:
        role: As a lock names it.
        key: In the manifest, in a request, and the attribute of `Request` and `ModelFiles`.
        many: Whether a model may have several: then the values are a list, else one or none.
        beside: Whether `true` in the place of a URI means the one in the model's own repo.
        noun: What messages call one such file, with its article.
        since: The version of a lock from which it has this role and this key.
    """

    role: Role
    key: str
    many: bool
    beside: bool
    noun: str
    since: int = 1


COMPANIONS = (  # in the order of a lock, behind the model's own files
    Companion("mmproj", "mmproj", many=False, beside=True, noun="a projector"),
    Companion("lora", "loras", many=True, beside=False, noun="an adapter"),
    Companion("draft", "draft", many=False, beside=True, noun="a draft head", since=2),
)
OWN_ROLES: tuple[Role, ...] = ("model", "file")  # the model's file or parts; the files of a folder model
ROLES: tuple[Role, ...] = (*OWN_ROLES, *(each.role for each in COMPANIONS))
KEYS = tuple(each.key for each in COMPANIONS)
BY_ROLE = {each.role: each for each in COMPANIONS}
