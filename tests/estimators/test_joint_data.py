"""Joint clustering of every kind of data, and with other parts of scikit-learn."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import silhouette_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.joint import ENCODER, QUICK, attributes_of
from helpers.processes import output_of_fork
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import InputScaleWarning
from skdeepcluster.metrics import make_clustering_scorer
from skdeepcluster.model_selection import ClusteringSearch


@pytest.mark.parametrize("reconstruction_weight", [0.0, 1.0])
@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csr_array, sp.coo_matrix])
def test_sparse_and_dense_data_give_the_same(blobs, container, reconstruction_weight):
    X = np.where(np.abs(blobs) < 0.7, 0, blobs)
    encoder = FrozenEstimator(clone(ENCODER).fit(X))
    dense, sparse = (
        DeepEmbeddedClustering(6, encoder=encoder, reconstruction_weight=reconstruction_weight, **QUICK).fit(data)
        for data in (X, container(X))
    )
    assert_allclose(sparse.cluster_centers_, dense.cluster_centers_, rtol=1e-6)
    assert_allclose(sparse.loss_, dense.loss_, rtol=1e-8)
    assert_array_equal(sparse.labels_, dense.labels_)
    assert_array_equal(sparse.predict(container(X)), sparse.labels_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
def test_weights_of_every_kind_of_data(blobs, frozen, container, dtype):
    w = np.linspace(0.5, 2, 600)
    X = container(blobs.astype(dtype))
    model = DeepEmbeddedClustering(6, encoder=frozen, init="kmeans", **QUICK).fit(X, sample_weight=w)
    expected = DeepEmbeddedClustering(6, encoder=frozen, init="kmeans", **QUICK).fit(blobs, sample_weight=w)
    assert_allclose(model.loss_, expected.loss_, rtol=1e-3)


def test_a_row_of_weight_zero_must_be_finite_to_be_labelled(blobs, frozen):
    X, w = np.array(blobs), np.r_[np.ones(599), 0]
    X[599, 0] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        DeepEmbeddedClustering(6, encoder=frozen, **QUICK).fit(X, sample_weight=w)


def test_names_of_features_are_those_of_the_frozen_encoder(blobs):
    frame = pd.DataFrame(blobs, columns=[f"x{i}" for i in range(15)])
    encoder = FrozenEstimator(clone(ENCODER).fit(frame))
    with pytest.raises(ValueError, match=r"The features of X are .* the frozen encoder was fitted to"):
        DeepEmbeddedClustering(6, encoder=encoder, **QUICK).fit(frame[frame.columns[::-1]])
    model = DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK).fit(frame)
    again = DeepEmbeddedClustering(6, encoder=FrozenEstimator(model.encoder_), **QUICK).fit(frame)
    assert_array_equal(again.encoder_.feature_names_in_, frame.columns)
    assert model.encoder_.transform(frame).shape == (600, 4)


def test_float32_is_trained_in_float32(blobs):
    X = blobs.astype(np.float32)
    model = DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK).fit(X)
    assert {array.dtype for array in (*model.coefs_, *model.intercepts_, model.cluster_centers_)} == {X.dtype}
    assert model.transform(X).dtype == model.inverse_transform(model.transform(X)).dtype == np.float32


def test_a_frozen_encoder_of_another_precision(blobs, frozen):
    model = DeepEmbeddedClustering(6, encoder=frozen, **QUICK).fit(blobs.astype(np.float32))
    assert model.coefs_[0].dtype == np.float32
    assert frozen.coefs_[0].dtype == np.float64


def test_a_mapped_file_gives_the_same_as_memory(blobs, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, blobs)
    in_memory, mapped = (
        DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK).fit(X)
        for X in (np.array(blobs), np.load(path, mmap_mode="r"))
    )
    for a, b in zip(attributes_of(in_memory), attributes_of(mapped)):
        assert_array_equal(a, b)


def test_weights_of_zero_leave_rows_out_but_label_them(blobs, frozen):
    w = np.r_[np.ones(500), np.zeros(100)]
    model = DeepEmbeddedClustering(6, encoder=frozen, init="kmeans", **QUICK)
    weighted, without = clone(model).fit(blobs, sample_weight=w), clone(model).fit(blobs[:500])
    assert_allclose(weighted.cluster_centers_, without.cluster_centers_, rtol=1e-10)
    assert_array_equal(weighted.labels_, without.predict(blobs))


def test_weights_count(blobs, frozen):
    w = np.where(np.arange(600) % 2, 1.0, 10.0)
    fits = [
        DeepEmbeddedClustering(6, encoder=frozen, **QUICK).fit(blobs, sample_weight=sample_weight)
        for sample_weight in (None, w, 3 * w)
    ]
    assert np.abs(fits[0].cluster_centers_ - fits[1].cluster_centers_).max() > 1e-3
    assert_allclose(fits[1].cluster_centers_, fits[2].cluster_centers_, rtol=1e-10)


# With scikit-learn


def test_in_a_pipeline(blobs):
    model = make_pipeline(StandardScaler(), DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK))
    labels = model.fit_predict(3 * blobs + 1)
    assert_array_equal(model.predict(3 * blobs + 1), labels)
    assert model.transform(3 * blobs + 1).shape == (600, 4)


def test_data_on_another_scale_than_the_frozen_encoder_wants_draw_a_warning(blobs, frozen):
    with pytest.warns(InputScaleWarning):
        DeepEmbeddedClustering(6, encoder=frozen, **QUICK).fit(100 * blobs)


def test_scorers_know_its_input_and_its_code(blobs, joint):
    for space, Z in (("input", blobs), ("code", joint.transform(blobs))):
        score = make_clustering_scorer("silhouette", space=space)(joint, blobs)
        assert_allclose(score, silhouette_score(Z, joint.labels_), rtol=1e-6)


@pytest.mark.parametrize("space", ["input", "code"])
def test_in_grid_search(blobs, space):
    rows = np.arange(len(blobs))
    pipeline = make_pipeline(StandardScaler(), DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK))
    search = GridSearchCV(
        pipeline,
        {"deepembeddedclustering__n_clusters": [2, 6], "deepembeddedclustering__encoder__lam": [1e-3, 1e-2]},
        scoring=make_clustering_scorer("silhouette", space=space),
        cv=[(rows, rows)],
        refit=False,
        error_score="raise",
    )
    search.fit(blobs)
    assert search.best_params_["deepembeddedclustering__n_clusters"] == 6


def test_in_clustering_search(blobs):
    pipeline = make_pipeline(StandardScaler(), DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK))
    search = ClusteringSearch(
        pipeline, {"deepembeddedclustering__n_clusters": [2, 6]}, metric="silhouette", random_state=0
    )
    assert_array_equal(search.fit_predict(blobs), search.best_estimator_.predict(blobs))
    assert search.best_params_ == {"deepembeddedclustering__n_clusters": 6}


def test_in_clustering_search_with_the_default_metric(blobs):
    model = DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = ClusteringSearch(model, {"gamma": [0.01, 0.1]}, random_state=0).fit(blobs)
    assert np.isfinite(search.best_score_)


def test_resident_memory_does_not_grow_by_a_mapped_file_of_2_gb(tmp_path):
    script = """
        import resource, sys
        import numpy as np
        from skdeepcluster import SparseAutoencoderTransformer
        from skdeepcluster.clustering import DeepEmbeddedClustering

        path, shape = sys.argv[1], (2**18, 2**11)
        rows = np.random.RandomState(0).normal(size=(2**11, 2**11)).astype(np.float32)
        with open(path, "wb") as file:
            for _ in range(2**7):
                file.write(rows.tobytes())
        X = np.memmap(path, dtype=np.float32, mode="r", shape=shape)
        encoder = SparseAutoencoderTransformer(2, code_activation="identity", beta=0, solver="adam", max_iter=1)
        joint = DeepEmbeddedClustering(
            2, encoder=encoder, init="kmeans", n_init=1, max_iter=1, update_interval=2, random_state=0
        )
        joint.fit(X[:1000])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        joint.fit(X)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        """
    path = tmp_path / "X"
    megabytes = float(output_of_fork(script, str(path)))
    assert path.stat().st_size == 2**31
    path.unlink()
    # Two buffers of shuffled rows, 128 MB each, are the largest part.
    assert megabytes < 400
