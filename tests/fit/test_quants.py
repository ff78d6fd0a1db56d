"""All quants of a repo side by side: what they say, and what they cost."""

import pytest

from modelsync.context import Context
from modelsync.errors import NotAModelError, NotFoundError, UsageError
from modelsync.fit import best_quant, quants
from modelsync.fit.estimation import EstimateOptions
from modelsync.fit.quants import Quants
from modelsync.ops import estimate as ops_estimate
from modelsync.ops import sync
from modelsync.spec.uri import parse
from tests.hub import IgnoreRange, Seen
from tests.support.machines import DESCRIBED
from tests.support.project import REPO, Opened, Place, brought, put
from tests.support.quant_files import STORED, WORDS, parts, quant
from tests.support.units import MiB

TABLE = DESCRIBED._replace(context=quants.CONTEXT, gpu_layers="auto")  # what a table goes by


def table(context: Context, asked: EstimateOptions = DESCRIBED) -> Quants:
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
    assert costs[-1] < 5 * MiB
    assert all(cost <= MiB for cost in costs[:-1])
    assert sum(costs) < 4 * MiB + 20 * 256 * 1024
    assert len(place.hub.seen("hub", "/api/*", "GET")) == 1
    by_name = {row.quant: row for row in found.rows}
    for name in ("IQ1_S", "Q4_K_M", "F16"):
        assert by_name[name].file_size == len(files[f"tiny-{name}.gguf"])
        alone = ops_estimate.estimate(context, f"hf:{REPO}:{name}", lambda: place.project, asked=TABLE)
        assert by_name[name].estimate == alone.estimate
    assert [row.file_size for row in found.rows] == sorted(len(data) for data in files.values())
    assert found.best is not None
    assert found.best.quant == "F16"


def test_the_best_quant_is_the_largest_that_fits(place: Place, context: Context) -> None:
    """With less memory it is a smaller one; with next to none there is none."""
    place.repo.commit(
        {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS) for name in ("Q2_K", "Q4_K_M", "F16")}
    )
    rows = {row.quant: row.estimate.need for row in table(context, EstimateOptions(ram=64 << 30)).rows}
    some = table(context, EstimateOptions(ram=rows["Q4_K_M"] + MiB))
    assert some.best is not None
    assert (some.best.quant, some.to_dict()["best"]) == ("Q4_K_M", "Q4_K_M")
    assert [row.verdict.fits for row in some.rows] == [True, True, False]
    assert table(context, EstimateOptions(ram=MiB)).best is None


def test_the_table_names_the_quant_that_add_fit_chooses(place: Place, context: Context) -> None:
    """Of a machine with a small GPU: the largest that is all on it, and not a larger one beside it."""
    put(place, {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS) for name in ("Q2_K", "Q8_0", "F16")})
    needs = {row.quant: row.estimate.uses[1].need for row in table(context).rows}
    asked = EstimateOptions(ram=64 << 30, gpus=(needs["Q8_0"] + 1025 * MiB,))
    found = table(context, asked)
    chosen = best_quant.best_quant(context, parse(f"hf:{REPO}"), asked)
    assert found.best is not None
    assert found.best.quant == chosen.best.quant == "Q8_0"
    assert [row.verdict.fits for row in found.rows] == [True, True, True]
    assert all(row.max_context >= row.estimate.context for row in found.rows)


def test_what_its_sibling_does_not_prove_is_read_whole(place: Place, context: Context) -> None:
    """A quant with other metadata, or from a server without ranges, costs its header and is as right."""
    odd = quant("F16", vocabulary=WORDS, note="x" * 200_000)
    put(place, {"tiny-Q2_K.gguf": quant("Q2_K", vocabulary=WORDS), "tiny-F16.gguf": odd})
    found = {row.quant: row for row in table(context).rows}
    assert found["F16"].file_size == len(odd)
    assert found["F16"].estimate.weights > found["Q2_K"].estimate.weights
    assert brought(place, "*F16.gguf") > MiB


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
    assert brought(place, "*Q8_0*") <= MiB


def test_what_is_here_is_asked_of_nobody(place: Place, context: Context) -> None:
    """A quant in the store is the one that the others are compared with."""
    put(place, {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS) for name in ("Q2_K", "Q8_0")})
    project = place.write(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    place.hub.clear()
    assert len(table(context).rows) == 2
    assert brought(place, "*Q8_0.gguf") == 0
    assert brought(place, "*Q2_K.gguf") <= MiB


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


def test_a_quant_of_a_fork_is_never_the_best(place: Place, context: Context) -> None:
    """llama.cpp does not load it: it has no row, read by windows or whole, and a note says why."""
    data = quant("Q2_K", vocabulary=WORDS)
    name = b"blk.0.ffn_up.weight"
    at = data.index(name) + len(name) + 4 + 16  # behind its two dimensions
    fork = data[:at] + (137).to_bytes(4, "little") + data[at + 4 :]  # IQ2_K takes fewer bytes than Q2_K
    put(place, {"tiny-Q2_K.gguf": data, "tiny-Q8_0.gguf": fork})
    found = table(context)
    assert [row.quant for row in found.rows] == ["Q2_K"]
    assert any("IQ2_K" in note and "llama.cpp does not load" in note for note in found.notes)
