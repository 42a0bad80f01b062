"""Models of ONNX compute what the estimators do, whatever the number of rows and their precision."""

import numpy as np
import pandas as pd
import pytest
import skl2onnx
from numpy.testing import assert_array_equal
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
)

from helpers.marks import FEW_ITERATIONS
from helpers.onnx_models import N_FITTED, assert_equal_results, assert_near, autoencoder, digits, joint, results_of
from helpers.processes import output_of_fork
from skdeepcluster import ClusteringSearch
from skdeepcluster.clustering import ClusterTree, NeighborAssigner
from skdeepcluster.onnx import to_onnx

pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def X():
    return digits()


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


@pytest.mark.parametrize("name", ["SVD, joint", "HDBSCAN", "neighbours, tree"])
def test_the_oldest_operators_compute_the_same(X, name):
    model = MODELS[name]().fit(X[:N_FITTED])
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


def test_skl2onnx_takes_a_frame_column_by_column(table):
    numbers = table[["height", "width"]]
    model = autoencoder(2).fit(numbers)
    onnx_model = skl2onnx.to_onnx(model, numbers)
    assert [given.name for given in onnx_model.graph.input] == ["height", "width"]
    assert_near(results_of(onnx_model, numbers)["code"], model.transform(numbers), atol=1e-10)


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
