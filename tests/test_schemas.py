"""Workflows, our action and the recipes have the form that their published schemas say."""

import importlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [
    *(
        (path.relative_to(ROOT).as_posix(), "github-workflows")
        for path in ROOT.glob(".github/workflows/*.yml")
    ),
    (".github/dependabot.yml", "dependabot"),
    ("action.yml", "github-actions"),
    ("recipes/github/models.yml", "github-workflows"),
    ("recipes/ci/gitlab.yml", "gitlab-ci"),
    ("recipes/ci/circleci.yml", "circle-ci"),
    ("recipes/ci/azure-pipelines.yml", "azure-pipelines"),
    ("recipes/docker/compose.yaml", "compose-spec"),
]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("check_jsonschema") is None, reason="needs check-jsonschema"
)


def status(file: Path, schema: str) -> int:
    """The exit status of check-jsonschema, in this process: its import takes two seconds."""
    main = importlib.import_module("check_jsonschema").main
    # the patterns of the schema for Azure are for older engines
    words = ["--regex-variant", "nonunicode", "--builtin-schema", f"vendor.{schema}", str(file)]
    found: int = main(words, standalone_mode=False)
    return found


@pytest.mark.parametrize(("file", "schema"), sorted(FILES))
def test_has_the_form_that_its_schema_says(file: str, schema: str) -> None:
    """The schemas are those that check-jsonschema brings along."""
    if not (ROOT / file).exists():
        pytest.skip("an sdist has no such file")
    assert status(ROOT / file, schema) == 0


@pytest.mark.parametrize("schema", sorted({schema for _, schema in FILES}))
def test_another_form_is_refused(tmp_path: Path, schema: str) -> None:
    """A list is none of these."""
    (tmp_path / "list.yml").write_text("- on: push\n")
    assert status(tmp_path / "list.yml", schema) != 0
