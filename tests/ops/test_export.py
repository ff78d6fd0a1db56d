"""Export: which models are taken, and lines that other programs read whatever is in a path."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from modelsync.errors import StaleLockError
from modelsync.ops import sync
from modelsync.ops.export import llama_server, models, sha256sums
from modelsync.project.selection import Groups, Selection
from tests.hub import Hub
from tests.support import presets
from tests.support.llama_models import make_bert
from tests.support.project import REPO, Opened, Place, sync_options

MANIFEST = f"""\
[models]
small = "hf:{REPO}:Q4_K_M"
big = "hf:{REPO}:Q8_0"
[models.also]
uri = "hf:{REPO}:Q4_K_M"
groups = ["extra"]
[models.also.variants.server]
uri = "hf:{REPO}:Q8_0"
"""


def test_sha256sum_reads_a_path_with_any_character(
    tmp_path: Path, hub: Hub, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backslash and a line's end in a path are escaped as the tool itself would."""
    sha256sum = shutil.which("sha256sum")
    if sha256sum is None:
        pytest.skip("sha256sum is not installed")
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    folder = tmp_path / "back\\slash\nand a line"
    folder.mkdir()
    project = Place(folder, hub).write(f'[modelsync]\ndir = "models"\n{MANIFEST}')
    context = opened()
    sync.sync(context, project)
    chosen = models.models(context, project)
    for root in (folder, tmp_path / "elsewhere"):  # relative to the project, and absolute
        (exported,) = sha256sums.write(chosen, root)
        done = subprocess.run(
            [sha256sum, "-c", "--strict"], cwd=folder, input=exported.text, text=True, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(": OK") == 3


def test_a_file_of_two_models_is_one_line(place: Place, opened: Opened) -> None:
    """Two names for the same bytes: the store shows them once, and so they are checked once."""
    context, project = opened(), place.write(MANIFEST)
    sync.sync(context, project)
    (exported,) = sha256sums.write(models.models(context, project), place.folder)
    assert len(exported.text.splitlines()) == 2


def test_models_are_chosen_as_a_sync_would(
    place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, by group and by variant, the environment's too; sorted by name whatever the manifest's order."""
    context, project = opened(), place.write(MANIFEST)
    sync.sync(context, project)
    sync.sync(context, project, sync_options(variant="server"))

    def names(**given: Any) -> list[str]:
        return [model.name for model in models.models(context, project, Selection(**given))]

    assert names() == ["also", "big", "small"]
    assert names(groups=Groups(minus=("extra",))) == ["big", "small"]
    assert names(names=["small", "big"]) == ["big", "small"]
    (also,) = models.models(context, project, Selection(["also"], variant="server"))
    assert also.known.model.variant == "server"
    monkeypatch.setenv("MODELSYNC_VARIANT", "server")
    (also,) = models.models(opened(), project, Selection(["also"]))
    assert also.known.model.variant == "server"


def test_a_stale_lock_exports_nothing(place: Place, opened: Opened) -> None:
    """Other programs would be told of files that the manifest does not ask for any more."""
    context, project = opened(), place.write(MANIFEST)
    sync.sync(context, project)
    place.write(MANIFEST.replace(f'small = "hf:{REPO}:Q4_K_M"', f'small = "hf:{REPO}:Q8_0"'))
    with pytest.raises(StaleLockError, match="small"):
        models.models(context, project)
    assert [model.name for model in models.models(context, project, Selection(["big"]))] == ["big"]


def test_llama_server_is_told_what_a_model_is_for(place: Place, opened: Opened, tmp_path: Path) -> None:
    """A reranker ranks, an encoder makes vectors, and both take a text as long as their context at once."""
    place.hub.repo("user/bert").commit(
        {
            "embed.gguf": make_bert(tmp_path / "embed.gguf"),
            "rank.gguf": make_bert(tmp_path / "r.gguf", ranks=True),
        }
    )
    lines = "".join(f'{name} = "hf:user/bert/{name}.gguf"\n' for name in ("embed", "rank"))
    project = place.write(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n{lines}')
    sync.sync(opened(), project)
    (exported,) = llama_server.write(models.models(opened(), project), place.folder)
    sections = presets.read(exported.text)
    sizes = {"batch-size": "128", "ubatch-size": "128"}
    for name, more in (
        ("embed", {"embeddings": "true"} | sizes),
        ("rank", {"reranking": "true"} | sizes),
        ("tiny", {}),
    ):
        assert {key: said for key, said in sections[name].items() if key != "model"} == more
