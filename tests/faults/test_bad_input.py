"""Bad input that generated cases do not reach, or seldom: an error that says what is wrong, or the right result."""

import warnings
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import DBSCAN, KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.bad_input import HUGE, make, raises
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import plotting
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import InputScaleWarning
from skdeepcluster.metrics import clustering_accuracy, clustering_report, make_clustering_scorer, silhouette_scorer
from skdeepcluster.model_selection import ClusteringSearch, estimate_eps, estimate_n_clusters

pytestmark = FEW_ITERATIONS

make_joint = partial(
    DeepEmbeddedClustering, n_clusters=2, encoder=make(), max_iter=2, update_interval=2, n_init=1, random_state=0
)


@pytest.fixture(scope="module")
def huge(X):
    """X with one integer that no float holds."""
    X = X.astype(object)
    X[1, 2] = HUGE
    return X


# Integers that no float holds


@pytest.mark.parametrize("name", ["beta", "lam", "tol", "learning_rate_init"])
def test_parameters_beyond_float(X, name):
    with raises(f"The '{name}' parameter of SparseAutoencoderTransformer must be"):
        make(**{name: HUGE}).fit(X)


@pytest.mark.parametrize("name", ["gamma", "alpha", "reconstruction_weight", "learning_rate_init"])
def test_parameters_of_joint_clustering_beyond_float(X, name):
    with raises(f"The '{name}' parameter of DeepEmbeddedClustering must be"):
        make_joint(**{name: HUGE}).fit(X)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_counts_as_large_as_one_likes(X, solver):
    counts = {"n_iter_no_change": HUGE, "batch_size": HUGE, "verbose": 0}
    assert make(solver=solver, tol=0.9, max_iter=3, **counts).fit(X).n_iter_ <= 3
    assert make(solver="lbfgs", tol=0.9, max_iter=HUGE, n_iter_no_change=1).fit(X).n_iter_ < 100


def test_an_iteration_of_joint_clustering_as_long_as_one_likes(X):
    def augment(rows, random_state):
        raise KeyboardInterrupt

    joint = make_joint(encoder=FrozenEstimator(make(solver="adam").fit(X).set_params(augment=augment)))
    for interval in (10**20, HUGE):
        with pytest.warns(match="interrupted"):
            assert joint.set_params(update_interval=interval).fit(X).n_iter_ == 0


def test_tables_beyond_float(X, fitted, huge, agg):
    labels, too_large = np.arange(60) % 3, "X has an integer that is too large for a float"
    joint = make_joint().fit(X)
    for call in (fitted.fit, fitted.transform, fitted.score, joint.fit, joint.predict, make().partial_fit):
        with raises(too_large):
            call(huge)
    with raises(too_large):
        fitted.inverse_transform(huge[:, :3])
    with raises(too_large):
        clustering_report(huge, labels)
    with raises(too_large.replace("X", "Z")):
        estimate_eps(huge)
    with raises(too_large.replace("X", "Z")):
        estimate_n_clusters(huge)
    for draw in (plotting.SilhouetteDisplay.from_predictions, plotting.ClusterEmbeddingDisplay.from_predictions):
        with raises(too_large.replace("X", "Z")):
            draw(huge, labels)
    with raises("X has an integer|X must be"):
        plotting.ClusterProfileDisplay.from_predictions(huge, labels)
    with raises("from augment has an integer"):
        make(solver="adam", augment=lambda rows, random_state: huge[: len(rows)]).fit(X)


@pytest.mark.parametrize("sample_weight", [HUGE, [1] * 59 + [HUGE]], ids=["number", "list"])
def test_weights_beyond_float(X, fitted, sample_weight):
    for call in (fitted.fit, fitted.score, make_joint().fit):
        with raises("sample_weight has an integer that is too large for a float"):
            call(X, sample_weight=sample_weight)


@pytest.mark.parametrize(
    "name", ["rho", "beta", "lam", "corruption", "tol", "validation_fraction", "learning_rate_init"]
)
def test_fractions_are_numbers_and_those_that_no_float_holds_are_out_of_range(X, name):
    options = {"solver": "adam", "early_stopping": name == "validation_fraction"}
    half, same = (make(**options, **{name: value}).fit(X) for value in (Fraction(1, 4), 0.25))
    assert_array_equal(half.coefs_[0], same.coefs_[0])
    with raises(f"The '{name}' parameter of SparseAutoencoderTransformer must be"):
        make(**{name: Fraction(HUGE)}).fit(X)
    if name in ("rho", "validation_fraction", "learning_rate_init"):
        with raises(f"The '{name}' parameter of SparseAutoencoderTransformer must be"):
            make(**{name: Fraction(1, HUGE)}).fit(X)


# Joint clustering


def test_a_frozen_encoder_is_given_a_kl_term_that_has_no_units(X):
    encoder = make(code_activation="identity", beta=0).fit(X)
    encoder.beta = 1.0
    with raises("beta=1.0 weighs the KL term"):
        make_joint(encoder=FrozenEstimator(encoder)).fit(X)


@pytest.mark.parametrize("parameters", [{}, {"code_activation": "identity", "beta": 0}], ids=str)
def test_rows_too_large_for_joint_clustering_are_one_clear_error(X, parameters):
    encoder = FrozenEstimator(make(**parameters).fit(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", InputScaleWarning)
        for scale in (1e160, 1e300):
            with raises("scale of X|too large for the fitted weights"):
                make_joint(encoder=encoder).fit(X * scale)


# Random numbers


def test_a_call_that_fails_draws_no_random_numbers(X):
    random_state = np.random.RandomState(0)
    before = random_state.get_state()
    bad = X.copy()
    bad[0, 0] = 1e200
    search = ClusteringSearch(KMeans(), {"n_clusters": [50, 60]}, random_state=random_state)
    for call in (
        make(random_state=random_state, solver="adam").fit,
        make(random_state=random_state, solver="adam").partial_fit,
        make_joint(random_state=random_state).fit,
        search.fit,
    ):
        with warnings.catch_warnings(), raises("."):
            warnings.simplefilter("ignore", InputScaleWarning)
            call(bad if call != search.fit else X[:3])
        for value, expected in zip(random_state.get_state(), before):
            assert_array_equal(value, expected)
    expected = make(random_state=np.random.RandomState(0)).fit(X)
    assert_array_equal(make(random_state=random_state).fit(X).coefs_[0], expected.coefs_[0])


def test_augment_that_raises_stop_iteration_is_named(X):
    def augment(rows, random_state):
        raise StopIteration

    with pytest.raises(RuntimeError, match=r"augment=<function .* raised StopIteration"):
        make(solver="adam", augment=augment).fit(X)


# Searches


@pytest.mark.parametrize(
    "parameters, words, error",
    [
        ({"metric": {"silhouette": HUGE}}, "dict of their positive weights", ValueError),
        ({"metric": [np.array(["silhouette", "x"])]}, "must be 'auto', one or more of", ValueError),
        ({"param_grid": {3: [1]}}, "param_grid={3: .* names of parameters", TypeError),
        ({"param_grid": [{"n_clusters": [2]}, {None: [1]}]}, "param_grid=.* names of parameters", TypeError),
        (
            {"estimator": make_pipeline(KMeans()), "param_grid": {"kmeans": [KMeans]}},
            "param_grid has the class",
            TypeError,
        ),
    ],
    ids=["weight", "array", "key", "keys", "class"],
)
def test_searches_that_cannot_be(X, parameters, words, error):
    with raises(words, error):
        ClusteringSearch(**{"estimator": KMeans(), "param_grid": {"n_clusters": [2]}, **parameters}).fit(X)


def test_no_table_to_search_in():
    with raises("This is about X", TypeError):
        ClusteringSearch(DBSCAN(), {"eps": [0.1, 1.0]}).fit(None)


def test_weights_of_metrics_as_large_as_floats_are_ratios(X):
    search = ClusteringSearch(KMeans(n_init=1), {"n_clusters": [2, 3, 4]}, random_state=0)
    scores = []
    for scale in (1.0, 1.7e308):
        search.set_params(metric={"silhouette": scale, "davies_bouldin": scale / 2})
        scores.append(search.fit(X).cv_results_["score"])
    np.testing.assert_allclose(*scores)


@pytest.mark.parametrize("writeable", [True, False])
def test_the_refit_leaves_x_as_it_is(X, writeable):
    X = 3 * X + 1
    before = X.copy()
    X.flags.writeable = writeable
    model = make_pipeline(StandardScaler(copy=False), KMeans(3, n_init=1))
    search = ClusteringSearch(model, {"kmeans__n_clusters": [2, 3]}, random_state=0).fit(X)
    assert_array_equal(X, before)
    silhouette_scorer(search, X)
    assert_array_equal(X, before)


# Scorers and labels


class OwnClusterer:
    """Has what a scorer needs, and nothing of scikit-learn's."""

    def fit_predict(self, X, y=None):
        return np.arange(len(X)) % 3

    def predict(self, X):
        return self.fit_predict(X)


def test_scorers_of_odd_estimators(X, agg):
    for nothing in (make_pipeline("passthrough"), KMeans, make_pipeline(StandardScaler())):
        with raises("A clusterer.* is needed, but got"):
            silhouette_scorer(nothing, X)
    with raises("A clusterer.* is needed, but got no step"):
        plotting.KDistanceDisplay.from_estimator(make_pipeline("passthrough"), X)
    expected = clustering_report(X, np.arange(60) % 3)["silhouette"]
    assert silhouette_scorer(OwnClusterer(), X) == pytest.approx(expected)


def test_the_space_to_score_in_is_not_written_to_by_the_next_step(X):
    steps = make_pipeline(FunctionTransformer(), StandardScaler(copy=False), KMeans(3, n_init=1, random_state=0))
    X = X * [1, 10, 1, 0.1, 1]
    model = steps.fit(X.copy())
    scorer = make_clustering_scorer("silhouette", space="functiontransformer")
    assert scorer(model, X) == pytest.approx(clustering_report(X, model.predict(X.copy()))["silhouette"])


class NotAvailable:
    """Like pandas.NA, neither true nor false."""

    def __lt__(self, other):
        return self

    __gt__ = __eq__ = __lt__
    __hash__ = object.__hash__

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")


@pytest.mark.parametrize(
    "labels",
    [
        np.array([(0, 1)] * 60, dtype=[("a", int), ("b", int)]),
        np.arange(-1, 59).astype("timedelta64[s]"),
        np.array([0.5, *range(59)], dtype=object),
        np.array([float("inf"), *range(59)], dtype=object),
        np.array([NotAvailable(), *("ab" * 29), "a"], dtype=object),
    ],
    ids=["structured", "times", "fractions", "infinity", "not available"],
)
def test_what_are_no_labels(X, labels):
    with raises("labels", (ValueError, TypeError)):
        clustering_report(X, labels)
    with raises("y_pred", (ValueError, TypeError)):
        clustering_accuracy(np.zeros(60), labels)


def test_labels_of_mixed_integer_types_are_labels(X):
    labels = np.array([0, np.int8(1), 2.0] * 20, dtype=object)
    assert clustering_report(X, labels)["n_clusters"] == 3
    assert clustering_accuracy([HUGE, 1], [0, 1]) == 1
