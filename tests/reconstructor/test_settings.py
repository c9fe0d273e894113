"""Settings of the reconstructor."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.settings import SettingsError, load
from reconstructor.settings import ReconstructorSettings


def test_recipes_are_names_files_or_notation(tmp_path: Path) -> None:
    """All three ways to give a recipe lead to one."""
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\nline = "HIO**5 * ER**2"\n')
    made = load(
        ReconstructorSettings,
        "reconstructor",
        provisional_recipe=str(file),
        refined_recipes=("refined", "Sup() * RAAR**40 * ER**10"),
    ).recipes()
    assert made.provisional.iterations == 7
    assert [recipe.iterations for recipe in made.refined][1] == 50


@pytest.mark.parametrize("recipe", ["HIO**", "nosuchrecipe", "/absent/recipe.toml"])
def test_a_recipe_that_cannot_be_read_is_named(recipe: str) -> None:
    """The setting's text is in the complaint."""
    settings = load(ReconstructorSettings, "reconstructor", provisional_recipe=recipe)
    with pytest.raises(SettingsError, match="cannot be used"):
        settings.recipes()


def test_no_refined_recipe_is_refused() -> None:
    """There is at least one way to refine."""
    with pytest.raises(SettingsError, match="refined_recipes"):
        load(ReconstructorSettings, "reconstructor", refined_recipes=()).recipes()


def test_the_environment_sets_what_flags_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags over environment over defaults; 0 workers are as many as there are cores."""
    monkeypatch.setenv("BRAGGLIVE_RECONSTRUCTOR_WORKERS", "3")
    assert load(ReconstructorSettings, "reconstructor").threads == 3
    assert load(ReconstructorSettings, "reconstructor", workers=1).threads == 1
    assert load(ReconstructorSettings, "reconstructor", workers=0).threads >= 1
