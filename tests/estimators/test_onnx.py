"""Models of ONNX compute what the estimators do, whatever the number of rows and their precision."""

import numpy as np
import pandas as pd
import pytest
import skl2onnx
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, Birch, KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    StandardScaler,
    scale,
)

from helpers.assigner import Comparing, labeled
from helpers.marks import FEW_ITERATIONS
from helpers.processes import output_of_fork
from skdeepcluster import ClusteringSearch, SparseAutoencoderTransformer
from skdeepcluster.clustering import ClusterTree, DeepEmbeddedClustering, NeighborAssigner
from skdeepcluster.onnx import to_onnx

onnxruntime = pytest.importorskip("onnxruntime", reason="there is no onnxruntime for this version of Python")

pytestmark = FEW_ITERATIONS

N_FITTED = 200


def digits():
    return scale(load_digits().data)[:400]


@pytest.fixture(scope="module")
def X():
    """Rows, of which the first `N_FITTED` are for fits."""
    return digits()


def autoencoder(n_components=8, **parameters):
    return SparseAutoencoderTransformer(n_components, **{"max_iter": 10, "random_state": 0, **parameters})


def joint(**parameters):
    return DeepEmbeddedClustering(4, encoder=autoencoder(), max_iter=2, random_state=0, **parameters)


def results_of(onnx_model, rows):
    """What onnxruntime computes, by name. The rows are an array, or a frame whose columns are inputs."""
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), providers=["CPUExecutionProvider"])
    if isinstance(rows, pd.DataFrame):
        inputs = {name: column.to_numpy()[:, np.newaxis] for name, column in rows.items()}
    else:
        inputs = {"X": rows}
    return dict(zip([result.name for result in session.get_outputs()], session.run(None, inputs)))


def assert_near(values, expected, atol):
    assert_allclose(values, expected, rtol=0, atol=atol)


def assert_equal_results(model, results, rows, dtype, atol):
    """That the results of a model of ONNX are those of the estimator, in the precision of the rows."""
    methods = {"code": "transform", "scores": "transform", "probabilities": "predict_proba"}
    label = results.pop("label", None)
    if label is not None:
        assert_array_equal(label.ravel(), model.predict(rows))
    for name, values in results.items():
        assert values.dtype == dtype
        expected = getattr(model, methods[name])(rows)
        assert_allclose(values, expected, rtol=atol, atol=atol)


MODELS = {
    "scaler, code": lambda: make_pipeline(StandardScaler(), autoencoder()),
    "scaler, code, KMeans": lambda: make_pipeline(MaxAbsScaler(), autoencoder(), KMeans(4, n_init=1, random_state=0)),
    "PCA, deep code, KMeans": lambda: make_pipeline(
        StandardScaler(), PCA(10), autoencoder(hidden_layer_sizes=(20, 10)), KMeans(4, n_init=1, random_state=0)
    ),
    "deep tied tanh": lambda: make_pipeline(
        StandardScaler(), autoencoder(hidden_layer_sizes=(20,), activation="tanh", tied_weights=True)
    ),
    "relu code": lambda: make_pipeline(
        MinMaxScaler(), autoencoder(code_activation="relu", output_activation="logistic", beta=0)
    ),
    "identity code, mixture": lambda: make_pipeline(
        StandardScaler(), autoencoder(4, code_activation="identity", beta=0), GaussianMixture(3, random_state=0)
    ),
    "neighbours, tree": lambda: make_pipeline(
        StandardScaler(), autoencoder(n_neighbors=5), ClusterTree(KMeans(20, n_init=1, random_state=0), n_clusters=4)
    ),
    "union, code": lambda: make_pipeline(make_union(StandardScaler(), PCA(3)), "passthrough", autoencoder()),
    "frozen, nested": lambda: make_pipeline(
        make_pipeline(StandardScaler()), FrozenEstimator(autoencoder().fit(digits()[:N_FITTED])), KMeans(3, n_init=1)
    ),
    "code alone": lambda: autoencoder(code_activation="tanh", beta=0),
    "SVD, joint": lambda: make_pipeline(TruncatedSVD(12), StandardScaler(), joint()),
    "joint alone": lambda: joint(alpha=2.5),
    "DBSCAN": lambda: make_pipeline(StandardScaler(), PCA(2), NeighborAssigner(DBSCAN(eps=0.5))),
    "HDBSCAN": lambda: make_pipeline(
        StandardScaler(), autoencoder(20), NeighborAssigner(HDBSCAN(min_cluster_size=5, min_samples=2, copy=True))
    ),
    "agglomerative, cosine": lambda: make_pipeline(
        MinMaxScaler(), autoencoder(), NeighborAssigner(AgglomerativeClustering(5, metric="cosine", linkage="average"))
    ),
    "agglomerative, without noise": lambda: NeighborAssigner(AgglomerativeClustering(5), n_neighbors=3),
}


@pytest.mark.parametrize("dtype, atol", [(np.float64, 1e-10), (np.float32, 1e-5)])
@pytest.mark.parametrize("name", MODELS)
def test_models_compute_what_the_estimators_do(X, name, dtype, atol):
    model = MODELS[name]().fit(X[:N_FITTED])
    onnx_model = to_onnx(model, X[:1].astype(dtype))
    for n_rows in (1, 2, N_FITTED, N_FITTED + 1, len(X)):
        rows = X[-n_rows:].astype(dtype)
        assert_equal_results(model, results_of(onnx_model, rows), rows, dtype, atol)


@pytest.mark.parametrize("name", MODELS)
def test_models_fitted_in_float32_compute_the_same(X, name):
    rows = X.astype(np.float32)
    model = MODELS[name]().fit(rows[:N_FITTED])
    assert_equal_results(model, results_of(to_onnx(model, rows), rows), rows, np.float32, 1e-5)


@pytest.fixture(scope="module")
def table():
    """Numbers and texts."""
    generator = np.random.RandomState(0)
    kinds = generator.choice(["red", "green", "blue"], size=120)
    heights = generator.normal(size=120) + 2 * (kinds == "red")
    return pd.DataFrame({"kind": kinds, "height": heights, "width": generator.normal(size=120), "count": range(120)})


@pytest.mark.parametrize("number, atol", [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_columns_of_a_frame_become_inputs(table, number, atol):
    numbers = ["height", "width", "count"]
    table = table.astype(dict.fromkeys(numbers, number))
    columns = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(), ["kind"]))
    model = make_pipeline(columns, autoencoder(4), KMeans(3, n_init=1, random_state=0)).fit(table)
    results = results_of(to_onnx(model, table), table)
    assert_array_equal(results["label"], model.predict(table))
    assert_near(results["scores"], model.transform(table), atol=atol)


def test_a_frame_of_numbers_becomes_an_input(table):
    # The time in seconds has 10 digits before the point.
    numbers = table[["height", "count"]].assign(time=1.7e9 + table["count"])
    model = make_pipeline(StandardScaler(), autoencoder(2), KMeans(3, n_init=1, random_state=0)).fit(numbers)
    onnx_model = to_onnx(model, numbers)
    assert [given.name for given in onnx_model.graph.input] == ["X"]
    results = results_of(onnx_model, numbers.to_numpy())
    assert_array_equal(results["label"], model.predict(numbers))
    assert_near(results["scores"], model.transform(numbers), atol=1e-10)


def test_columns_far_from_zero_keep_their_digits(table):
    table = table.assign(time=1.7e9 + table["count"], count=table["count"].astype(float))
    columns = make_column_transformer((StandardScaler(), ["height", "time", "count"]), (OneHotEncoder(), ["kind"]))
    model = make_pipeline(columns, autoencoder(4)).fit(table)
    assert_near(results_of(to_onnx(model, table), table)["code"], model.transform(table), atol=1e-10)


def test_names_of_inputs_have_letters_and_digits(table):
    numbers = table[["height", "width"]].rename(columns={"height": "height (cm)", "width": "width, %"})
    columns = make_column_transformer((StandardScaler(), ["height (cm)", "width, %"]))
    model = make_pipeline(columns, autoencoder(2)).fit(numbers)
    names = [given.name for given in to_onnx(model, numbers).graph.input]
    assert names == ["height__cm_", "width___"]
    results = results_of(to_onnx(model, numbers), numbers.set_axis(names, axis=1))
    assert_near(results["code"], model.transform(numbers), atol=1e-10)


def test_numbers_may_be_objects(X):
    model = autoencoder().fit(X[:N_FITTED])
    results = results_of(to_onnx(model, X.astype(object)), X)
    assert_near(results["code"], model.transform(X), atol=1e-10)


def test_rows_are_left_as_they_are(X):
    rows = X.copy()
    to_onnx(make_pipeline(StandardScaler(copy=False), autoencoder()).fit(X.copy()), rows)
    assert_array_equal(rows, X)


def test_texts_become_an_input():
    texts = [
        f"{animal} {verb} {food}" for animal in ("cat", "dog") for verb in ("eats", "finds") for food in ("a", "fish")
    ]
    svd = TruncatedSVD(3, random_state=0)
    model = make_pipeline(
        TfidfVectorizer(lowercase=False), svd, StandardScaler(), autoencoder(2), KMeans(2, n_init=1, random_state=0)
    )
    model.fit(texts)
    for given in (texts, pd.Series(texts)):
        results = results_of(to_onnx(model, given), np.array(texts, dtype=object)[:, np.newaxis])
        assert_array_equal(results["label"], model.predict(texts))


def test_integers_become_floats(X):
    counts = np.round(3 * X).astype(int)
    model = autoencoder().fit(counts[:N_FITTED])
    results = results_of(to_onnx(model, counts), counts.astype(np.float64))
    assert_near(results["code"], model.transform(counts), atol=1e-10)


def test_models_fitted_in_float32_give_float64_for_rows_of_float64(X):
    model = autoencoder().fit(X[:N_FITTED].astype(np.float32))
    results = results_of(to_onnx(model, X), X)
    assert results["code"].dtype == np.float64
    assert_near(results["code"], model.transform(X), atol=1e-6)


def test_the_oldest_operators_compute_the_same(X):
    model = make_pipeline(StandardScaler(), joint()).fit(X[:N_FITTED])
    onnx_model = to_onnx(model, X, target_opset=18)
    assert {entry.version for entry in onnx_model.opset_import if entry.domain == ""} == {18}
    assert_equal_results(model, results_of(onnx_model, X), X, np.float64, 1e-10)


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.GridEdgeWarning")
def test_the_best_model_of_a_search_is_exported(X):
    search = ClusteringSearch(
        make_pipeline(StandardScaler(), autoencoder(), KMeans(n_init=1, random_state=0)),
        {"kmeans__n_clusters": [2, 3, 4]},
    ).fit(X[:N_FITTED])
    assert_array_equal(results_of(to_onnx(search, X), X)["label"], search.predict(X))


def test_skl2onnx_knows_the_estimators(X):
    model = make_pipeline(StandardScaler(), autoencoder()).fit(X[:N_FITTED])
    results = results_of(skl2onnx.to_onnx(model, X[:1].astype(np.float32)), X.astype(np.float32))
    assert_near(results["code"], model.transform(X), atol=1e-5)
    with pytest.raises(ValueError, match="target_opset=15 is too old"):
        skl2onnx.to_onnx(model, X[:1], target_opset=15)


def test_without_skl2onnx():
    code = """
import sys
sys.modules["skl2onnx"] = None
try:
    import skdeepcluster.onnx
except ImportError as error:
    print(error)
"""
    assert "pip install 'skdeepcluster[onnx]'" in output_of_fork(code)


class TestAssigners:
    """What is particular about votes of neighbours."""

    def assert_equal(self, model, rows):
        results = results_of(to_onnx(model, rows), rows)
        assert_array_equal(results["label"], model.predict(rows))
        assert_near(results["probabilities"], model.predict_proba(rows), atol=1e-10)

    @pytest.mark.parametrize(
        "clusterer", [DBSCAN(eps=0.6), AgglomerativeClustering(3)], ids=["DBSCAN", "agglomerative"]
    )
    def test_equal_rows_leave_others_no_vote(self, clusterer):
        X = np.random.RandomState(0).normal(size=(60, 2))
        X = np.vstack([X, X[:20], X[:20]])
        model = NeighborAssigner(clusterer, n_neighbors=4).fit(X)
        assert (model.labels_ == -1).any() == isinstance(clusterer, DBSCAN)
        self.assert_equal(model, X)
        self.assert_equal(model, X + 0.01)

    def test_rows_far_from_the_origin_keep_their_digits(self, X):
        model = NeighborAssigner(DBSCAN(eps=3)).fit(X[:N_FITTED, :20] + 1e6)
        self.assert_equal(model, X[:, :20] + 1e6)

    @pytest.mark.parametrize("unit", [1e-200, 1e200])
    def test_squares_neither_overflow_nor_vanish(self, X, unit):
        model = labeled(X[:N_FITTED] * unit, np.arange(N_FITTED) % 3)
        self.assert_equal(model, X * unit)

    def test_rows_of_zeros_are_near_each_other_by_cosine(self, X):
        fitted = X[:N_FITTED].copy()
        fitted[:5] = 0
        labels = np.arange(N_FITTED) % 3
        model = NeighborAssigner(Comparing(labels, metric="cosine"), n_neighbors=7).fit(fitted)
        self.assert_equal(model, np.vstack([X, np.zeros((2, X.shape[1]))]))

    def test_rows_of_zeros_get_a_label_by_cosine(self, X):
        # They are at distance 1 from all others, of which rounding takes some.
        model = NeighborAssigner(AgglomerativeClustering(3, metric="cosine", linkage="average")).fit(X[:N_FITTED])
        results = results_of(to_onnx(model, X), np.zeros((2, X.shape[1])))
        assert set(results["label"]) <= {0, 1, 2}
        assert_allclose(results["probabilities"].sum(axis=1), 1)

    def test_fitted_rows_may_be_sparse(self, X):
        rows = np.where(X > 1, X, 0)
        model = NeighborAssigner(DBSCAN(eps=3)).fit(csr_array(rows[:N_FITTED]))
        self.assert_equal(model, rows)

    @pytest.mark.parametrize("names", [["b", "a"], ["b", "-1"]])
    def test_labels_may_be_names(self, X, names):
        labels = np.array(names)[(X[:N_FITTED, 20] > 0).astype(int)]
        self.assert_equal(labeled(X[:N_FITTED], labels, n_neighbors=5), X)

    def test_labels_may_be_of_any_type_of_numbers(self, X):
        for kind in (float, np.int32, bool):
            self.assert_equal(labeled(X[:N_FITTED], (X[:N_FITTED, 20] > 0).astype(kind), n_neighbors=5), X)

    def test_as_many_neighbors_as_there_are_rows_vote(self, X):
        self.assert_equal(labeled(X[:6], [0, 0, 1, 1, 1, -1], n_neighbors=5), X)

    def test_other_distances_are_an_error(self, X):
        model = NeighborAssigner(DBSCAN(eps=20, metric="manhattan")).fit(X[:N_FITTED])
        with pytest.raises(ValueError, match=r"metric='manhattan' of DBSCAN.*cannot be exported"):
            to_onnx(model, X)

    @pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.DegenerateClusteringWarning")
    def test_noise_alone_is_an_error(self, X):
        with pytest.raises(ValueError, match="took all rows for noise"):
            to_onnx(NeighborAssigner(DBSCAN(eps=1e-9)).fit(X[:N_FITTED]), X)


class TestErrors:
    """What cannot be exported says why."""

    @pytest.mark.parametrize(
        "model",
        [autoencoder(), joint(), make_pipeline(StandardScaler(), autoencoder(), KMeans(3)), NeighborAssigner(DBSCAN())],
        ids=["autoencoder", "joint", "pipeline", "assigner"],
    )
    def test_not_fitted(self, X, model):
        with pytest.raises(NotFittedError):
            to_onnx(model, X)

    def test_not_fitted_for_skl2onnx(self, X):
        with pytest.raises(NotFittedError):
            skl2onnx.to_onnx(autoencoder(), X)

    def test_a_class(self, X):
        with pytest.raises(ValueError, match="'model' parameter"):
            to_onnx(SparseAutoencoderTransformer, X)

    @pytest.mark.parametrize("target_opset", [17, 1000, 18.5])
    def test_versions_that_there_are_not(self, X, target_opset):
        with pytest.raises(ValueError, match=r"'target_opset' parameter.*in the range \[18, "):
            to_onnx(autoencoder().fit(X), X, target_opset=target_opset)

    def test_clusterers_without_predict(self, X):
        model = make_pipeline(StandardScaler(), autoencoder(), DBSCAN()).fit(X)
        with pytest.raises(TypeError, match=r"Fit it as skdeepcluster.clustering.NeighborAssigner\(DBSCAN\(\)\)"):
            to_onnx(model, X)

    @pytest.mark.parametrize("clusterer", [KMeans(3, n_init=1), joint()], ids=["KMeans", "joint"])
    def test_clusterers_before_other_steps(self, X, clusterer):
        model = make_pipeline(clusterer, StandardScaler(), autoencoder(2)).fit(X)
        with pytest.raises(TypeError, match="cannot be exported to ONNX with steps after it"):
            to_onnx(model, X)

    @pytest.mark.parametrize(
        "steps",
        [
            (autoencoder(), Birch(n_clusters=2)),
            (FunctionTransformer(np.tanh), autoencoder()),
            (PowerTransformer(), joint()),
        ],
        ids=["Birch", "function", "PowerTransformer"],
    )
    def test_steps_without_a_converter(self, X, steps):
        model = make_pipeline(*steps).fit(X)
        with pytest.raises(TypeError, match="Pipeline cannot be exported to ONNX: every step must be"):
            to_onnx(model, X)

    def test_models_that_do_not_fit_together(self, X):
        # skl2onnx makes a model of it in which types contradict each other.
        X = X[:, 26:29]
        model = make_pipeline(KBinsDiscretizer(4, encode="ordinal", strategy="uniform"), KMeans(2, n_init=1)).fit(X)
        with pytest.raises(TypeError, match=r"Pipeline cannot be exported to ONNX.*inconsistent type"):
            to_onnx(model, X)

    def test_texts_for_numbers(self, X):
        with pytest.raises(TypeError, match=r"SparseAutoencoderTransformer cannot be exported.*texts are no input"):
            to_onnx(autoencoder().fit(X), X.astype(str))

    def test_a_search_without_a_best_model(self, X):
        search = GridSearchCV(autoencoder(), {"lam": [1e-3]}, cv=2, refit=False).fit(X)
        with pytest.raises(TypeError, match="GridSearchCV has refit=False, and so no model to export"):
            to_onnx(search, X)

    def test_a_pipeline_without_steps(self, X):
        with pytest.raises(TypeError, match="has no step that could be exported"):
            to_onnx(make_pipeline("passthrough").fit(X), X)

    def test_subclasses_may_compute_something_else(self, X):
        class Shifted(SparseAutoencoderTransformer):
            def transform(self, X):
                return super().transform(X) + 1

        with pytest.raises(TypeError, match="Shifted cannot be exported"):
            to_onnx(Shifted(4, max_iter=2).fit(X), X)

    def test_sparse_rows(self, X):
        model = autoencoder().fit(csr_array(X))
        with pytest.raises(ValueError, match=r"X is sparse.*toarray\(\)"):
            to_onnx(model, csr_array(X))

    def test_other_features(self, X):
        model = autoencoder().fit(X)
        with pytest.raises(ValueError, match="X has 3 features, but SparseAutoencoderTransformer is expecting 64"):
            to_onnx(model, X[:, :3])
        with pytest.raises(ValueError, match="contains NaN"):
            to_onnx(model, np.full_like(X, np.nan))

    def test_dates(self, table):
        table["day"] = pd.Timestamp("2026-01-01")
        model = make_pipeline(make_column_transformer((StandardScaler(), ["height"])), autoencoder(2)).fit(table)
        with pytest.raises(TypeError, match="day has values of the type datetime64"):
            to_onnx(model, table)
