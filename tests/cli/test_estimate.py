"""What a model will need, as a person and as a program reads it."""

from pathlib import Path

import pytest

from tests.hub import Hub
from tests.support.command_line import Cli


@pytest.fixture
def repo(cli: Cli, hub: Hub, tiny_gguf: Path) -> str:
    """A repo with two quants of a model that llama.cpp loads."""
    hub.repo("user/real").commit({"real-Q4_K_M.gguf": tiny_gguf, "real-Q8_0.gguf": tiny_gguf})
    return "hf:user/real"


def test_a_model_that_is_not_here_is_estimated_by_its_header(cli: Cli, repo: str, hub: Hub) -> None:
    """A verdict, what it needs, a bar for the memory; and nothing is downloaded but a header."""
    done = cli("estimate", f"{repo}:Q8_0", "--ram", "16GiB", "--ctx", "256")
    assert "fits the memory" in done.out
    assert "a context of 256 tokens" in done.out
    assert "16.0 GiB free of 16.0 GiB" in done.out
    assert "weights 468.2 KiB" in done.out
    assert not (cli.folder / "models.lock").exists()


def test_a_gpu_is_used_without_being_asked_for(cli: Cli, repo: str) -> None:
    """As it would be loaded a model stays on the CPU; at its best it is on the GPU, with settings for that."""
    done = cli("estimate", f"{repo}:Q8_0", "--gpu", "24GiB", "--ram", "32GiB")
    lines = done.out.splitlines()
    assert "  as it would be loaded: fits the memory, all on the CPU" in lines
    assert "  at its best here: fits the GPU" in lines
    assert "n_ctx = 256, n_gpu_layers = -1, flash_attn = true" in done.out
    rows = [line.split() for line in lines if " off " in line or " on " in line]
    assert [row[-1] for row in rows if row[-1] == "fits"] == ["fits"] * 4
    assert all(len(line) <= 80 for line in lines)
    server = ("estimate", f"{repo}:Q8_0", "--profile", "llama-server", "--ram", "32GiB")
    assert "with --ctx-size 256 --n-gpu-layers all --flash-attn on\n" in cli(*server, "--gpu", "24GiB").out
    assert "with --ctx-size 256 --flash-attn on\n" in cli(*server).out
    only = cli("estimate", f"{repo}:Q8_0", "--ram", "32GiB", "--flash-attn").out
    assert " off " not in only


def test_programs_get_the_profiles(cli: Cli, repo: str) -> None:
    """Four of them, each with the settings for it; the top level is as it would be loaded."""
    value = cli("estimate", f"{repo}:Q8_0", "--gpu", "24GB", "--ram", "16GiB", "--format", "json").json
    told = [(each["name"], each["flash_attn"]) for each in value["profiles"]]
    assert told == [("as-loaded", False), ("as-loaded", True), ("best", False), ("best", True)]
    as_loaded, *_, best = value["profiles"]
    same = {"total_bytes", "verdict", "max_ctx", "score", "devices", "context", "gpu_layers", "source"}
    assert {name: as_loaded[name] for name in same} == {name: value[name] for name in same}
    assert as_loaded["load"] == {"n_ctx": 512, "n_gpu_layers": 0, "flash_attn": False}
    assert (best["verdict"], best["score"], best["load"]["n_gpu_layers"]) == ("fits-gpu", 100, -1)


def test_what_does_not_fit_is_said(cli: Cli, repo: str) -> None:
    """A machine that is too small: the verdict says by how much."""
    done = cli("estimate", f"{repo}:Q8_0", "--ram", "1M")
    assert "does not fit" in done.out
    assert "too much" in done.out
    assert "no setting makes it fit" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())


def test_programs_get_bytes(cli: Cli, repo: str) -> None:
    """The JSON has every number, which of the two ways it is by, and adds up."""
    value = cli(
        "estimate",
        f"{repo}:Q8_0",
        "--gpu",
        "24GB",
        "--ram",
        "16GiB",
        "--gpu-layers",
        "max",
        "--format",
        "json",
    ).json
    assert value["source"] == "formula"
    assert value["verdict"] == "fits-gpu"
    assert [device["total"] for device in value["devices"]] == [16 << 30, 24 * 10**9]
    assert value["total_bytes"] == sum(device["need"] for device in value["devices"])
    assert {"max_ctx", "score", "weights_bytes", "context_bytes", "compute_bytes"} <= set(value)


def test_a_repo_gives_a_table_of_its_quants(cli: Cli, repo: str) -> None:
    """Without a quant, each quant of the repo has a row; programs get them as rows."""
    done = cli("estimate", repo, "--ram", "16GiB")
    assert "with a context of 4,096 tokens" in done.out
    assert [line.split()[0] for line in done.out.splitlines()[3:5]] == ["Q4_K_M", "Q8_0"]
    assert "the largest that fits: " in done.out
    assert "the largest that is all on the GPU: " in cli("estimate", repo, "--gpu", "24GiB").out
    value = cli("estimate", repo, "--ram", "16GiB", "--format", "json").json
    assert {row["quant"] for row in value["rows"]} == {"Q4_K_M", "Q8_0"}


@pytest.mark.parametrize(
    ("option", "value"),
    [("--ram", "lots"), ("--gpu", "24 apples"), ("--gpu-layers", "-3"), ("--cache-type-k", "q9")],
)
def test_what_makes_no_sense_is_an_error(cli: Cli, repo: str, option: str, value: str) -> None:
    """A size, a number of layers or a type that is none ends with status 2 and its name."""
    assert value in cli("estimate", f"{repo}:Q8_0", option, value, status=2).err


@pytest.mark.parametrize("option", ["--ram", "--gpu"])
def test_a_size_without_a_unit_is_an_error(cli: Cli, repo: str, option: str) -> None:
    """`--gpu 24` names the option and what to write."""
    err = cli("estimate", f"{repo}:Q8_0", option, "24", status=2).err
    assert option in err
    assert "'24' has no unit; write 24GB or 24GiB" in err
