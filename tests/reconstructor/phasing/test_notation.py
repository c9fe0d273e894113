"""The notation of recipes: what it reads, what it writes, where its errors point."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconstructor.phasing.notation import NotationError, parse, sha256, written
from reconstructor.phasing.recipe import (
    BREEDINGS,
    SHAPES,
    Beginning,
    Coherence,
    Guided,
    Recipe,
    Runs,
    Shrinkwrap,
    Stage,
    Step,
    TwinRemoval,
)
from reconstructor.phasing.steps import LINEAR
from reconstructor.phasing.support import LEVELS

BIT = st.floats(0.001, 0.999)
RANGES = st.tuples(BIT, BIT).map(lambda pair: (min(pair), max(pair)))
STEPS = st.builds(Step, st.sampled_from([*LINEAR, "CF"]), st.integers(1, 9999), st.floats(0.01, 2.0)) | st.builds(
    Step, st.just("ML"), st.integers(1, 999)
)
WRAPS = st.builds(
    Shrinkwrap,
    st.integers(1, 500),
    RANGES,
    st.tuples(st.floats(1e-6, 9.0), st.floats(1e-6, 9.0)),
    st.tuples(st.floats(0, 1e-3), BIT.map(lambda b: 0.001 + b / 2)).filter(lambda pair: pair[0] < pair[1]),
    st.sampled_from(LEVELS),
    st.booleans(),
)
STAGES = st.builds(
    Stage,
    st.lists(STEPS, min_size=1, max_size=4).map(tuple),
    st.none() | WRAPS,
    st.none() | st.builds(TwinRemoval, st.floats(0, 0.99), st.integers(1, 99)),
    st.none() | st.builds(Coherence, st.floats(0, 0.99), st.integers(1, 99), st.integers(1, 15), st.integers(1, 99)),
    BIT | st.just(1.0),
    st.integers(1, 9),
)
RECIPES = st.builds(
    Recipe,
    st.just("custom"),
    st.lists(STAGES, min_size=1, max_size=3).map(tuple),
    st.builds(Beginning, RANGES, st.integers(0, 9), st.sampled_from(SHAPES), RANGES),
    st.builds(Runs, st.integers(1, 99), st.integers(0, 3), st.integers(1, 5)),
    st.none() | st.builds(Guided, st.integers(2, 9), st.sampled_from(BREEDINGS), BIT, RANGES),
)


def test_a_line_is_read_as_it_says() -> None:
    """Every setting lands in its place, and what is not said has its default."""
    found = parse("Runs(cold=9, warm=2) * Crop(0.5) * Sup(threshold=0.1..0.2) * HIO(0.8)**300 * ER | Twin() * DM**7")
    assert found.runs == Runs(9, 2)
    assert found.beginning == Beginning()
    assert found.stages[0] == Stage((Step("HIO", 300, 0.8), Step("ER", 1)), Shrinkwrap(threshold=(0.1, 0.2)), crop=0.5)
    assert found.stages[1] == Stage((Step("DM", 7),), twin=TwinRemoval())


def test_words_are_read_as_they_say() -> None:
    """Words, yes and no, and the arguments that are no β."""
    found = parse(
        "Start(shape=box, size=0.3..0.4) * Guided(breeding=minimum, keep=0.25) * Sup(by=max, grows=no)"
        " * Coherent(at=0.5, reach=2) * CF**5 * HIO | CF(threshold=0.2) * ML**30"
    )
    assert found.beginning == Beginning(shape="box", size=(0.3, 0.4))
    assert found.guided == Guided(breeding="minimum", keep=0.25)
    assert found.stages[0].shrinkwrap == Shrinkwrap(by="max", grows=False)
    assert found.stages[0].coherence == Coherence(at=0.5, reach_voxels=2)
    assert found.stages[0].steps == (Step("CF", 5, 0.3), Step("HIO", 1))
    assert found.stages[1].steps == (Step("CF", 1, 0.2), Step("ML", 30))


def test_a_setting_at_its_default_does_not_change_an_older_hash() -> None:
    """What a recipe did not say before the word existed, it does not say now."""
    line = "Start(autocorrelation=0.05..0.11, grow=2) * Runs(cold=1, warm=0, least=1) * Sup(every=20) * HIO(0.9)**5"
    assert sha256(parse(line)) == "596db32d7ba0429ceffcad8f6207e60c3732312d775639c0ead22ecd0d3cbcf9"
    assert written(parse("Sup(by=rms, grows=yes) * HIO")) == written(parse("Sup() * HIO"))
    assert "by=mean" in written(parse("Sup(by=mean) * HIO"))


def test_spaces_and_single_numbers_do_not_matter() -> None:
    """A range may be one number, and blanks change neither recipe nor hash."""
    tight, wide = (
        parse("Sup(threshold=0.2)*HIO(1)**5"),
        parse("  Sup( threshold = 0.2 .. 0.2 ) * HIO( beta = 1.0 )**5 "),
    )
    assert tight == wide
    assert sha256(tight) == sha256(wide)


@settings(max_examples=60, deadline=None)
@given(RECIPES)
def test_what_is_written_is_read_back(recipe: Recipe) -> None:
    """The canonical line gives the very recipe, and is written the same again."""
    line = written(recipe)
    assert parse(line) == recipe
    assert written(parse(line)) == line
    assert sha256(parse(line)) == sha256(recipe)


def test_equal_recipes_have_equal_hashes() -> None:
    """A recipe made with whole numbers is the one made with the same floats."""
    whole, exact = (Recipe("a", (Stage((Step("HIO", 5, beta),)),)) for beta in (1, 1.0))
    assert whole == exact
    assert sha256(whole) == sha256(exact)


@pytest.mark.parametrize("algorithm", ["ER", "SF"])
def test_a_beta_that_is_not_used_changes_nothing(algorithm: str) -> None:
    """Neither the recipe nor its hash; where it is used, both."""
    assert parse(f"{algorithm}(0.5)**5") == parse(f"{algorithm}**5")
    assert sha256(parse(f"{algorithm}(0.5)**5")) == sha256(parse(f"{algorithm}**5"))
    assert sha256(parse("HIO(0.5)**5")) != sha256(parse("HIO**5"))


def test_another_recipe_has_another_hash() -> None:
    """Any setting changes the hash; the name does not."""
    assert sha256(parse("HIO**5", "a")) == sha256(parse("HIO**5", "b"))
    lines = ["HIO**5", "HIO**6", "HIO(0.8)**5", "RAAR**5", "Sup()*HIO**5", "Crop(0.5)*HIO**5", "Runs(cold=2)*HIO**5"]
    assert len({sha256(parse(line)) for line in lines}) == len(lines)


@pytest.mark.parametrize(
    ("line", "at", "text"),
    [
        ("", 0, "found the end; wanted an algorithm"),
        ("HIO**", 5, "found the end; wanted a number of iterations"),
        ("HIO**2.5", 5, "found 2.5; wanted a whole number of iterations"),
        ("ER * Foo**3", 5, "found 'Foo'; wanted one of ER, HIO"),
        ("ER * HIO(3)**5", 5, "β of HIO is 3.0; wanted 0 < β ≤ 2"),
        ("HIO*", 4, "found the end; wanted an algorithm"),
        ("HIO**5 | ", 8, "found the end"),
        ("HIO**5 % 3", 7, "found '%'"),
        ("HIO(-1)", 4, "found '-'"),
        ("HIO**5 ER", 7, r"found 'ER'; wanted '\*', '\|' or the end"),
        ("Sup * HIO", 4, r"wanted '\(' after Sup"),
        ("Sup(every=1.5) * HIO", 4, "found 1.5; wanted a whole number for every"),
        ("Sup(bogus=1) * HIO", 4, "found 'bogus'; wanted each of every, threshold, sigma, fraction, by, grows once"),
        ("Sup(by=size) * HIO", 4, "found 'size'; wanted one of rms, mean, max for by"),
        ("Sup(by=2) * HIO", 4, "found 2; wanted one of rms, mean, max for by"),
        ("Sup(every=rms) * HIO", 4, "found 'rms'; wanted a number for every"),
        ("Sup(grows=true) * HIO", 4, "found 'true'; wanted one of yes, no for grows"),
        ("Sup(by=) * HIO", 7, r"found '\)'; wanted a number"),
        ("Coherent(every=0) * HIO", 0, "coherence every 0 iterations; wanted every 1 or more"),
        ("ER | Coherent(reach=16) * HIO", 5, "a coherence reach of 16 voxels; wanted 1 to 15"),
        ("Start(shape=ellipsoid, size=1.5) * HIO", 0, "a support of size 1.5..1.5; wanted 0 < small ≤ large ≤ 1"),
        ("Guided(breeding=best) * HIO", 7, "found 'best'; wanted one of geometric, mean, maximum, minimum for"),
        ("ML(0.9)**5", 2, r"found '\('; wanted '\*', '\|' or the end"),
        ("CF(beta=0.3)**5", 3, "found 'beta'; wanted each of threshold once at most"),
        ("Sup(every=1, every=2) * HIO", 13, "found 'every'"),
        ("Sup(every=1 every=2) * HIO", 12, r"wanted ',' or '\)'"),
        ("Sup() * Sup() * HIO", 8, "found a second Sup; wanted each setting once"),
        ("ER | Sup(threshold=0.4..0.1) * HIO", 5, "threshold 0.4..0.1; wanted 0 < low ≤ high"),
        ("HIO(0.1..0.2)", 4, "found the range 0.1..0.2; wanted one number for beta"),
        ("ER | Sup()", 5, "a stage without steps; wanted at least one step"),
        ("HIO**99999999999", 5, "found 99999999999; wanted a whole number of iterations, 1 to 1000000"),
        pytest.param("HIO**" + "9" * 5000, 5, "found 99999999999999999999…; wanted", id="thousands of digits"),
        ("ER | HIO**1000001", 5, "HIO has 1000001 iterations; wanted at least 1 and at most 1000000"),
        ("Tries(1e300) * HIO", 6, r"found 1e\+300; wanted at most 1000000 for number"),
        ("Tries(1001) * HIO", 0, "found 1001 tries; wanted at least 1 and at most 1000"),
        ("Runs(cold=10001) * HIO", 0, "wanted at most 10000 runs"),
        ("Guided(generations=101) * HIO", 0, "wanted at least 2 and at most 100"),
        ("Coherent(iterations=1001) * HIO", 0, "wanted at least 1 and at most 1000"),
        ("Runs(cold=0) * HIO", 0, "wanted at least one run"),
    ],
)
def test_errors_point_at_the_character(line: str, at: int, text: str) -> None:
    """Place, what was found and what is wanted; the caret stands under the character."""
    with pytest.raises(NotationError, match=text) as caught:
        parse(line)
    assert caught.value.at == at
    first, shown, caret = str(caught.value).split("\n")
    assert first.startswith(f"recipe, character {at + 1}: found ")
    assert shown == f"  {line}"
    assert caret.index("^") == at + 2


def test_a_start_no_voxel_can_exceed_is_refused_where_it_is_read() -> None:
    """An autocorrelation is nowhere above its own maximum, and no support begins below nothing."""
    for line in ("Start(autocorrelation=1) * HIO", "Start(autocorrelation=0) * HIO"):
        with pytest.raises(NotationError, match="autocorrelation"):
            parse(line)


@pytest.mark.parametrize("line", ["Start(grow=1e999) * HIO", "Sup(sigma=1e999) * HIO"])
def test_numbers_without_end_are_refused(line: str) -> None:
    """What a float cannot hold is no setting."""
    with pytest.raises(NotationError):
        parse(line)


@settings(max_examples=300, deadline=None)
@given(st.text("ERHIOSupTwinCrop*|()=,. 0123456789e-" + string.ascii_lowercase, max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text is a recipe or an error of the notation, never another error."""
    try:
        found = parse(text)
    except NotationError as wrong:
        told = str(wrong)
    else:
        told = "wanted" if parse(written(found)) == found else ""
    assert "wanted" in told


def test_runs_have_defaults() -> None:
    """As documented: twenty cold ones."""
    assert parse("Runs() * ER**2").runs == parse("Runs(cold=20, warm=0, least=1) * ER**2").runs
    assert parse("Runs(warm=1) * ER**2").runs.cold == 20
