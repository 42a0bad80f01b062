import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.stats import norm, rankdata
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from helpers.bad_input import raises
from helpers.data import mapped
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import NullTables, rows_of_columns
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.metrics import neighbor_information_scorer
from skdeepcluster.model_selection import structure_test

pytestmark = FEW_ITERATIONS

KMEANS = KMeans(3, n_init=1, random_state=0)


@pytest.fixture(scope="module")
def groups():
    """60 rows of 4 features in three clusters."""
    X, _ = make_blobs(60, 4, centers=3, random_state=1)
    X.flags.writeable = False
    return X


def null_table(X, seed=0):
    return rows_of_columns(X, NullTables(np.asarray(X)).draw(np.random.RandomState(seed)))


# Tables without structure


@pytest.mark.parametrize("shape", [(80, 5), (20, 20), (10, 40)])
def test_every_column_keeps_its_values(rng, shape):
    X = rng.normal(size=shape)
    X[:, 1] = X[:, 1] > 0
    X[:, 2] = 3
    drawn = null_table(X)
    assert_array_equal(np.sort(drawn, axis=0), np.sort(X, axis=0))
    assert (drawn[:, :2] != X[:, :2]).any(axis=0).all()
    assert_array_equal(drawn, null_table(X))
    assert (drawn != null_table(X, seed=1)).any()


def correlations(X):
    return np.corrcoef(X.T)[np.triu_indices(X.shape[1], 1)]


@pytest.mark.parametrize("form", [np.asarray, np.exp, lambda X: np.round(2 * X), lambda X: np.maximum(X, 0)])
def test_correlations_of_the_normal_scores_are_kept(rng, form):
    X = form(rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)))
    ours, theirs = (correlations(norm.ppf(rankdata(table, axis=0) / 301)) for table in (X, null_table(X)))
    assert_allclose(theirs, ours, atol=0.06)


def test_binary_columns_keep_their_correlations(rng):
    X = (rng.normal(size=(400, 1)) + 0.7 * rng.normal(size=(400, 8)) > 0).astype(float)
    ours, theirs = (correlations(table) for table in (X, null_table(X)))
    # Without corrections they would have three quarters of them.
    assert ours.mean() > 0.4
    assert_allclose(theirs.mean(), ours.mean(), rtol=0.05)


def test_a_gaussian_table_is_turned(rng):
    """But for the values of the columns, it is as if its rows were rotated: their distances have the same scale."""
    X = rng.normal(size=(100, 3)) @ rng.normal(size=(3, 3))
    drawn = [null_table(X, seed) for seed in range(20)]
    covariances = np.array([np.cov(table.T) for table in drawn])
    assert_allclose(covariances.mean(axis=0), np.cov(X.T), atol=0.2)
    # No row stays where it is.
    assert np.mean([(table == X).mean() for table in drawn]) < 0.03


def test_columns_that_rise_together_still_do(rng):
    x, y = rng.normal(size=(2, 50))
    drawn = null_table(np.column_stack([x, np.exp(x), y, -x]))
    assert_allclose(drawn[:, 1], np.exp(drawn[:, 0]))
    assert_allclose(drawn[:, 3], -drawn[:, 0])
    assert (np.sort(drawn[:, 0]) == np.sort(x)).all()


def test_frames_keep_names_types_and_index(rng):
    frame = pd.DataFrame(
        {"a": rng.normal(size=20), "b": np.arange(20), "c": pd.array([True, False] * 10, dtype="boolean")},
        index=list("abcdefghijklmnopqrst"),
    )
    frame.columns = ["a", "b", "a"]
    drawn = null_table(frame)
    assert drawn.columns.tolist() == ["a", "b", "a"]
    assert (drawn.index == frame.index).all()
    assert drawn.dtypes.tolist() == frame.dtypes.tolist()
    assert sorted(drawn["b"]) == list(range(20))
    in_polars = pl.DataFrame({"a": rng.normal(size=20), "b": np.arange(20)})
    drawn = null_table(in_polars)
    assert drawn.schema == in_polars.schema
    assert sorted(drawn["b"]) == list(range(20))


# The test


def test_clusters_are_found_to_be_structure(groups):
    result = structure_test(KMEANS, groups, n_repeats=19, random_state=0)
    assert set(result) == {"score", "null_scores", "p_value"}
    assert result.score == pytest.approx(neighbor_information_scorer(KMEANS.fit(groups), groups))
    assert result.null_scores.shape == (19,)
    assert result.p_value == 1 / 20


def test_the_p_value_is_the_share_of_scores_at_least_that_of_x(rng):
    result = structure_test(KMEANS, rng.normal(size=(50, 3)), n_repeats=9, random_state=0)
    n_above = sum(score >= result.score for score in result.null_scores)
    assert 0 < n_above < 9
    assert result.p_value == pytest.approx((1 + n_above) / 10)


def test_tables_without_structure_have_p_values_of_all_sizes():
    rng = np.random.RandomState(0)
    p = []
    for i in range(10):
        X = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3))
        X = np.exp(X) if i % 2 else np.apply_along_axis(rng.permutation, 0, np.round(X))
        p.append(structure_test(KMEANS, X, n_repeats=9, random_state=i).p_value)
    assert np.mean(p) == pytest.approx(0.55, abs=0.2)
    assert np.mean(np.array(p) <= 0.1) <= 0.3


def test_an_autoencoder_is_fitted_to_every_table_and_scored_before_it(groups):
    seen = []

    class Watched(MinMaxScaler):
        def fit(self, X, y=None):
            seen.append(X.copy())
            return super().fit(X)

    model = make_pipeline(Watched(), SparseAutoencoderTransformer(2, max_iter=3), KMeans(3, n_init=1))
    result = structure_test(model, groups, n_repeats=2, random_state=0)
    assert len(seen) == 3
    assert_array_equal(seen[0], groups)
    for table in seen[1:]:
        assert_array_equal(np.sort(table, axis=0), np.sort(groups, axis=0))
    assert not hasattr(model[-1], "labels_")
    # The random states that were None are numbers, the same in all fits.
    assert (
        result.null_scores.tolist() == structure_test(model, groups, n_repeats=2, random_state=0).null_scores.tolist()
    )


def test_a_partition_without_a_score_has_the_lowest(groups):
    with pytest.warns(DegenerateClusteringWarning, match="the p-value is 1: there is only one cluster"):
        result = structure_test(DBSCAN(0.01), groups, n_repeats=3)
    assert result.score == 0
    assert result.p_value == 1
    # Without structure, rows are too far from each other to be clusters, which is no warning.
    result = structure_test(DBSCAN(2.5), groups, n_repeats=19, random_state=0)
    assert result.p_value == 1 / 20


def test_the_result_does_not_depend_on_the_number_of_jobs(groups):
    one = structure_test(KMeans(3), groups, n_repeats=5, random_state=0)
    with joblib.parallel_config("threading"):
        two = structure_test(KMeans(3), groups, n_repeats=5, random_state=0, n_jobs=2)
    assert one.null_scores.tolist() == two.null_scores.tolist()
    assert len(set(one.null_scores)) > 1
    tables = NullTables(groups)
    elsewhere = pickle.loads(pickle.dumps(tables))
    assert_array_equal(*(each.draw(np.random.RandomState(0)) for each in (tables, elsewhere)))


def test_other_forms_of_the_same_data(groups, tmp_path):
    model = make_pipeline(StandardScaler(copy=False), AgglomerativeClustering(3))
    expected = structure_test(model, groups, n_repeats=3, random_state=0)
    writeable = groups.copy()
    for X in (writeable, groups.tolist(), mapped(groups, tmp_path / "X"), np.asfortranarray(groups)):
        assert structure_test(model, X, n_repeats=3, random_state=0).null_scores == pytest.approx(expected.null_scores)
    assert_array_equal(writeable, groups)
    names = list("abcd")
    model = make_pipeline(make_column_transformer((StandardScaler(), names)), AgglomerativeClustering(3))
    for frame in (pd.DataFrame(groups, columns=names), pl.DataFrame(groups, schema=names)):
        assert structure_test(model, frame, n_repeats=3, random_state=0).null_scores == pytest.approx(
            expected.null_scores
        )


class Fragile(ClusterMixin, BaseEstimator):
    """Fails the second time."""

    n_fits = 0

    def fit_predict(self, X, y=None):
        Fragile.n_fits += 1
        if Fragile.n_fits > 1:
            raise RuntimeError("no luck")
        return np.arange(len(X)) % 2


class Resampler(BaseEstimator):
    def fit_resample(self, X, y=None):
        return X, y

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


def test_an_error_in_a_table_without_structure_says_so(groups):
    with raises("(?s)no luck.*a table without structure", RuntimeError):
        structure_test(Fragile(), groups, n_repeats=1)


@pytest.mark.parametrize(
    "model, X, options, words, error",
    [
        (KMEANS, np.arange(9.0)[:, np.newaxis], {}, "X has 1 columns, .* Give more columns", ValueError),
        (KMEANS, np.outer(np.arange(9.0), [1, -2, 0]), {}, "X has 3 columns, of which no two vary", ValueError),
        (KMEANS, np.ones((9, 2)), {}, "no two vary", ValueError),
        (KMEANS, csr_array(np.eye(9)), {}, "X is sparse.*TruncatedSVD", TypeError),
        (KMEANS, np.full((9, 2), np.nan), {}, "X contains NaN", ValueError),
        (KMEANS, pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), {}, r"no numbers: b \('x'\)", ValueError),
        (KMEANS, np.eye(9), {"n_repeats": 0}, "n_repeats", ValueError),
        (StandardScaler(), np.eye(9), {}, "fit_predict", ValueError),
        (make_pipeline(Resampler(), KMEANS), np.eye(9), {}, "resamples", ValueError),
        (make_pipeline(FrozenEstimator(StandardScaler()), KMEANS), np.eye(9), {}, "is frozen.*unfrozen", ValueError),
        (DBSCAN(metric="precomputed"), np.eye(9), {}, "(?s)takes distances.*structure_test scores", ValueError),
    ],
)
def test_bad_arguments(model, X, options, words, error):
    with warnings.catch_warnings(), raises(words, error):
        warnings.simplefilter("ignore", DegenerateClusteringWarning)
        structure_test(model, X, **{"n_repeats": 1, **options})
