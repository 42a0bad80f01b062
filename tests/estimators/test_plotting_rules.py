"""Pictures of explanations: rules with their fidelity, and what sets clusters apart, of tables with mixed columns."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from helpers.drawn import QUICK, drawn
from helpers.planted import PLANTED, planted_table
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.inspection import ClusterExplanation, Condition, Rule, explain_clusters
from skdeepcluster.plotting import ClusterProfileDisplay, ClusterRulesDisplay

pytestmark = pytest.mark.usefixtures("agg")

LONG = "How satisfied are you, all in all, with the service of our shop in the last twelve months"


@pytest.fixture(scope="module")
def planted():
    return planted_table(600)


@pytest.fixture(scope="module")
def model(planted):
    """A pipeline that takes the table as it is, and clusters by some of its columns."""
    encode = make_column_transformer(
        (OneHotEncoder(), ["colour", "city"]), (StandardScaler(), ["temperature", "noise"])
    )
    autoencoder = SparseAutoencoderTransformer(4, **QUICK)
    return make_pipeline(encode, autoencoder, KMeans(3, n_init=1, random_state=0)).fit(planted[0])


def no_overlaps(artists):
    boxes = [artist.get_window_extent() for artist in artists if artist.get_text()]
    return not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_rules_and_their_scores_are_drawn(planted):
    display = drawn(ClusterRulesDisplay.from_predictions(*planted, random_state=0))
    explanation = explain_clusters(*planted, random_state=0)
    assert [text.get_text().replace("\n", " ") for text in display.ax_.texts] == list(map(str, explanation.rules))
    precision, recall = ([bar.get_width() for bar in bars] for bars in display.ax_.containers)
    assert_allclose(precision, explanation.precision)
    assert_allclose(recall, explanation.recall)
    shares = [segment[0, 0] for segment in display.ax_.collections[0].get_segments()]
    assert_allclose(shares, explanation.sizes / 600)
    names = [name.get_text() for name in display.ax_.get_yticklabels()]
    assert names == [f"{cluster}: {size} rows" for cluster, size in zip(explanation.clusters, explanation.sizes)]


def test_rules_of_a_pipeline_are_about_the_columns_of_its_table(planted, model):
    table, _ = planted
    display = drawn(ClusterRulesDisplay.from_estimator(model, table, random_state=0))
    labels = model.predict(table)
    assert str(display.explanation) == str(explain_clusters(table, labels, random_state=0))
    columns = {condition.column for rule in display.explanation.rules for condition in rule.conditions}
    assert columns <= {*table.columns}
    profile = drawn(ClusterProfileDisplay.from_estimator(model, table))
    assert_array_equal(profile.effects, display.explanation.effects)
    assert_array_equal(profile.feature_names, display.explanation.feature_names)
    with pytest.raises(ValueError, match="takes distances between rows as X"):
        ClusterRulesDisplay.from_estimator(DBSCAN(metric="precomputed").fit(np.eye(3)), np.eye(3))


def test_profiles_of_mixed_columns_have_one_scale(planted):
    table, groups = planted
    display = drawn(ClusterProfileDisplay.from_predictions(table, groups, n_shown=2))
    assert display.clusters.tolist() == list(PLANTED)
    shown = [{name.get_text() for name in ax.get_yticklabels()} for ax in display.axes_]
    assert shown[0] == {"income", 'remark: "price"'}
    assert shown[1] == {"colour = red", "day"}
    assert shown[3] == {"wait", "phone is missing"}
    assert all(bar.get_width() > 0.8 for ax in (*display.axes_[:2], display.axes_[3]) for bar in ax.patches)


def explanation_of(names, column):
    """An explanation of that many clusters, by rules on one column."""
    k = len(names)
    rules = [Rule((Condition(column, 0, ">", i), Condition(column, 0, "<=", i + 1.5))) for i in range(k)]
    scores = {name: np.linspace(0.1, 1, k) for name in ("precision", "recall", "f1")}
    differences = {name: np.zeros((k, 1)) for name in ("inside", "outside", "effects")}
    return ClusterExplanation(
        clusters=np.array(names),
        sizes=np.arange(100, 100 + k),
        n_noise=0,
        rules=rules,
        **scores,
        fidelity=0.5,
        feature_names=np.array([column], dtype=object),
        kinds=np.array(["number"], dtype=object),
        **differences,
    )


@pytest.mark.parametrize("n_clusters, are_long", [(2, True), (12, True), (80, False)])
def test_many_clusters_and_long_names_keep_to_the_room_there_is(n_clusters, are_long):
    names = [f"{LONG} {i} $x^$" if are_long else str(i) for i in range(n_clusters)]
    explanation = explanation_of(names, LONG if are_long else "a")
    display = drawn(ClusterRulesDisplay(explanation=explanation).plot())
    texts, ticks = display.ax_.texts, display.ax_.get_yticklabels()
    assert len(texts) == min(n_clusters, 64)
    assert no_overlaps(texts)
    assert no_overlaps(ticks)
    frame = display.ax_.get_window_extent()
    assert frame.width > 200
    assert all(text.get_window_extent().x1 <= frame.x1 for text in texts)
    boxes = [bar.get_window_extent() for bars in display.ax_.containers for bar in bars if bar.get_width()]
    assert not any(text.get_window_extent().overlaps(box) for text in texts for box in boxes)
    title = display.ax_.get_legend().get_title().get_text()
    assert title == ("the 64 largest of 80 clusters" if n_clusters == 80 else "")


def test_rules_in_small_axes(planted):
    figure, axes = plt.subplots(2, 2, figsize=(6.4, 4.8), layout="constrained")
    display = drawn(ClusterRulesDisplay.from_predictions(*planted, random_state=0, ax=axes[0, 1]))
    assert display.figure_ is figure
    assert 1 <= len(display.ax_.texts) < 4
    title = display.ax_.get_legend().get_title().get_text()
    assert title == f"the {len(display.ax_.texts)} largest of 4 clusters"
    below = axes[1, 1].get_window_extent()
    assert not any(text.get_window_extent().overlaps(below) for text in (*display.ax_.texts, display.ax_.xaxis.label))


def test_errors_name_x():
    with pytest.raises(ValueError, match="X has nothing to compare clusters by"):
        ClusterRulesDisplay.from_predictions(pd.DataFrame({"a": ["x", "y"]}), [0, 1])
    with pytest.raises(ValueError, match="'max_conditions'"):
        ClusterRulesDisplay.from_predictions([[0.0], [1.0]], [0, 1], max_conditions=0)
