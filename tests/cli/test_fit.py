"""What fits this machine, at the command line: `add --fit`, `--variant auto`, `--require-fit`."""

import re
import sys
from pathlib import Path

import pytest

from tests.hub import Hub, Slow
from tests.support.command_line import COMMAND, Cli
from tests.support.machines import HUGE
from tests.support.project import REPO
from tests.support.quant_files import quant


@pytest.fixture
def real(empty: Cli) -> Cli:
    """A repo of models that a header can be read of, and a project without any."""
    empty.repo.commit({f"tiny-{name}.gguf": quant(name) for name in ("Q4_K_M", "Q8_0")})
    empty.write("[modelsync]\n")
    return empty


def test_add_fit_writes_the_quant_that_fits(real: Cli) -> None:
    """The largest of the repo, as an explicit quant, with the reason; then it is locked and synced."""
    done = real("add", "tiny", f"hf:{REPO}", "--fit")
    assert f'uri = "hf:{REPO}:Q8_0"' in (real.folder / "models.toml").read_text()
    assert "chose Q8_0, the largest of 2 quants: it needs" in done.err
    assert real("path", "tiny", "--offline").out.endswith("tiny-Q8_0.gguf\n")


def test_add_fit_is_for_a_machine_that_is_described_too(real: Cli) -> None:
    """Programs get what was chosen and what the next larger one would have needed."""
    value = real(
        *(
            "add",
            "tiny",
            f"hf:{REPO}",
            "--fit",
            "--ram",
            "12M",
            "--ctx",
            "256",
            "--no-sync",
            "--format",
            "json",
        )
    ).json
    assert value["fit"]["uri"] == f"hf:{REPO}:Q8_0"
    assert value["fit"]["next"] is None
    assert value["fit"]["best"]["total_bytes"] <= 12 << 20


def test_add_fit_of_what_fits_nowhere_changes_nothing(real: Cli) -> None:
    """An error with what the smallest needs."""
    done = real("add", "tiny", f"hf:{REPO}", "--fit", "--ram", "1M", status=1)
    assert "the smallest, Q4_K_M, needs" in done.err
    assert (real.folder / "models.toml").read_text() == "[modelsync]\n"


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ([f"hf:{REPO}:Q8_0", "--fit"], 2, "the URI names the quant Q8_0"),
        ([f"hf:{REPO}", "--fit", "--frozen"], 2, "--frozen makes no request"),
        ([f"hf:{REPO}", "--fit", "--offline"], 1, "the network is ruled out"),
        ([f"hf:{REPO}", "--ctx", "1024"], 2, "--fit is to choose for"),
    ],
)
def test_add_fit_where_there_is_nothing_to_choose(
    real: Cli, words: list[str], status: int, told: str
) -> None:
    """Each way to misuse it has its own words."""
    assert told in real("add", "tiny", *words, status=status).err


def test_auto_is_a_variant_of_every_command(real: Cli) -> None:
    """sync, path, run, verify and export take it, as a flag and as a variable."""
    real.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n[models.tiny.variants.large]\nuri = "hf:{REPO}:Q8_0"\n'
    )
    assert "tiny [large]" in real("sync", "--variant", "auto").err
    real.hub.clear()
    assert "nothing to do" in real("sync", MODELSYNC_VARIANT="auto").err
    assert real("path", "tiny", "--variant", "auto").out.endswith("tiny-Q8_0.gguf\n")
    assert real("run", "--variant", "auto", "--", "sh", "-c", "echo $MODELSYNC_PATH_TINY").out.endswith(
        "Q8_0.gguf\n"
    )
    assert "tiny-Q8_0.gguf" in real("export", "--to", "sha256sums", MODELSYNC_VARIANT="auto").out
    assert "tiny-Q8_0.gguf" in real("verify", "--variant", "auto").out
    assert real("inspect", "tiny", "--variant", "auto").status == 0
    assert real("estimate", "tiny", "--variant", "auto", "--format", "json").json["quant"] == "Q8_0"
    assert real.hub.seen() == []


def test_sync_warns_of_what_cannot_fit(real: Cli) -> None:
    """On stderr, before the download, unless it is to be quiet; programs find it in the object."""
    real.write(f'[models.tiny]\nuri = "hf:{REPO}:Q8_0"\nload = {{ n_ctx = {HUGE} }}\n')
    done = real("sync")
    warning = done.err.index("warning: tiny does not fit this machine: it needs")
    assert warning < done.err.index("fetching tiny")
    real("cache", "clean", "--yes")
    value = real("sync", "--format", "json").json
    assert "does not fit" in value["warnings"][0]
    real("cache", "clean", "--yes")
    assert real("-q", "sync").err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a pty is needed")
def test_a_warning_stands_above_the_bars(real: Cli) -> None:
    """On a line of its own, though files were being asked about when it came; it is there when they are gone."""
    from tests.support.terminal import Terminal

    real.hub.misbehave(Slow(1_000_000), where="cdn", times=None)
    real.write(f'[models.tiny]\nuri = "hf:{REPO}:Q8_0"\nload = {{ n_ctx = {HUGE} }}\n')
    with Terminal([*COMMAND, "sync"], real.folder, width=200) as shown:
        assert shown.end() == (0, "")
        assert "?25l" in shown.text  # bars were drawn
        lines = [line.strip() for line in re.split(r"[\r\n]+", shown.plain)]
        assert [line for line in lines if line.startswith("warning: tiny does not fit this machine")]


def test_require_fit_refuses(real: Cli, store_root: Path, hub: Hub) -> None:
    """Status 1, a code of its own, and nothing of the model is fetched."""
    real.write(f'[models.tiny]\nuri = "hf:{REPO}:Q8_0"\nload = {{ n_ctx = {HUGE} }}\n')
    value = real("sync", "--require-fit", "--format", "json", status=1).json
    assert value["error"]["code"] == "does-not-fit"
    assert "modelsync estimate tiny" in value["error"]["hint"]
    for words in (["sync"], ["run", "--", "true"], ["path", "tiny"]):
        assert "does not fit" in real(*words, status=1, MODELSYNC_REQUIRE_FIT="1").err
    assert not (store_root / "blobs-v1").exists()


def test_the_shell_offers_auto_where_there_are_variants(real: Cli) -> None:
    """Where one is chosen, and not where one is made."""
    complete = {"_MODELSYNC_COMPLETE": "bash_complete", "COMP_CWORD": "3"}
    assert "auto" not in real(COMP_WORDS="modelsync sync --variant ", variables=complete).out
    real.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n[models.tiny.variants.large]\nuri = "hf:{REPO}:Q8_0"\n'
    )
    assert real(COMP_WORDS="modelsync sync --variant ", variables=complete).out.split() == [
        "plain,auto",
        "plain,large",
    ]
    words = {**complete, "COMP_CWORD": "3"}
    assert real(COMP_WORDS="modelsync add --variant ", variables=words).out.split() == ["plain,large"]
