"""Which parameters of a search have their best value at the edge of the grid."""

import warnings

import numpy as np
import pytest
from scipy.stats import randint, uniform
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.exceptions import GridEdgeWarning
from skdeepcluster.model_selection._edges import edges_of, warn_of_edges

CANDIDATE = Pipeline(
    [("code", SparseAutoencoderTransformer()), ("tree", HDBSCAN()), ("words", TfidfVectorizer()), ("cluster", KMeans())]
)


def edges(grid, best, scores=None):
    """The edges at which a candidate is, and has the one highest score."""
    settings = list(ParameterGrid(grid))
    scores = np.zeros(len(settings)) if scores is None else np.array(scores)
    index = settings.index(best)
    scores[index] = 1.0
    return edges_of(grid, settings, scores, index, CANDIDATE)


@pytest.mark.parametrize(
    "values, best, side",
    [
        ([4, 5, 6], 6, "largest"),
        ([4, 5, 6], 4, "smallest"),
        ([6, 4, 5], 5, None),
        (range(3, 9), 8, "largest"),
        (np.array([3, 4, 5]), 5, "largest"),
        ((0.5, 0.1, 0.3), 0.1, "smallest"),
        ([np.float32(0.5), 0.25, 1e3], 1e3, "largest"),
        # Two values are a comparison, and both of them edges.
        ([4, 6], 6, None),
        ([4, 6, 6, 6], 6, None),
        # What is no number has no order; the numbers beside it have.
        ([None, 4, 6], 6, None),
        ([None, 4, 5, 6], 6, "largest"),
        ([None, 4, 5, 6], None, None),
        (["a", "b", "c"], "c", None),
        ([True, False, 3], 3, None),
        ([np.nan, 1.0, 2.0], 2.0, None),
    ],
)
def test_the_best_value_of_three_numbers_or_more_may_be_at_the_edge(values, best, side):
    found = edges({"p": values}, {"p": best})
    assert found == ({} if side is None else {"p": side})


@pytest.mark.parametrize(
    "name, values, best",
    [
        # There is nothing beyond: a weight or a share of 0, a count of 1, two clusters.
        ("code__lam", [0.0, 0.1, 0.2], 0.0),
        ("code__beta", [0, 1, 2], 0),
        ("cluster__n_init", [1, 5, 9], 1),
        ("cluster__n_clusters", [2, 3, 4], 2),
        ("code__n_components", [2, 3, 4], 2),
        ("tree__min_cluster_size", [2, 3, 4], 2),
        ("words__max_df", [0.5, 0.8, 1.0], 1.0),
        # Of an estimator that does not say what it takes
        ("share", [0.0, 0.1, 0.2], 0.0),
        ("number", [1, 2, 3], 1),
        # Their order says nothing.
        ("cluster__n_jobs", [-1, 1, 2], -1),
        ("cluster__verbose", [0, 1, 2], 2),
        # Of seeds, none is beyond another.
        ("random_state", [0, 1, 2], 2),
        ("code__random_state", [3, 1, 2], 1),
    ],
)
def test_where_nothing_lies_beyond_there_is_no_edge(name, values, best):
    assert edges({name: values}, {name: best}) == {}


@pytest.mark.parametrize(
    "name, values, best",
    [("code__beta", [1, 3, 10], 1), ("code__lam", [0.1, 0.5, 1.0], 1.0), ("tree__min_cluster_size", [5, 9, 20], 5)],
)
def test_what_an_estimator_allows_beyond_is_an_edge(name, values, best):
    assert set(edges({name: values}, {name: best})) == {name}


def test_the_upper_edge_counts_also_where_the_lower_one_is_a_limit():
    assert edges({"n_clusters": [2, 3, 4]}, {"n_clusters": 4}) == {"n_clusters": "largest"}
    assert edges({"n_clusters": [3, 4, 5]}, {"n_clusters": 3}) == {"n_clusters": "smallest"}


def test_a_parameter_that_changes_nothing_has_no_edge():
    # An inner value is as good, with whatever else.
    assert edges({"p": [4, 5, 6]}, {"p": 4}, [0, 1, 0]) == {}
    assert edges({"p": [4, 5, 6]}, {"p": 4}, [0, 0, 1]) == {"p": "smallest"}
    # A score of NaN is that of a candidate that was not judged.
    assert edges({"p": [4, 5, 6]}, {"p": 4}, [0, np.nan, 0]) == {"p": "smallest"}


def test_every_parameter_has_its_own_edge():
    grid = {"p": [4, 5, 6], "q": [0.1, 0.2, 0.3], "r": [1, 2]}
    assert edges(grid, {"p": 6, "q": 0.1, "r": 2}) == {"p": "largest", "q": "smallest"}
    assert edges(grid, {"p": 6, "q": 0.2, "r": 2}) == {"p": "largest"}


def test_grids_of_the_same_parameters_count_as_one():
    grids = [{"p": [4, 5]}, {"p": [6, 7], "q": [1]}, {"p": [8, 9]}]
    assert edges(grids, {"p": 5}) == {}
    assert edges(grids, {"p": 9}) == {"p": "largest"}
    assert edges(grids, {"p": 7, "q": 1}) == {}


def test_what_is_drawn_from_a_distribution_has_no_edge():
    settings = [{"p": 4, "q": 0.1}, {"p": 6, "q": 0.2}, {"p": 5, "q": 0.3}]
    scores = np.array([0.1, 0.9, 0.2])
    assert edges_of({"p": randint(4, 7), "q": uniform()}, settings, scores, 1, CANDIDATE) == {}
    # The edge is that of the list, and not that of what was drawn from it.
    assert edges_of({"p": [4, 5, 6], "q": uniform()}, settings, scores, 1, CANDIDATE) == {"p": "largest"}
    assert edges_of({"p": [4, 5, 6, 7], "q": uniform()}, settings, scores, 1, CANDIDATE) == {}


def test_one_warning_names_all_parameters():
    grid = {"p": [4, 5, 6], "q": [0.1, 0.2, 0.3]}
    settings = list(ParameterGrid(grid))
    scores = np.linspace(0, 1, 9)
    with pytest.warns(GridEdgeWarning, match=r"p=6, the largest.*, q=0\.3, the largest.*Extend param_grid") as caught:
        warn_of_edges(grid, settings, scores, 8, CANDIDATE)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_edges(grid, settings, scores, 4, CANDIDATE)
