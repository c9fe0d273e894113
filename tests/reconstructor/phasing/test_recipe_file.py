"""Recipes as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconstructor.phasing.notation import parse, sha256, written
from reconstructor.phasing.problem import PhasingError
from reconstructor.phasing.recipe_file import default, load, read


@pytest.mark.parametrize("name", ["refined", "partial", "provisional"])
def test_the_packaged_recipes_survive_re_writing(name: str, tmp_path: Path) -> None:
    """They load by name, and written out and read again they are the same recipe with the same hash."""
    recipe = default(name)
    assert recipe.name == name
    file = tmp_path / "again.toml"
    file.write_text(f'name = "{name}"\nline = "{written(recipe)}"\n', encoding="utf-8")
    assert load(file) == recipe
    assert sha256(load(file)) == sha256(recipe)
    assert sha256(default(name)) == sha256(recipe)


def test_the_packaged_recipes_fit_their_purpose() -> None:
    """Both end at full resolution with ER and update the support; the provisional one is the cheaper by far."""
    refined, provisional = default("refined"), default("provisional")
    for recipe in (refined, provisional):
        assert recipe.stages[-1].crop == 1
        assert recipe.stages[-1].steps[-1].algorithm == "ER"
        assert recipe.stages[0].shrinkwrap is not None
    assert provisional.cost * (provisional.runs.cold + 1) < refined.cost * refined.runs.cold / 3
    assert refined.runs.cold >= 10
    assert refined.runs.least >= 3


def test_stages_are_joined() -> None:
    """A list of lines is the line with bars between."""
    found = read('name = "mine"\ncomment = "why"\nstages = ["HIO**5", "ER**3"]', "here")
    assert found == parse("HIO**5 | ER**3", "mine")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name = ", "recipe here is no TOML"),
        ('name = "a"\nlin = "ER"', "recipe here has lin; wanted only comment, line, name, stages"),
        ('line = "ER"', "gives name None .*; wanted a name and lines of text"),
        ('name = "a"', r"stages \[None\]; wanted a name and lines of text"),
        ('name = "a"\nstages = [3]', r"stages \[3\]; wanted"),
        ('name = "a"\nline = "ER**x"', "recipe here: recipe, character 5: found 'x'; wanted a number of iterations"),
        ('name = "a"\nstages = []', "recipe here: .*found the end"),
    ],
)
def test_a_wrong_file_is_named(text: str, wanted: str) -> None:
    """Whatever is wrong, the error names the file and what it should hold."""
    with pytest.raises(PhasingError, match=wanted):
        read(text, "here")


def test_an_unknown_recipe_is_told() -> None:
    """A name this package does not know gives the ones it knows."""
    with pytest.raises(PhasingError, match="no recipe 'best' in this package; wanted refined, partial or provisional"):
        default("best")


def test_a_line_and_stages_are_one_too_many() -> None:
    """Neither is dropped without a word."""
    with pytest.raises(PhasingError, match="both line and stages"):
        read('name = "two"\nline = "ER**2"\nstages = ["ER**3"]', "two.toml")
