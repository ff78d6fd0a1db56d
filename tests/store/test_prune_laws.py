"""The laws of prune: of the plan, a function from values to values."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from modelsync.store.prune_plan import GRACE_DAYS, PrunePlan, plan
from modelsync.store.roots import LockSeen, Root
from modelsync.store.survey import DAY, Survey, Thing

NOW = 1_700_000_000.0
DIGESTS = [f"{number:064x}" for number in range(6)]
LOCKS = ["/a/models.lock", "/b/models.lock", "/c/models.lock"]

digests = st.frozensets(st.sampled_from(DIGESTS), max_size=4)
ages = st.sampled_from([0.0, 0.5, 1.5, 29.0, 31.0, 400.0])
lock_roots = st.builds(
    Root,
    digests,
    st.sampled_from(LOCKS),
    st.none(),
    st.just(()),
    st.none() | ages.map(lambda days: NOW - days * DAY),
    st.none(),
    st.sampled_from([None, "here", "elsewhere"]),
)
pull_roots = st.builds(Root, digests, st.none(), st.sampled_from(["hf:u/m", "hf:u/n"]))
lock_states = st.one_of(
    st.just(LockSeen(False)),
    st.just(LockSeen(False, folder=False)),
    st.just(LockSeen(True, None)),
    st.builds(LockSeen, st.just(True), digests),
)


def _thing(kind: str, name: str, of: frozenset[str] | None, age: float, held: bool = False) -> Thing:
    return Thing(kind, name, Path("/store") / kind / name, 10, NOW - age * DAY, of, held)  # type: ignore[arg-type]


def _hashed(kind: str) -> st.SearchStrategy[list[Thing]]:
    each = st.builds(
        lambda sha, age: _thing(kind, sha, frozenset({sha}), age), st.sampled_from(DIGESTS), ages
    )
    return st.lists(each, max_size=6, unique_by=lambda thing: thing.name)


views = st.lists(
    st.builds(
        lambda number, of, age: _thing("view", f"{number:016x}", of, age),
        st.integers(0, 9),
        st.none() | digests,
        ages,
    ),
    max_size=4,
    unique_by=lambda thing: thing.name,
)
partials = st.lists(
    st.one_of(
        st.builds(
            lambda sha, ending, age, held: _thing("partial", sha + ending, frozenset({sha}), age, held),
            st.sampled_from(DIGESTS),
            st.sampled_from(["", ".0-0-0-0"]),
            ages,
            st.booleans(),
        ),
        st.builds(
            lambda age, held: _thing("partial", "url-" + "0" * 32, None, age, held), ages, st.booleans()
        ),
    ),
    max_size=5,
    unique_by=lambda thing: thing.name,
)
locks = st.lists(
    st.builds(
        lambda sha, age, held: _thing("lock", sha, None, age, held),
        st.sampled_from(DIGESTS),
        ages,
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda thing: thing.name,
)
temporaries = st.lists(st.builds(lambda age: _thing("temporary", "f" * 16, None, age), ages), max_size=1)
surveys = st.builds(
    lambda parts, roots, states, used: Survey(
        tuple(thing for part in parts for thing in part),
        {f"{index:016x}": root for index, root in enumerate(roots)},
        dict(zip(LOCKS, states, strict=True)),
        used={f"{index:016x}": NOW - age * DAY for index, age in enumerate(used)},
        place="here",
    ),
    st.tuples(_hashed("blob"), _hashed("receipt"), views, partials, locks, temporaries),
    st.lists(lock_roots | pull_roots, max_size=5),
    st.tuples(lock_states, lock_states, lock_states),
    st.lists(ages, min_size=5, max_size=5),
)


def gone(steps: PrunePlan, kind: str) -> set[str]:
    return {thing.name for thing in steps.things if thing.kind == kind}


@given(survey=surveys, at_once=st.booleans())
def test_what_a_living_lock_names_never_goes(survey: Survey, at_once: bool) -> None:
    """No blob goes that a lock names now; one that cannot be read keeps all that its roots name."""
    steps = plan(survey, NOW, at_once=at_once)
    needed = {digest for lock in survey.locks.values() for digest in lock.digests or ()}
    for root in survey.roots.values():
        if root is not None and root.lock is not None and survey.locks[root.lock] == LockSeen(True, None):
            needed |= root.digests
    assert needed.isdisjoint(gone(steps, "blob"))


@given(survey=surveys)
def test_a_plain_prune_keeps_what_any_root_names(survey: Survey) -> None:
    """No blob goes that a root names, but those whose lock was seen gone or changed 30 days ago."""
    steps = plan(survey, NOW)
    for key, root in survey.roots.items():
        assert root is not None
        waiting = root.missed is None or NOW - root.missed < GRACE_DAYS * DAY
        if waiting or root.uri is not None:
            assert root.digests.isdisjoint(gone(steps, "blob"))
            assert key not in steps.roots


@given(survey=surveys, at_once=st.booleans())
def test_what_cannot_be_seen_from_here_is_alive_while_it_is_used(survey: Survey, at_once: bool) -> None:
    """No blob goes that a lock of another place needs and that was used within 30 days; all of it may go with --all."""
    steps = plan(survey, NOW, at_once=at_once)
    for key, root in survey.roots.items():
        if root is None or root.lock is None or root.place != "elsewhere":
            continue
        if NOW - survey.used[key] < GRACE_DAYS * DAY and not survey.locks[root.lock].needs(root):
            assert root.digests.isdisjoint(gone(steps, "blob"))
            assert key not in steps.roots
    everything = plan(survey, NOW, at_once=True, unseen=True)
    needed = {digest for lock in survey.locks.values() for digest in lock.digests or ()}
    for root in survey.roots.values():
        if root is not None and root.lock is not None and survey.locks[root.lock].needs(root):
            needed |= root.digests
    assert {thing.name for thing in survey.of("blob")} - needed == gone(everything, "blob")


@given(survey=surveys)
def test_now_frees_at_least_as_much(survey: Survey) -> None:
    """`--now` removes all blobs, partials and roots that a plain prune removes."""
    plain, at_once = plan(survey, NOW), plan(survey, NOW, at_once=True)
    assert set(plain.things) <= set(at_once.things)
    assert set(plain.roots) <= set(at_once.roots)


@given(survey=surveys, days=st.floats(0, 500))
def test_time_only_frees_more(survey: Survey, days: float) -> None:
    """What can go today can go on any later day."""
    assert set(plan(survey, NOW).things) <= set(plan(survey, NOW + days * DAY).things)


@given(survey=surveys, at_once=st.booleans(), everything=st.booleans())
def test_what_a_process_works_on_never_goes(survey: Survey, at_once: bool, everything: bool) -> None:
    """Nothing goes that is held, nor the lock by which it is."""
    steps = plan(survey, NOW, at_once=at_once, everything=everything)
    assert not any(thing.held for thing in steps.things)


@given(survey=surveys, at_once=st.booleans())
def test_views_stay_with_all_their_blobs_or_go(survey: Survey, at_once: bool) -> None:
    """A view that shows a blob which goes, goes too, and before it."""
    steps = plan(survey, NOW, at_once=at_once)
    removed = gone(steps, "blob")
    for view in survey.of("view"):
        if view.digests is not None and not view.digests.isdisjoint(removed):
            assert view in steps.things
    kinds = [thing.kind for thing in steps.things]
    assert kinds == sorted(kinds, key=["view", "blob", "receipt", "partial", "lock", "temporary"].index)


@given(survey=surveys, at_once=st.booleans())
def test_a_second_prune_finds_nothing(survey: Survey, at_once: bool) -> None:
    """What is left after a prune is what the next one keeps."""
    steps = plan(survey, NOW, at_once=at_once)
    removed = gone(steps, "blob")
    things = tuple(
        thing
        for thing in survey.things
        if thing not in steps.things and not (thing.kind == "receipt" and thing.name in removed)
    )
    left = {key: root for key, root in survey.roots.items() if key not in steps.roots}
    again = plan(survey._replace(things=things, roots={**left, **steps.noticed}), NOW, at_once=at_once)
    assert (again.things, again.roots, again.noticed) == ((), (), {})


@given(survey=surveys)
def test_nothing_goes_twice_and_nothing_is_made_up(survey: Survey) -> None:
    """A plan is a part of the survey, each thing once."""
    for steps in (plan(survey, NOW), plan(survey, NOW, at_once=True), plan(survey, NOW, everything=True)):
        assert len(set(steps.things)) == len(steps.things)
        assert set(steps.things) <= set(survey.things)


@given(survey=surveys, at_once=st.booleans())
def test_half_a_file_that_is_needed_stays(survey: Survey, at_once: bool) -> None:
    """A partial of a file that a living lock names, and that is not here, is kept."""
    steps = plan(survey, NOW, at_once=at_once)
    here = {thing.name for thing in survey.of("blob")}
    needed = {digest for lock in survey.locks.values() for digest in lock.digests or ()} - here
    for partial in survey.of("partial"):
        if partial.digests is not None and partial.digests <= needed:
            assert partial not in steps.things
