"""Bad input for the displays that generated cases do not reach, or seldom."""

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.cluster import DBSCAN, KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.bad_input import HUGE, make, raises
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import plotting
from skdeepcluster.model_selection import ClusteringSearch, estimate_n_clusters

pytestmark = FEW_ITERATIONS


@pytest.mark.parametrize("units", [np.array([], dtype=int), [[0], [1, 2]], [HUGE]], ids=["empty", "ragged", "huge"])
def test_units_that_are_none(fitted, agg, units):
    with raises("units=.* must list one or more numbers from 0 to 2"):
        plotting.CodeWeightsDisplay.from_estimator(fitted, units=units)


def test_numbers_of_clusters_that_are_ragged(X):
    with raises("k_range=.* must hold one or more integers"):
        estimate_n_clusters(X, [[2], [3, 4]])


def test_eps_is_any_number_that_can_be_drawn(X, agg):
    assert plotting.KDistanceDisplay.from_data(X, eps=Fraction(1, 2)).eps == 0.5
    with raises("eps"):
        plotting.KDistanceDisplay.from_data(X, eps=HUGE)
    for eps in ("x", np.nan, HUGE):
        with raises("eps"):
            plotting.KDistanceDisplay.from_estimator(DBSCAN(eps), X)


@pytest.mark.parametrize("options", [{"image_shape": (1, 5)}, {"texts": ["a"] * 60}], ids=["images", "texts"])
def test_more_rows_to_show_than_there_are(X, agg, options):
    display = plotting.ClusterProfileDisplay.from_predictions(X, np.arange(60) % 3, n_shown=10**12, **options)
    assert [len(rows) for rows in display.typical] == [20, 20, 20]


@pytest.mark.parametrize("projection", ["3d", "polar"])
def test_axes_that_are_not_flat(X, fitted, agg, projection):
    ax = plt.figure().add_subplot(projection=projection)
    with raises("ax=.* must be the axes of a flat plot", TypeError):
        plotting.ActivationDisplay.from_estimator(fitted, X, ax=ax)


class Table:
    """As pyarrow's: `columns` are the data, and `column_names` their names."""

    def __init__(self, X):
        self._X, self.shape = X, X.shape
        self.columns, self.column_names = list(X.T), list("abcde")

    def __array__(self, dtype=None, copy=None):
        return self._X.astype(dtype or float)

    def __len__(self):
        return len(self._X)


def test_names_of_tables_whose_columns_are_data(X, agg):
    display = plotting.ClusterProfileDisplay.from_predictions(Table(X), np.arange(60) % 3)
    assert display.feature_names.tolist() == list("abcde")


@pytest.mark.parametrize(
    "points",
    [np.full((60, 2), np.nan), np.ones((60, 2)) * 1j, np.full((60, 2), "a"), np.full((60, 2), 1e308), [[1], [2, 3]]],
    ids=["NaN", "complex", "text", "huge", "ragged"],
)
def test_transformers_that_give_no_points(X, agg, points):
    class Odd(FunctionTransformer):
        def fit_transform(self, Z, y=None):
            return points

    with raises("transformer=Odd"):
        plotting.ClusterEmbeddingDisplay.from_predictions(X, np.arange(60) % 3, transformer=Odd())


def test_reconstructions_beyond_inputs_that_hardly_differ_are_drawn_as_their_bounds(agg):
    inputs, far = np.array([[0.0, 5e-324], [0.0, 0.0]]), np.array([1.0, -1.0])
    display = plotting.ReconstructionDisplay.from_predictions(inputs, inputs + far, image_shape=(1, 2))
    (image,) = display.axes_[0].images
    assert_array_equal(image.get_array()[[0, 2]], [[0, 1], [1, 0]])


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array])
def test_one_row_has_no_principal_components(X, agg, convert):
    with raises("Z has one row of 5 features"):
        plotting.ClusterEmbeddingDisplay.from_predictions(convert(X[:1]), [0])


@pytest.mark.parametrize("options", [{"texts": ["a"] * 3}, {"Z": np.ones((3, 2)), "image_shape": (1, 5)}], ids=str)
def test_profiles_of_rows_that_are_not_as_many(X, agg, options):
    with raises(f"inconsistent numbers of samples.*\nThis is about {next(iter(options))}"):
        plotting.ClusterProfileDisplay.from_predictions(X, np.arange(60) % 3, **options)


def test_a_loss_curve_without_iterations(X, agg):
    def augment(rows, random_state):
        raise KeyboardInterrupt

    with pytest.warns(match="interrupted"):
        model = make(solver="adam", augment=augment).fit(X)
    with raises("The loss curve is empty"):
        plotting.LossCurveDisplay.from_estimator(model)
    assert not plt.get_fignums()


def test_reconstructions_are_beside_the_rows_as_they_were_given(X, agg):
    X = 7 * X + 3
    before = X.copy()
    model = make_pipeline(StandardScaler(copy=False), make()).fit(X.copy())
    display = plotting.ReconstructionDisplay.from_estimator(model, X, image_shape=(1, 5))
    assert_array_equal(X, before)
    assert_array_equal(display.inputs, X[display.rows])


def test_values_that_no_axis_shows_are_names(X, agg):
    search = ClusteringSearch(KMeans(n_init=1), {"max_iter": [10, HUGE]}, random_state=0)
    search.fit(X)
    labels = plotting.SearchDisplay.from_estimator(search).axes_[0].get_xticklabels()
    assert [label.get_text()[:2] for label in labels] == ["10", "10"]
    assert "…" in labels[1].get_text()
