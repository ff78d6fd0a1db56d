"""`modelsync schema`, and what `init` makes for editors."""

import json
from pathlib import Path

from modelsync.spec.manifest import schema
from tests.support.command_line import Cli


def test_schema_goes_to_stdout_or_a_file(empty: Cli, tmp_path: Path) -> None:
    """The same text; JSON has it as a value, or says where it was written."""
    assert empty("schema").out == schema.text()
    assert empty("schema", "--format", "json").json["json_schema"] == schema.schema()
    target = tmp_path / "given.json"
    done = empty("schema", "-o", str(target), "--format", "json")
    assert target.read_text("utf-8") == schema.text()
    assert done.json["output"] == str(target)


def test_a_folder_that_is_not_there_is_told(empty: Cli) -> None:
    """Nothing is half-written; it is an error of the disk."""
    done = empty("schema", "-o", "nowhere/models.schema.json", status=2)
    assert done.err.startswith("error: cannot write nowhere/models.schema.json: ")


def test_init_makes_the_schema_that_the_manifest_names(empty: Cli) -> None:
    """The first line names the file, which is there; `schema -o` writes the same."""
    made = empty("init", "--format", "json").json["files"]
    assert [Path(path).name for path in made] == ["models.toml", ".gitattributes", schema.FILE]
    first = (empty.folder / "models.toml").read_text("utf-8").partition("\n")[0]
    assert first == schema.DIRECTIVE
    assert (empty.folder / schema.FILE).read_text("utf-8") == schema.text()


def test_init_overwrites_no_schema(empty: Cli) -> None:
    """A file of that name may be anybody's."""
    (empty.folder / schema.FILE).write_text("mine")
    empty("init")
    assert (empty.folder / schema.FILE).read_text() == "mine"
    assert json.loads(empty("list", "--format", "json").out)["rows"] == []
