"""Which licenses a project allows."""

import pytest

from modelsync.spec.licenses import refused

ALLOWED = ("apache-2.0", "MIT", "Terms, and More")


@pytest.mark.parametrize(
    ("published", "stated", "answer"),
    [
        ("apache-2.0", None, None),
        ("Apache-2.0", None, None),
        ("mit, apache-2.0", None, None),
        ("terms, and more", None, None),
        ("mit, gpl-3.0, cc-by-4.0", None, ("gpl-3.0", "cc-by-4.0")),
        ("gpl-3.0", "LicenseRef-ours", ("gpl-3.0",)),  # a statement never overrides what is published
        ("gpl-3.0", "mit", ("gpl-3.0",)),
        ("LicenseRef-theirs", None, ("LicenseRef-theirs",)),  # nor does a hub make a person's decision
        ("LicenseRef-theirs", "LicenseRef-theirs", ("LicenseRef-theirs",)),
        (None, None, ()),
        ("", None, ()),
        (" , ", None, ()),
        ("other", None, ()),
        ("Unknown", None, ()),
        (None, "LicenseRef-ours", None),
        (None, "licenseref-ours", None),
        (None, "LicenseRef-", ("LicenseRef-",)),
        (None, "mit", None),
        (None, "gpl-3.0", ("gpl-3.0",)),
        ("other", "mit", None),
        ("mit, other", None, ()),
        ("mit, other", "LicenseRef-ours", None),
        ("gpl-3.0, other", "LicenseRef-ours", ("gpl-3.0",)),
        ("LicenseRef-theirs, other", "LicenseRef-ours", ("LicenseRef-theirs",)),
    ],
)
def test_what_is_refused(published: str | None, stated: str | None, answer: tuple[str, ...] | None) -> None:
    """What is published counts, all of it; what is stated only in the place of none."""
    assert refused(published, stated, ALLOWED) == answer


def test_an_empty_list_allows_a_persons_decision_alone() -> None:
    """Nothing published is allowed by it."""
    assert refused("mit", None, ()) == ("mit",)
    assert refused(None, "LicenseRef-ours", ()) is None
