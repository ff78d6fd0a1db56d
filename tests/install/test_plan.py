"""The plan is a pure function of the lock and of what is here."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from modelsync.install import plan
from modelsync.install.plan import BlobState, Here
from modelsync.spec.lock.model import LockedFile, LockedModel

STATES = st.sampled_from(get_args(BlobState))


def digest(number: int) -> str:
    return f"{number:064x}"


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[LockedModel], Here, bool, bool]:
    count = draw(st.integers(0, 4))
    models = []
    for index in range(count):
        digests = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))
        files = tuple(LockedFile("model", f"f{i}.gguf", 10 + d, digest(d)) for i, d in enumerate(digests))
        models.append(LockedModel(name=f"m{index}", request={"uri": f"hf:u/m{index}"}, files=files))
    blobs: dict[str, BlobState] = {digest(d): draw(STATES) for d in range(6)}
    targets = [target for model in models for _, target in plan.link_targets(model)] + ["old/x.gguf"]
    links = {t: digest(draw(st.integers(0, 5))) for t in draw(st.sets(st.sampled_from(targets)))}
    views = frozenset(draw(st.sets(st.integers(0, 3))))
    copies = frozenset(digest(d) for d in draw(st.sets(st.integers(0, 5))))
    here = Here(blobs, copies, views, links)
    return models, here, draw(st.booleans()), draw(st.booleans())


@given(situations())
def test_laws(situation: tuple[list[LockedModel], Here, bool, bool]) -> None:
    """Each digest is dealt with once and only if it is not here; what is wanted is linked; what is not is unlinked."""
    models, here, linked, exact = situation
    steps = plan.make(models, here, linked=linked, exact=exact)
    wanted = {file.sha256 for model in models for file in model.files}
    dealt = [step.target for step in steps.of("fetch", "adopt", "check")]
    assert sorted(dealt) == sorted(sha256 for sha256 in wanted if here.blobs[sha256] != "here")
    assert {s.target for s in steps.of("check")} == {s for s in wanted if here.blobs[s] == "suspect"}
    assert {s.target for s in steps.of("adopt")} <= here.copies
    assert steps.bytes_to_fetch == sum(step.bytes for step in steps.of("fetch"))

    after = dict(here.links) if linked else {}
    for step in steps.of("link"):
        assert step.file is not None
        after[step.target] = step.file.sha256
    for step in steps.of("unlink"):
        del after[step.target]
    if linked:
        targets = {target: file.sha256 for model in models for file, target in plan.link_targets(model)}
        assert {t: s for t, s in after.items() if t in targets} == targets
        assert not exact or after == targets


@given(situations())
def test_a_carried_out_plan_leaves_nothing_to_do(
    situation: tuple[list[LockedModel], Here, bool, bool],
) -> None:
    """What a plan aims at is a machine for which the next plan is empty."""
    models, _, linked, _ = situation
    links = {target: file.sha256 for model in models for file, target in plan.link_targets(model)}
    here = Here({digest(d): "here" for d in range(6)}, views=frozenset(range(len(models))), links=links)
    assert plan.make(models, here, linked=linked, exact=True).steps == ()


def test_every_step_has_words() -> None:
    """A plan can be printed: each kind of step says what it does to what."""
    file = LockedFile("model", "a.gguf", 7, digest(1))
    model = LockedModel(name="m", request={"uri": "hf:u/m"}, files=(file,), variant="server")
    for verb, words in (
        ("fetch", "fetch m [server]: a.gguf"),
        ("adopt", "take m [server]: a.gguf"),
        ("check", "check m [server]: a.gguf"),
        ("view", "make the files of m [server]"),
        ("link", "link t"),
        ("unlink", "remove t"),
    ):
        assert plan.describe(plan.Step(verb, model, "t", file)).startswith(words)  # type: ignore[arg-type]
