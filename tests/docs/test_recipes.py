"""The recipes: the blocks of each page run in their order, and end in what the page says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import normalized_mutual_info_score

from helpers.pages import run_blocks

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"


def finds(truth, labels, at_least):
    """A check that two names of a page hold partitions which agree."""

    def check(names, folder):
        assert normalized_mutual_info_score(names[truth], names[labels]) >= at_least

    return check


def tells_the_table(names, folder):
    finds("kind", "labels", 0.9)(names, folder)
    written = pd.read_csv(folder / "requests_with_clusters.csv")
    assert (written["cluster"] == names["labels"]).all()
    assert (folder / "profiles.png").stat().st_size > 0


def finds_clusters_and_noise(names, folder):
    for found in ["labels", "of_hierarchy"]:
        finds("group", found, 0.9)(names, folder)
    finds("group", "ward", 0.8)(names, folder)
    finds("group_new", "labels_new", 0.85)(names, folder)
    odd = names["group"] == -1
    assert (names["labels"][odd] == -1).mean() > 0.6 > 0.05 > (names["labels"][~odd] == -1).mean()
    assert (folder / "tree.png").stat().st_size > 0


def labels_a_file(names, folder):
    written = np.load(folder / "labels.npy")
    assert written.shape == (len(np.load(folder / "rows.npy", mmap_mode="r")),)
    assert normalized_mutual_info_score(names["group"], written) >= 0.95
    assert normalized_mutual_info_score(names["group"][names["sample"]], names["online_labels"]) >= 0.9


def finds_both_levels(names, folder):
    finds("part", "labels", 0.85)(names, folder)
    assert normalized_mutual_info_score(names["part"] // 2, names["coarse"]) >= 0.95
    assert 4 <= names["estimate"].n_clusters <= 8
    assert 4 <= names["joint"].n_clusters_ <= 8
    assert names["plain"].n_clusters == 3
    assert (folder / "curve.png").stat().st_size > 0


def flags_the_nights_that_drifted(names, folder):
    report = names["report"]
    assert report["drift"].tolist() == [False, True, False]
    assert report["other mix"].tolist() == [False, False, True]
    written = pd.read_csv(folder / "labels.csv")
    assert written.groupby("night").size().tolist() == [1000, 1000, 1000]
    for found in ["old", "renamed"]:
        finds("state", found, 0.9)(names, folder)
    assert (names["renamed"] == names["old"]).mean() > 0.95 > (names["new"] == names["old"]).mean()


# What has to be true after the last block of a page, of its names and of the folder where it ran.
CHECKS = {
    "density": finds_clusters_and_noise,
    "large": labels_a_file,
    "nightly": flags_the_nights_that_drifted,
    "table": tells_the_table,
    "unknown_number": finds_both_levels,
}


def test_every_recipe_has_a_check():
    assert {page.stem for page in RECIPES.glob("*.md")} - {"index"} == {*CHECKS}


@pytest.mark.parametrize("name", CHECKS)
def test_a_recipe_runs_and_ends_as_it_says(name, tmp_path, monkeypatch):
    CHECKS[name](run_blocks(RECIPES / f"{name}.md", monkeypatch, tmp_path), tmp_path)
