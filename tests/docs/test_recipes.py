"""The recipes: the blocks of each page run in their order, and end in what the page says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
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
    assert (names["new"] == names["labels"][-3:]).all()
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
    assert (pd.read_csv(folder / "labelled.csv")["cluster"] == names["labels"]).all()


def flags_the_nights_that_drifted(names, folder):
    report = names["report"]
    assert report["drift"].tolist() == [False, True, False]
    assert report["other mix"].tolist() == [False, False, True]
    written = pd.read_csv(folder / "labels.csv")
    assert written.groupby("night").size().tolist() == [1000] * 4
    assert names["after"]["distance"] < 0.25
    assert names["after"]["moved"] < 0.15
    for found in ["old", "renamed"]:
        finds("state", found, 0.9)(names, folder)
    assert (names["renamed"] == names["old"]).mean() > 0.95 > (names["new"] == names["old"]).mean()


def checks_cells(names, folder):
    import anndata

    finds("types", "labels", 0.9)(names, folder)
    written = anndata.read_h5ad(folder / "cells_with_clusters.h5ad")
    assert normalized_mutual_info_score(written.obs["type"], written.obs["cluster"]) >= 0.9
    assert written.obsm["X_code"].shape == (written.n_obs, 32)


def checks_images(names, folder):
    finds("kinds", "labels", 0.9)(names, folder)
    assert "broken.jpg" not in names["names"]
    assert len(pd.read_csv(folder / "images_with_clusters.csv")) == 300


def checks_recordings(names, folder):
    finds("kinds", "labels", 0.9)(names, folder)
    assert not {"broken.wav", "empty.wav"} & {*names["names"]}
    checks_log_mel(names["LogMel"])


def checks_log_mel(LogMel):
    """Neither the loudness, the type of the samples, the channels, the length nor the rate change much."""
    rng = np.random.default_rng(0)
    times = np.arange(44_100) / 44_100
    sound = np.sin(2 * np.pi * 440 * times) * (1 + 0.5 * np.sin(2 * np.pi * 5 * times))
    samples = np.rint(sound / 2 * 32_767).astype(np.int16)
    spectrum = clone(LogMel(n_bands=12))
    expected = spectrum.fit_transform([(44_100, sound)])
    assert expected.shape == (1, len(spectrum.get_feature_names_out()))
    same = {
        "soft": sound / 100,
        "integers": samples,
        "unsigned": (samples // 256 + 128).astype(np.uint8),
        "stereo": np.stack([sound, sound / 2], axis=1),
        "an offset": sound + 3,
        "silence": np.concatenate([np.zeros(9_000), sound, np.zeros(30_000)]),
    }
    for name, other in same.items():
        assert np.median(np.abs(spectrum.transform([(44_100, other)]) - expected)) < 2, name  # decibels
    assert np.median(np.abs(spectrum.transform([(22_050, sound[::2])]) - expected)) < 2
    assert np.isfinite(spectrum.transform([(8_000, rng.normal(size=n)) for n in (2, 100, 257, 8_001)])).all()
    for nothing in (np.zeros(0), np.zeros(4_000), np.full((50, 2), 7)):
        with pytest.raises(ValueError, match="empty or silent"):
            spectrum.transform([(8_000, nothing)])


def checks_texts(names, folder):
    written = pd.read_csv(folder / "messages_with_clusters.csv")
    for column in ("cluster", "of_meaning"):
        assert normalized_mutual_info_score(written["kind"], written[column]) >= 0.9
    everything = pd.read_csv(folder / "all_with_clusters.csv")
    without_a_term = everything["cluster"] == -1
    assert len(everything) - len(written) == without_a_term.sum() > 0
    texts = everything.loc[~without_a_term, "message"]
    assert (names["whole"].predict(texts) == written["cluster"]).all()


def checks_time_series(names, folder):
    written = pd.read_csv(folder / "series_with_clusters.csv")
    for column in ("by_shape", "by_features"):
        assert normalized_mutual_info_score(names["kinds"], written[column]) >= 0.9


# What has to be true after the last block of a page, of its names and of the folder where it ran.
CHECKS = {
    "density": finds_clusters_and_noise,
    "genes": checks_cells,
    "images": checks_images,
    "large": labels_a_file,
    "nightly": flags_the_nights_that_drifted,
    "recordings": checks_recordings,
    "table": tells_the_table,
    "texts": checks_texts,
    "time_series": checks_time_series,
    "unknown_number": finds_both_levels,
}


def test_every_recipe_has_a_check():
    assert {page.stem for page in RECIPES.glob("*.md")} - {"index"} == {*CHECKS}


@pytest.mark.parametrize("name", CHECKS)
def test_a_recipe_runs_and_ends_as_it_says(name, tmp_path, monkeypatch):
    CHECKS[name](run_blocks(RECIPES / f"{name}.md", monkeypatch, tmp_path), tmp_path)
