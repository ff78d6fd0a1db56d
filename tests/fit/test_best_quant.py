"""The best quant of a repo for a machine: which it is, why, and what it costs to find out."""

import pytest

from modelsync.context import CallOptions, Context
from modelsync.errors import MisfitError, OfflineError, UsageError
from modelsync.fit import best_quant
from modelsync.fit.best_quant import Chosen, reasons
from modelsync.fit.estimation import EstimateOptions
from modelsync.spec.request import Companions
from modelsync.spec.uri import parse
from tests.support.machines import Sized
from tests.support.project import REPO, Opened, Place, put
from tests.support.quant_files import WORDS, quant
from tests.support.units import MiB

NAMES = ("Q2_K", "Q4_K_M", "Q8_0", "F16")


@pytest.fixture
def repo(place: Place) -> str:
    """A repo of four quants, from 5 to 24 MB."""
    put(place, {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS[:20_000]) for name in NAMES})
    return f"hf:{REPO}"


def best(given: Context, text: str, **asked: object) -> Chosen:
    return best_quant.best_quant(given, parse(text), EstimateOptions(**asked))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mib", "name", "larger"), [(1024, "F16", None), (60, "Q8_0", "F16"), (51, "Q2_K", "Q4_K_M")]
)
def test_the_largest_that_fits_is_the_best(
    repo: str, context: Context, mib: int, name: str, larger: str | None
) -> None:
    """It, and the next larger one with what that would have needed."""
    found = best(context, repo, ram=mib * MiB, gpus=())
    assert (found.best.quant, found.next and found.next.quant) == (name, larger)
    assert str(found.reference) == f"hf:{REPO}:{name}"
    assert found.best.estimate.need <= mib * MiB
    assert found.next is None or found.next.estimate.need > mib * MiB
    words = " ".join(reasons(found))
    assert f"chose {name}, the largest of 4 quants" in words
    assert "a context of 4,096 tokens" in words
    assert larger is None or f"the next larger, {larger}, would need" in words


def test_one_that_is_all_on_the_gpu_is_better_than_a_larger_one_that_is_not(
    repo: str, context: Context
) -> None:
    """A GPU that has no room for the largest gets the largest that it has room for."""
    found = best(context, repo, ram=4096 * MiB, gpus=((1024 + 506) * MiB,))
    assert found.best.quant == "Q8_0"
    assert found.best.estimate.gpu_layers == found.best.estimate.layers
    assert found.next is not None
    assert found.next.verdict.word == "fits-partly"
    assert "the largest of 4 quants that is all on the GPUs" in reasons(found)[0]


def test_more_context_leaves_room_for_less(repo: str, context: Context) -> None:
    """The context that is asked for has to fit too."""
    room = 80 * MiB
    assert best(context, repo, ram=room, gpus=()).best.quant == "F16"
    assert best(context, repo, ram=room, gpus=(), context=5376).best.quant == "Q8_0"


def test_none_that_fits_says_what_the_smallest_needs(repo: str, context: Context) -> None:
    """And how to see all of them."""
    with pytest.raises(
        MisfitError, match=r"the smallest, Q2_K, needs [\d.]+ MiB with a context of 4,096"
    ) as caught:
        best(context, repo, ram=20 * MiB, gpus=())
    assert f"modelsync estimate hf:{REPO}" in str(caught.value.hint)


def test_projectors_and_adapters_need_room_too(repo: str, place: Place, context: Context) -> None:
    """What is loaded beside the model is counted in, by its header."""
    place.repo.commit({"mmproj-F16.gguf": quant("F16", vocabulary=WORDS[:1000])})
    bare = best(context, repo, ram=90 * MiB, gpus=())
    seen = best_quant.best_quant(
        context, parse(repo), EstimateOptions(ram=90 * MiB, gpus=()), companions=Companions(mmproj=True)
    )
    assert bare.best.quant == seen.best.quant == "F16"
    assert 0 < seen.best.estimate.weights - bare.best.estimate.weights < 5 * MiB


def test_this_machine_counts_with_what_it_has(repo: str, opened: Opened, sized: Sized) -> None:
    """Not with what is free at the moment; and what was chosen needs no second look before it is fetched."""
    sized(120, 1)
    context = opened()
    assert best(context, repo).best.quant == "F16"
    assert len(context.known_to_fit) == 4


@pytest.mark.parametrize(
    "text", [f"hf:{REPO}:Q8_0", f"hf:{REPO}/tiny-Q8_0.gguf", "https://example.com/x.gguf"]
)
def test_what_leaves_nothing_to_choose_is_a_mistake(context: Context, text: str) -> None:
    """A quant or a file is chosen already; a URL is no repo."""
    with pytest.raises(UsageError):
        best(context, text)


def test_without_a_network_nothing_is_chosen(repo: str, opened: Opened) -> None:
    """It says what it would have asked."""
    with pytest.raises(OfflineError, match="asks which quants"):
        best(opened(CallOptions(offline=True)), repo)
