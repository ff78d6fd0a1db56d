"""Estimates of models that are on a hub: what they say, and what they cost."""

from collections.abc import Callable
from typing import Any

import pytest

from modelsync.context import Context
from modelsync.errors import NotAModelError, UsageError
from modelsync.fit.estimation import EstimateOptions, Estimation
from modelsync.memory.load_settings import ALL_LAYERS
from modelsync.ops import estimate as ops_estimate
from modelsync.ops import lock
from tests.support.machines import DESCRIBED
from tests.support.marks import asks_llama_cpp
from tests.support.project import REPO, Opened, Place, brought, put
from tests.support.quant_files import WORDS, quant
from tests.support.units import MiB


@pytest.fixture
def estimate(place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Estimation]:
    """Estimates something in the place's folder, for a described machine if nothing else is said."""
    monkeypatch.chdir(place.folder)

    def run(
        text: str, asked: EstimateOptions = DESCRIBED, context: Context | None = None, **options: Any
    ) -> Estimation:
        return ops_estimate.estimate(context or opened(), text, lambda: place.project, asked=asked, **options)

    return run


def test_a_model_on_a_hub_is_estimated_by_its_header(
    place: Place, estimate: Callable[..., Estimation]
) -> None:
    """Weights, cache, a verdict for the machine that was described, and nothing of the model fetched but its header."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0", vocabulary=WORDS)})
    found = estimate(f"hf:{REPO}:Q8_0", DESCRIBED._replace(context=4096, gpu_layers=ALL_LAYERS))
    assert (found.quant, found.verdict.word, found.max_context, found.score) == (
        "Q8_0",
        "fits-gpu",
        8192,
        100,
    )
    assert found.estimate.cache == 4096 * 2 * (128 + 128) * 2
    assert found.estimate.source == "formula"
    assert found.smaller is None
    assert [use.device.name for use in found.estimate.uses] == ["RAM", "GPU 0"]
    told = found.to_dict()
    assert told["total_bytes"] == sum(each["need"] for each in told["devices"])
    assert (told["max_ctx"], told["profile"], told["verdict"]) == (8192, "llama-cpp-python", "fits-gpu")
    assert brought(place, "*.gguf") < 5 * MiB


def test_a_names_load_settings_decide(
    place: Place, estimate: Callable[..., Estimation], context: Context
) -> None:
    """`[models.x.load]` says how it is loaded; a flag wins over it, and a profile is a profile."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0")})
    project = place.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q8_0"\n[models.tiny.load]\nn_ctx = 2048\nflash_attn = true\n'
    )
    lock.lock(context, project)
    found = estimate("tiny").estimate.settings
    assert (found.context, found.flash_attention) == (2048, True)
    assert "manifest" in found.profile
    assert estimate("tiny", DESCRIBED._replace(context=512)).estimate.context == 512
    server = estimate("tiny", DESCRIBED._replace(profile="llama-server")).estimate
    assert (server.settings.profile, server.context, server.gpu_layers) == ("llama-server", 8192, 3)


def test_a_names_draft_head_is_counted(
    place: Place, estimate: Callable[..., Estimation], context: Context
) -> None:
    """A head that is locked with the model takes memory beside it: in weights, cache and compute, and in a note."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0"), "mtp-tiny.gguf": quant("Q4_K_M")})
    plain = estimate(f"hf:{REPO}:Q8_0").estimate
    lock.lock(context, place.write(f'[models.tiny]\nuri = "hf:{REPO}:Q8_0"\ndraft = true\n'))
    found = estimate("tiny")
    assert found.estimate.weights > plain.weights
    assert found.estimate.cache == 2 * plain.cache
    assert found.estimate.compute > plain.compute
    assert any("draft head is counted" in note for note in found.notes)


def test_a_model_that_does_not_fit_is_told_what_would(
    place: Place, estimate: Callable[..., Estimation]
) -> None:
    """Too small a machine: the verdict, the remedies, and the quant of the same repo that would fit."""
    place.repo.commit(
        {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS) for name in ("Q2_K", "Q4_K_M", "F16")}
    )
    whole = estimate(f"hf:{REPO}:F16").estimate
    found = estimate(f"hf:{REPO}:F16", EstimateOptions(ram=whole.uses[0].need - 10 * MiB))
    assert (found.verdict.word, found.smaller) == ("does-not-fit", "Q4_K_M")
    assert [each.text for each in found.remedies] == ["a context of 256 tokens"]
    assert found.max_context == 256
    none = estimate(f"hf:{REPO}:Q2_K", EstimateOptions(ram=MiB))
    assert (none.verdict.fits, none.smaller, none.remedies) == (False, None, ())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (EstimateOptions(profile="llama-servr"), "no profile `llama-servr`; did you mean"),
        (EstimateOptions(cache_type_k="q3_k"), "not a cache type"),
        (EstimateOptions(cache_type_v="q8_0"), "needs flash attention"),
        (EstimateOptions(ubatch=0), "ubatch: 0 is not a number from 1"),
        (EstimateOptions(gpu_layers=-2), "gpu layers: -2 is not a number from -1"),
    ],
)
def test_what_means_nothing_is_refused(
    place: Place, estimate: Callable[..., Estimation], asked: EstimateOptions, words: str
) -> None:
    """A profile, a cache type or a number that there is not, or that llama.cpp would refuse."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0")})
    with pytest.raises(UsageError) as caught:
        estimate(f"hf:{REPO}:Q8_0", asked._replace(ram=64 << 30))
    assert words in caught.value.message


@asks_llama_cpp
def test_on_this_machine_llama_cpp_is_asked(place: Place, estimate: Callable[..., Estimation]) -> None:
    """Nothing described: the numbers are llama.cpp's own, for the devices that it sees here."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0", vocabulary=WORDS)})
    found = estimate(f"hf:{REPO}:Q8_0", EstimateOptions(context=2048))
    assert found.estimate.source == "llama.cpp"
    assert found.estimate.cache == 2048 * 2 * (128 + 128) * 2
    assert found.estimate.uses[0].device.total > 0


def test_what_is_no_model_is_called_so(place: Place, estimate: Callable[..., Estimation]) -> None:
    """A file that is no GGUF is an error, not an estimate."""
    put(place, {"tiny-Q8_0.gguf": b"<html>login</html>" * 10})
    with pytest.raises(NotAModelError, match="web page"):
        estimate(f"hf:{REPO}:Q8_0")
