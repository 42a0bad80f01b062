"""The recipes: the blocks of each page run in their order, and end in what the page says."""

from pathlib import Path

import pytest
from sklearn.metrics import normalized_mutual_info_score

from helpers.pages import run_blocks

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"


def finds(truth, labels, at_least):
    """A check that two names of a page hold partitions which agree."""

    def check(names, folder):
        assert normalized_mutual_info_score(names[truth], names[labels]) >= at_least

    return check


# What has to be true after the last block of a page, of its names and of the folder where it ran.
CHECKS = {
    "images": finds("kinds", "labels", 0.9),
}


def test_every_recipe_has_a_check():
    assert {page.stem for page in RECIPES.glob("*.md")} - {"index"} == {*CHECKS}


@pytest.mark.parametrize("name", CHECKS)
def test_a_recipe_runs_and_ends_as_it_says(name, tmp_path, monkeypatch):
    CHECKS[name](run_blocks(RECIPES / f"{name}.md", monkeypatch, tmp_path), tmp_path)
