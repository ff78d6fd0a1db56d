"""Estimates of models that are on a hub: what they say, and what they cost."""

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import pytest

from modelsync.context import Context
from modelsync.errors import NotAModelError, NotFoundError, UsageError
from modelsync.fit import quants
from modelsync.fit.estimation import Asked, Estimation
from modelsync.fit.quants import Quants
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import write_header
from modelsync.memory.load_settings import ALL_LAYERS
from modelsync.ops import estimate as ops_estimate
from modelsync.ops import lock, sync
from modelsync.spec.uri import parse
from tests.hub import IgnoreRange, Seen
from tests.support.header_builder import Model
from tests.support.project import REPO, Opened, Place

MIB = 1 << 20
WORDS = [f"{index:060d}" for index in range(30_000)]  # 2 MB of vocabulary
# For each quant that a repo may have the type of its tensors; what is called by other names is not stored otherwise.
STORED = {
    "IQ1_S": "IQ1_S", "IQ1_M": "IQ1_M", "IQ2_XXS": "IQ2_XXS", "IQ2_XS": "IQ2_XS", "IQ2_S": "IQ2_S", "Q2_K": "Q2_K",
    "IQ3_XXS": "IQ3_XXS", "IQ3_S": "IQ3_S", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "IQ4_XS": "IQ4_XS", "IQ4_NL": "IQ4_NL",
    "Q4_0": "Q4_0", "Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K", "Q5_0": "Q5_0", "Q5_K_M": "Q5_K", "Q6_K": "Q6_K",
    "Q8_0": "Q8_0", "F16": "F16",
}  # fmt: skip


def quant(name: str, *, vocabulary: Sequence[str] = (), **keys: Any) -> bytes:
    """A small llama model in that quant."""
    model = Model("llama", 2, 256, len(vocabulary) or 1000, context=8192, quant=STORED[name])
    if vocabulary:
        model.metadata["tokenizer.ggml.tokens"] = vocabulary
    model.metadata |= {"general.quantization_version": 2, "general.file_type": 7, **keys}
    model.heads(4, 2)
    model.keys(feed_forward_length=512, rope__dimension_count=64)
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.attention(block, 256, 128)
        model.feed_forward(block, 512)
    file = model.file()
    return file.header.ljust(file.size, b"\0")


def parts(name: str, count: int) -> dict[str, bytes]:
    """The same model, cut as gguf-split cuts: metadata in the first part, its tensors in all."""
    model = Model("llama", 2, 256, len(WORDS), context=8192, quant=STORED[name])
    model.heads(4, 2)
    model.keys(feed_forward_length=512, rope__dimension_count=64)
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.attention(block, 256, 128)
        model.feed_forward(block, 512)
    made = {}
    for number in range(count):
        chosen = model.tensors[
            number * len(model.tensors) // count : (number + 1) * len(model.tensors) // count
        ]
        keys: dict[str, Any] = {
            "split.no": number,
            "split.count": count,
            "split.tensors.count": len(model.tensors),
        }
        if number == 0:
            keys = {**model.metadata, "tokenizer.ggml.tokens": WORDS, **keys}
        file = write_header(keys, chosen)
        made[f"{name}/tiny-{name}-{number + 1:05d}-of-{count:05d}.gguf"] = file.header.ljust(file.size, b"\0")
    return made


def put(place: Place, files: dict[str, bytes]) -> None:
    """Puts nothing but these files into the place's repo."""
    there = place.repo.commits[place.repo.branches["main"]].files
    place.repo.commit({**dict.fromkeys(there), **files})


DESCRIBED = Asked(ram=64 << 30, gpus=(8 << 30,))


@pytest.fixture
def estimate(place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Estimation]:
    """Estimates something in the place's folder, for a described machine if nothing else is said."""
    monkeypatch.chdir(place.folder)

    def run(
        text: str, asked: Asked = DESCRIBED, context: Context | None = None, **options: Any
    ) -> Estimation:
        return ops_estimate.estimate(context or opened(), text, lambda: place.project, asked=asked, **options)

    return run


def brought(place: Place, match: str) -> int:
    """Bytes of matching files that went over the wire."""
    return sum(seen.sent for seen in place.hub.seen(match=match, method="GET") if seen.server != "hub")


# --- one model ---------------------------------------------------------------------------------------


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
    assert brought(place, "*.gguf") < 5 * MIB


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


def test_a_model_that_does_not_fit_is_told_what_would(
    place: Place, estimate: Callable[..., Estimation]
) -> None:
    """Too small a machine: the verdict, the remedies, and the quant of the same repo that would fit."""
    place.repo.commit(
        {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS) for name in ("Q2_K", "Q4_K_M", "F16")}
    )
    whole = estimate(f"hf:{REPO}:F16").estimate
    found = estimate(f"hf:{REPO}:F16", Asked(ram=whole.uses[0].need - 10 * MIB))
    assert (found.verdict.word, found.smaller) == ("does-not-fit", "Q4_K_M")
    assert [each.text for each in found.remedies] == ["a context of 256 tokens"]
    assert found.max_context == 256
    none = estimate(f"hf:{REPO}:Q2_K", Asked(ram=MIB))
    assert (none.verdict.fits, none.smaller, none.remedies) == (False, None, ())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(profile="llama-servr"), "no profile `llama-servr`; did you mean"),
        (Asked(cache_type_k="q3_k"), "not a type that a cache can have"),
        (Asked(cache_type_v="q8_0"), "needs flash attention"),
        (Asked(ubatch=0), "ubatch: 0 is not a number from 1"),
        (Asked(gpu_layers=-2), "gpu layers: -2 is not a number from -1"),
    ],
)
def test_what_means_nothing_is_refused(
    place: Place, estimate: Callable[..., Estimation], asked: Asked, words: str
) -> None:
    """A profile, a cache type or a number that there is not, or that llama.cpp would refuse."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0")})
    with pytest.raises(UsageError) as caught:
        estimate(f"hf:{REPO}:Q8_0", asked._replace(ram=64 << 30))
    assert words in caught.value.message


@pytest.mark.skipif(
    sys.platform != "linux" or find_spec("llama_cpp") is None,
    reason="llama.cpp can be asked on Linux alone, where llama-cpp-python is installed",
)
def test_on_this_machine_llama_cpp_is_asked(place: Place, estimate: Callable[..., Estimation]) -> None:
    """Nothing described: the numbers are llama.cpp's own, for the devices that it sees here."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0", vocabulary=WORDS)})
    found = estimate(f"hf:{REPO}:Q8_0", Asked(context=2048))
    assert found.estimate.source == "llama.cpp"
    assert found.estimate.cache == 2048 * 2 * (128 + 128) * 2
    assert found.estimate.uses[0].device.total > 0


def test_what_is_no_model_is_called_so(place: Place, estimate: Callable[..., Estimation]) -> None:
    """A file that is no GGUF is an error, not an estimate."""
    put(place, {"tiny-Q8_0.gguf": b"<html>login</html>" * 10})
    with pytest.raises(NotAModelError, match="web page"):
        estimate(f"hf:{REPO}:Q8_0")


# --- all quants of a repo ----------------------------------------------------------------------------


def table(context: Context, asked: Asked = DESCRIBED) -> Quants:
    return quants.estimate_quants(context, parse(f"hf:{REPO}"), asked)


def test_twenty_quants_cost_one_header_and_little_more(place: Place, context: Context) -> None:
    """One header is read whole; of each other quant at most a MiB; and each estimate is what its own header says."""
    files = {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS) for name in STORED}
    place.repo.commit(
        {**files, "tiny-Q4_K_M.gguf": files["tiny-Q4_K_M.gguf"], "mmproj-F16.gguf": quant("F16")}
    )
    place.hub.clear()
    found = table(context)
    assert {row.quant for row in found.rows} == set(STORED)
    costs = sorted(brought(place, f"*{name}") for name in files)
    assert costs[-1] < 5 * MIB
    assert all(cost <= MIB for cost in costs[:-1])
    assert sum(costs) < 4 * MIB + 20 * 256 * 1024
    assert len(place.hub.seen("hub", "/api/*", "GET")) == 1
    by_name = {row.quant: row for row in found.rows}
    for name in ("IQ1_S", "Q4_K_M", "F16"):
        assert by_name[name].file_size == len(files[f"tiny-{name}.gguf"])
        alone = ops_estimate.estimate(context, f"hf:{REPO}:{name}", lambda: place.project, asked=DESCRIBED)
        assert by_name[name].estimate == alone.estimate
    assert [row.file_size for row in found.rows] == sorted(len(data) for data in files.values())
    assert found.best is not None
    assert found.best.quant == "F16"


def test_the_best_quant_is_the_largest_that_fits(place: Place, context: Context) -> None:
    """With less memory it is a smaller one; with next to none there is none."""
    place.repo.commit(
        {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS) for name in ("Q2_K", "Q4_K_M", "F16")}
    )
    rows = {row.quant: row.estimate.need for row in table(context, Asked(ram=64 << 30)).rows}
    some = table(context, Asked(ram=rows["Q4_K_M"] + MIB))
    assert some.best is not None
    assert (some.best.quant, some.to_dict()["best"]) == ("Q4_K_M", "Q4_K_M")
    assert [row.verdict.fits for row in some.rows] == [True, True, False]
    assert table(context, Asked(ram=MIB)).best is None


def test_what_its_sibling_does_not_prove_is_read_whole(place: Place, context: Context) -> None:
    """A quant with other metadata, or from a server without ranges, costs its header and is as right."""
    odd = quant("F16", vocabulary=WORDS, note="x" * 200_000)
    put(place, {"tiny-Q2_K.gguf": quant("Q2_K", vocabulary=WORDS), "tiny-F16.gguf": odd})
    found = {row.quant: row for row in table(context).rows}
    assert found["F16"].file_size == len(odd)
    assert found["F16"].estimate.weights > found["Q2_K"].estimate.weights
    assert brought(place, "*F16.gguf") > MIB


def test_a_server_without_ranges_is_read_as_it_is(place: Place, context: Context) -> None:
    """Windows that come as whole files are not taken for windows."""
    put(place, {f"tiny-{name}.gguf": quant(name) for name in ("Q2_K", "Q8_0")})
    place.hub.misbehave(IgnoreRange(), where="cdn", times=100)
    assert [row.quant for row in table(context).rows] == ["Q2_K", "Q8_0"]


def test_split_quants_are_estimated_by_windows_too(place: Place, context: Context) -> None:
    """Whichever of the quants are split, their tensors are gathered from all parts, and no vocabulary is read twice."""
    put(place, {"tiny-Q2_K.gguf": quant("Q2_K", vocabulary=WORDS), **parts("Q8_0", 3), **parts("F16", 2)})
    place.hub.clear()
    found = {row.quant: row for row in table(context).rows}
    assert {name: row.estimate.weights for name, row in found.items()} == {
        name: ops_estimate.estimate(
            context, f"hf:{REPO}:{name}", lambda: place.project, asked=DESCRIBED
        ).estimate.weights
        for name in ("Q2_K", "Q8_0", "F16")
    }


def test_split_quants_alone_cost_one_header(place: Place, context: Context) -> None:
    """Where all quants are split, one is read whole, and of the others only their infos."""
    put(place, {**parts("Q2_K", 2), **parts("Q8_0", 3)})
    place.hub.clear()
    assert [row.quant for row in table(context).rows] == ["Q2_K", "Q8_0"]
    assert brought(place, "*Q8_0*") <= MIB


def test_what_is_here_is_asked_of_nobody(place: Place, context: Context) -> None:
    """A quant in the store is the one that the others are held against."""
    put(place, {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS) for name in ("Q2_K", "Q8_0")})
    project = place.write(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    place.hub.clear()
    assert len(table(context).rows) == 2
    assert brought(place, "*Q8_0.gguf") == 0
    assert brought(place, "*Q2_K.gguf") <= MIB


def test_a_bad_quant_spoils_no_table(place: Place, context: Context, opened: Opened) -> None:
    """Of the others the table is made, and a note tells of the bad one; with no good one it is an error."""
    put(
        place,
        {
            "tiny-Q2_K.gguf": b"GGUF" + b"x" * 9000,
            "tiny-Q8_0.gguf": quant("Q8_0"),
            "tiny-F16.gguf": b"<html>",
        },
    )
    found = table(context)
    assert [row.quant for row in found.rows] == ["Q8_0"]
    assert sorted(note[:13] for note in found.notes) == ["tiny-F16.gguf", "tiny-Q2_K.ggu"]
    put(place, {"tiny-Q2_K.gguf": b"<html>" * 100})
    with pytest.raises(NotAModelError):
        table(opened())


def seen_files(place: Place) -> list[Seen]:
    return [seen for seen in place.hub.seen(match="*.gguf") if seen.server != "hub"]


def test_a_repo_without_quants_has_no_table(place: Place, context: Context) -> None:
    """Nothing to choose among is an error that says so, and nothing is read."""
    put(place, {"readme.md": b"x"})
    with pytest.raises(NotFoundError):
        table(context)
    with pytest.raises(UsageError, match="is no repo"):
        quants.estimate_quants(context, parse("https://example.com/model.gguf"))
    assert seen_files(place) == []


def test_the_type_of_a_quant_is_one_that_there_is() -> None:
    """The table of this module names types that tensors can have."""
    assert {*STORED.values()} <= {*BY_NAME}
