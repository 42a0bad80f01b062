"""Fitted estimators survive being written to a file, in three formats."""

import pickle

import joblib
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_array_equal
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import ClusterTree, DeepEmbeddedClustering, NeighborAssigner

pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def X():
    return load_iris().data


def by_pickle(model, path):
    path.write_bytes(pickle.dumps(model))
    return pickle.loads(path.read_bytes())


def by_joblib(model, path):
    joblib.dump(model, path)
    return joblib.load(path)


def by_skops(model, path):
    skops.io.dump(model, path)
    types = skops.io.get_untrusted_types(file=path)
    # What the documentation says to look for.
    assert types
    assert all(name.startswith("skdeepcluster.") for name in types)
    return skops.io.load(path, trusted=types)


@pytest.mark.parametrize("round_trip", [by_pickle, by_joblib, by_skops])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"hidden_layer_sizes": (10, 6), "tied_weights": True, "pretrain": "layerwise", "solver": "adam"},
        {"hidden_layer_sizes": [10], "early_stopping": True, "corruption": 0.1},
    ],
)
def test_fitted_pipelines_survive(X, tmp_path, parameters, round_trip):
    autoencoder = SparseAutoencoderTransformer(4, max_iter=10, random_state=0, **parameters)
    model = make_pipeline(StandardScaler(), autoencoder, KMeans(3, n_init=2, random_state=0)).fit(X)
    loaded = round_trip(model, tmp_path / "model")
    assert_array_equal(loaded.predict(X), model.predict(X))
    left, right = loaded[1], model[1]
    assert repr(left) == repr(right)
    assert sorted(vars(left)) == sorted(vars(right))
    assert left.loss_ == right.loss_
    assert_array_equal(left.loss_curve_, right.loss_curve_)
    assert_array_equal(loaded[:2].transform(X), model[:2].transform(X))


@pytest.mark.parametrize("round_trip", [by_pickle, by_joblib, by_skops])
def test_partial_fit_goes_on_in_the_loaded_estimator(X, tmp_path, round_trip):
    data = StandardScaler().fit_transform(X)
    model = SparseAutoencoderTransformer(4, random_state=0).partial_fit(data)
    loaded = round_trip(model, tmp_path / "model")
    assert_array_equal(loaded.partial_fit(data).coefs_[0], model.partial_fit(data).coefs_[0])
    assert np.isfinite(loaded.loss_)


@pytest.mark.parametrize("round_trip", [by_pickle, by_joblib, by_skops])
def test_joint_clusterings_survive(X, tmp_path, round_trip):
    encoder = SparseAutoencoderTransformer(2, code_activation="identity", beta=0, max_iter=10, random_state=0)
    joint = DeepEmbeddedClustering(3, encoder=encoder, max_iter=2, update_interval=5, random_state=0)
    model = make_pipeline(StandardScaler(), joint).fit(X)
    loaded = round_trip(model, tmp_path / "model")
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert sorted(vars(loaded[1])) == sorted(vars(joint))


@pytest.mark.parametrize("round_trip", [by_pickle, by_joblib, by_skops])
@pytest.mark.parametrize(
    "clusterer",
    [DBSCAN(eps=0.6), HDBSCAN(min_cluster_size=10, copy=True), AgglomerativeClustering(3)],
    ids=lambda clusterer: type(clusterer).__name__,
)
def test_assigners_survive(X, tmp_path, clusterer, round_trip):
    model = make_pipeline(StandardScaler(), NeighborAssigner(clusterer)).fit(X[::2])
    loaded = round_trip(model, tmp_path / "model")
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert sorted(vars(loaded[1])) == sorted(vars(model[1]))


@pytest.mark.parametrize("round_trip", [by_pickle, by_joblib, by_skops])
def test_trees_survive(X, tmp_path, round_trip):
    tree = ClusterTree(n_clusters=3, random_state=0).fit(X)
    loaded = round_trip(tree, tmp_path / "tree")
    assert_array_equal(loaded.predict(X, n_clusters=7), tree.predict(X, n_clusters=7))
    assert_array_equal(loaded.cut(5), tree.cut(5))
    assert sorted(vars(loaded)) == sorted(vars(tree))
