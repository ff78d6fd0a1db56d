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
    whole = estimate(f"hf:{REPO}:F16", EstimateOptions(ram=64 << 30)).estimate
    small = EstimateOptions(ram=whole.uses[0].need - 10 * MiB)
    found = estimate(f"hf:{REPO}:F16", small)
    assert (found.verdict.word, found.smaller) == ("does-not-fit", "Q4_K_M")
    assert estimate(f"hf:{REPO}:Q4_K_M", small).verdict.fits
    assert [each.text for each in found.remedies] == [f"a context of {found.max_context} tokens"]
    none = estimate(f"hf:{REPO}:Q2_K", EstimateOptions(ram=MiB))
    assert (none.verdict.fits, none.smaller, none.remedies) == (False, None, ())


def test_a_smaller_quant_is_named_only_if_it_fits_so(
    place: Place, estimate: Callable[..., Estimation]
) -> None:
    """A file that is smaller by more than is missing does not fit where what is missing is RAM, and layers are not."""
    place.repo.commit(
        {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS) for name in ("Q2_K", "Q4_K_M", "Q8_0", "F16")}
    )
    asked = DESCRIBED._replace(gpu_layers=ALL_LAYERS)
    needs = {
        name: estimate(f"hf:{REPO}:{name}", asked).estimate.uses[0].need for name in ("Q4_K_M", "Q8_0", "F16")
    }
    small = asked._replace(ram=needs["Q4_K_M"] + 1000)
    found = estimate(f"hf:{REPO}:F16", small)
    larger = estimate(f"hf:{REPO}:Q8_0", small)
    assert (found.file_size or 0) - (larger.file_size or 0) > needs["F16"] - needs["Q4_K_M"]
    assert (found.smaller, larger.smaller, larger.verdict.fits) == ("Q4_K_M", "Q4_K_M", False)
    assert estimate(f"hf:{REPO}:Q4_K_M", small).verdict.fits
    assert estimate(f"hf:{REPO}:F16", asked._replace(ram=needs["Q4_K_M"] // 9)).smaller is None


def test_a_context_that_fits_is_no_more_than_the_largest_that_does(
    place: Place, estimate: Callable[..., Estimation]
) -> None:
    """A context beyond the trained one that fits is the largest that is told; one that does not is not."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0")})
    long = estimate(f"hf:{REPO}:Q8_0", DESCRIBED._replace(context=16384))
    assert (long.verdict.fits, long.max_context) == (True, 16384)
    assert all(each.outcome.max_context == 16384 for each in long.profiles)
    room = long.estimate.uses[0].need - 100_000
    short = estimate(f"hf:{REPO}:Q8_0", EstimateOptions(context=16384, ram=room))
    assert (short.verdict.fits, 0 < short.max_context < 16384) == (False, True)


def test_profiles_keep_what_is_asked_for(place: Place, estimate: Callable[..., Estimation]) -> None:
    """At its best a model takes the GPU and the most context, unless a flag or llama.cpp says otherwise."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0")})

    def told(**asked: Any) -> list[tuple[str, bool, int, int]]:
        found = estimate(f"hf:{REPO}:Q8_0", DESCRIBED._replace(**asked))
        return [
            (each.name, each.flash_attention, each.load["n_gpu_layers"], each.load["n_ctx"])
            for each in found.profiles
        ]

    assert told() == [
        ("as-loaded", False, 0, 512),
        ("as-loaded", True, 0, 512),
        ("best", False, -1, 8192),
        ("best", True, -1, 8192),
    ]
    assert told(context=1024, gpu_layers=2, flash_attention=False) == [
        ("as-loaded", False, 2, 1024),
        ("best", False, 2, 1024),
    ]
    quantized = told(cache_type_k="q8_0", cache_type_v="q8_0", flash_attention=True)
    assert [flash for _, flash, *_ in quantized] == [True, True]


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
