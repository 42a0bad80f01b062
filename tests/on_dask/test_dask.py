"""Fits on a Dask cluster: they are those in memory."""

import pickle
from functools import partial
from threading import Thread

import dask.array as da
import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from helpers.cluster import partitioned
from helpers.marks import FEW_ITERATIONS
from helpers.processes import output_of
from helpers.recorder import Recorder
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._dask import _graph, _tasks
from skdeepcluster._dask._partitioned import PartitionedData
from skdeepcluster._data import DataInMemory
from skdeepcluster._network import mirrored_network
from skdeepcluster._objectives import LinearDecoderObjective, SparseAutoencoderObjective
from skdeepcluster._solvers import AdamState
from skdeepcluster._support._threads import Workers
from skdeepcluster._training import TrainingOptions, _plan
from skdeepcluster.callbacks import Checkpoint
from skdeepcluster.dask import DaskSparseAutoencoderTransformer
from skdeepcluster.exceptions import TrivialReconstructionWarning
from skdeepcluster.model_selection import ClusteringSearch

QUICK = {"n_components": 4, "random_state": 0, "max_iter": 3, "tol": 0}
HYPERPARAMETERS = {"rho": 0.1, "beta": 0.5, "lam": 1e-3}
pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def tables(blobs):
    """The blobs, dense and sparse."""
    return {"dense": blobs, "sparse": sp.csr_matrix(np.where(np.abs(blobs) < 0.7, 0, blobs))}


in_memory = partial(SparseAutoencoderTransformer, **QUICK)
on_cluster = partial(DaskSparseAutoencoderTransformer, **QUICK)


def assert_same_fit(model, expected, rtol=1e-8):
    for a, b in zip(model.coefs_ + model.intercepts_, expected.coefs_ + expected.intercepts_):
        assert a.dtype == b.dtype
        assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max() + 1e-12)
    assert_allclose(model.loss_, expected.loss_, rtol=rtol)
    assert_allclose(model.mean_activation_, expected.mean_activation_, rtol=rtol, atol=1e-10)
    for name in model.loss_curve_.dtype.names:
        assert_allclose(model.loss_curve_[name], expected.loss_curve_[name], rtol=rtol)
    assert model.n_iter_ == expected.n_iter_


def network(n_features=15):
    return mirrored_network(
        n_features, (8,), 4, activation="relu", code_activation="logistic", output_activation="identity", tied=False
    )


# Exact training


@pytest.mark.parametrize(
    "kind, weighted, n_partitions",
    [("dense", False, 1), ("sparse", True, 2), ("sparse", True, 7), ("dense", False, 20)],
)
def test_j_and_its_gradient_are_those_in_memory(client, tables, rng, kind, weighted, n_partitions):
    X, w = tables[kind], rng.uniform(0.5, 2, size=600) if weighted else None
    data = PartitionedData.load(client, partitioned(X, n_partitions), w)
    local = DataInMemory(X, None if w is None else w / w.mean(), Workers(1))
    for objective in (
        LinearDecoderObjective(network(), projected=True, **HYPERPARAMETERS),
        LinearDecoderObjective(network(), projected=False, **HYPERPARAMETERS),
        SparseAutoencoderObjective(network(), **HYPERPARAMETERS),
    ):
        theta = rng.normal(scale=0.5, size=objective.layout.size)
        full_batch, expected = data.full_batch(objective), local.full_batch(objective)
        for of_cluster, of_memory in zip(full_batch(theta), expected(theta)):
            assert_allclose(of_cluster, of_memory, rtol=1e-8, atol=1e-10 * np.abs(of_memory).max())
        # At another theta, of which nothing is kept.
        for arrays in zip(full_batch.parameters(theta + 0)[:2], expected.parameters(theta)[:2]):
            for of_cluster, of_memory in zip(*arrays):
                assert_allclose(of_cluster, of_memory, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind, n_partitions", [("dense", 1), ("sparse", 2), ("dense", 7), ("sparse", 20)])
def test_fits_are_those_in_memory(client, tables, rng, kind, n_partitions):
    X, w = tables[kind], rng.uniform(0.5, 2, size=600)
    model = on_cluster().fit(partitioned(X, n_partitions), sample_weight=w)
    assert_same_fit(model, in_memory().fit(X, sample_weight=w))


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_layer_sizes": (8,), "pretrain": "layerwise"},
        {"output_activation": "logistic", "tied_weights": True},
        {"code_activation": "identity", "beta": 0},
    ],
    ids=lambda parameters: ", ".join(parameters),
)
def test_fits_of_other_networks(client, blobs, parameters):
    X = (blobs - blobs.min()) / np.ptp(blobs) if "output_activation" in parameters else blobs
    expected = in_memory(**parameters).fit(X)
    model = on_cluster(**parameters).fit(partitioned(X, 3))
    assert_same_fit(model, expected)
    for curve, expected_curve in zip(model.pretraining_loss_curves_, expected.pretraining_loss_curves_):
        assert_allclose(curve["loss"], expected_curve["loss"], rtol=1e-8)


def test_float32_is_trained_in_float32(client, blobs):
    X = blobs.astype(np.float32)
    model = on_cluster().fit(partitioned(X, 3))
    assert {array.dtype for array in model.coefs_ + model.intercepts_} == {X.dtype}
    assert_allclose(model.loss_, in_memory().fit(X).loss_, rtol=1e-4)


def test_weights_of_zero_leave_rows_out(client, blobs):
    w = np.r_[np.zeros(200), np.linspace(0.5, 2, 400)]
    model = on_cluster().fit(partitioned(blobs, 4), sample_weight=w)
    assert_same_fit(model, in_memory().fit(blobs, sample_weight=w))


@pytest.mark.parametrize("n_tables", [0, 1.5, 100])
def test_what_the_workers_have_no_memory_for_is_computed_again(client, blobs, monkeypatch, n_tables):
    # Kept are nothing, the data without the outputs of the layers, and both.
    monkeypatch.setattr(_graph, "_KEPT_SHARE", 1.0)
    monkeypatch.setattr(_graph, "memory_of_workers", lambda dask_scheduler: n_tables * blobs.nbytes)
    kept, reserve = [], _graph.Cluster.reserve

    def watched(cluster, owner, n_bytes):
        granted = reserve(cluster, owner, n_bytes)
        kept.append((type(owner).__name__, granted))
        return granted

    monkeypatch.setattr(_graph.Cluster, "reserve", watched)
    hidden = {"hidden_layer_sizes": (20,)}
    assert_same_fit(on_cluster(**hidden).fit(partitioned(blobs, 3)), in_memory(**hidden).fit(blobs))
    granted = {("PartitionedData", n_tables > 0), ("PartitionedLoss", n_tables > 2)}
    assert set(kept) == granted


def test_memory_is_given_back(client):
    class Owner:
        pass

    cluster, owners = _graph.Cluster(client), [Owner(), Owner()]
    cluster._room = 10
    assert cluster.reserve(owners[0], 6)
    assert not cluster.reserve(owners[1], 6)
    del owners[0]
    assert cluster.reserve(owners[0], 6)


def test_auto_is_exact_however_many_rows_there_are(client, blobs, monkeypatch):
    monkeypatch.setattr(_plan, "_AUTO_ROWS", 100)
    monkeypatch.setattr(_plan, "_AUTO_UNITS", 2)
    for hidden_layer_sizes in ((), (8,)):
        parameters = {"hidden_layer_sizes": hidden_layer_sizes}
        expected = in_memory(solver="lbfgs", **parameters).fit(blobs)
        assert_same_fit(on_cluster(**parameters).fit(partitioned(blobs, 3)), expected)


def test_warm_start_goes_on(client, blobs):
    expected = in_memory().fit(blobs).set_params(warm_start=True).fit(blobs)
    X = partitioned(blobs, 3)
    assert_same_fit(on_cluster().fit(X).set_params(warm_start=True).fit(X), expected)


def test_verbose(client, blobs, capsys):
    on_cluster(verbose=2).fit(partitioned(blobs, 2))
    assert capsys.readouterr().out.startswith("[DaskSparseAutoencoderTransformer] iteration 1: J = ")


# Adam by local steps


def moments(state):
    return state.x, state.first_moment, state.second_moment


def test_an_epoch_is_the_average_of_an_epoch_on_every_partition(client, blobs):
    options = TrainingOptions(**HYPERPARAMETERS, batch_size=50, learning_rate_init=0.01)
    objective = SparseAutoencoderObjective(network(), **HYPERPARAMETERS)
    w = np.linspace(0.5, 1.5, 600)
    theta = np.random.RandomState(0).normal(scale=0.3, size=objective.layout.size)
    table = partitioned(blobs, 3)
    ends = np.cumsum(table.chunks[0])
    largest = -(-max(table.chunks[0]) // 50)

    epochs = PartitionedData.load(client, table, w).iterations(
        objective, AdamState.start(theta), options, np.random.RandomState(7), max_iter=5
    )
    seeds = np.random.RandomState(7)
    state = AdamState.start(theta)
    for epoch in range(2):
        found, terms = next(epochs)
        shares, states, all_terms = [], [], []
        for stop, n_rows, seed in zip(ends, table.chunks[0], seeds.randint(np.iinfo(np.int32).max, size=3)):
            rows = slice(stop - n_rows, stop)
            data = DataInMemory(blobs[rows], w[rows] / w.mean(), Workers(1))
            own = AdamState(*map(np.copy, moments(state)), epoch * -(-n_rows // 50))
            own, own_terms = next(data.iterations(objective, own, options, np.random.RandomState(seed), max_iter=5))
            shares.append(w[rows].sum() / w.sum())
            states.append(own)
            all_terms.append(own_terms)
        means = [sum(share * array for share, array in zip(shares, arrays)) for arrays in zip(*map(moments, states))]
        state = AdamState(*means, (epoch + 1) * largest)
        mean_terms = np.average(all_terms, axis=0, weights=shares)
        for array, expected in zip((*moments(found), terms), (*means, mean_terms)):
            assert_allclose(array, expected, rtol=1e-9, atol=1e-12)
        assert found.n_steps == state.n_steps


def noisy(X, random_state):
    return X + random_state.normal(scale=0.1, size=X.shape)


@pytest.mark.parametrize("parameters", [{"corruption": 0.2}, {"augment": noisy}, {"solver": "adam"}])
def test_local_steps_come_near_the_exact_loss(client, blobs, parameters):
    parameters = parameters | {"max_iter": 20, "batch_size": 8}
    expected = in_memory(**parameters).fit(blobs)
    model = on_cluster(**parameters).fit(partitioned(blobs, 3))
    assert model.n_iter_ == 20
    assert model.loss_ < expected.loss_ + 0.25 * (expected.loss_curve_["loss"][0] - expected.loss_)


def test_partitions_of_a_few_rows_more_than_batches_learn_as_well(client, blobs):
    options = {"solver": "adam", "max_iter": 30, "batch_size": 100}
    even, *odd = (
        on_cluster(**options).fit(da.from_array(blobs, chunks=(n_rows, -1))).loss_ for n_rows in (200, 201, 203)
    )
    assert max(odd) < 1.02 * even


def test_on_a_cluster_small_data_have_no_more_epochs(client, blobs):
    assert on_cluster(solver="adam", max_iter=None).fit(da.from_array(blobs, chunks=(300, -1))).n_iter_ == 20


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_the_variance_of_partitions_is_that_in_memory(client, tables, rng, kind):
    X, w = 5 + tables[kind] if kind == "dense" else tables[kind], rng.uniform(0.5, 2, size=600)
    for weights in (None, w / w.mean()):
        data = PartitionedData.load(client, partitioned(X, 7), weights)
        assert_allclose(data.total_variance, DataInMemory(X, weights, Workers(1)).total_variance, rtol=1e-10)


@pytest.mark.filterwarnings("default::skdeepcluster.exceptions.TrivialReconstructionWarning")
def test_a_reconstruction_no_better_than_the_mean_row_is_named(client, blobs):
    with pytest.warns(TrivialReconstructionWarning):
        on_cluster(solver="adam", max_iter=1, learning_rate_init=1e-9).fit(da.from_array(blobs, chunks=(200, -1)))


def test_one_estimator_is_fitted_once_at_a_time(client, blobs, monkeypatch):
    model, load, errors = on_cluster(), PartitionedData.load, []

    def load_and_fit_again(*arguments):
        def fit_again():
            with pytest.raises(RuntimeError, match="This DaskSparseAutoencoderTransformer is being fitted") as caught:
                model.fit(partitioned(blobs, 2))
            errors.append(str(caught.value))

        fit_again()
        thread = Thread(target=fit_again)
        thread.start()
        thread.join()
        return load(*arguments)

    expected = on_cluster().fit(partitioned(blobs, 3))
    monkeypatch.setattr(PartitionedData, "load", load_and_fit_again)
    model.fit(partitioned(blobs, 3))
    assert "from within" in errors[0]
    assert "by another thread" in errors[1]
    assert_array_equal(model.coefs_[0], expected.coefs_[0])
    monkeypatch.undo()
    model.fit(partitioned(blobs, 3))


def test_rows_are_held_out_of_every_partition(client, blobs):
    parameters = {"early_stopping": True, "validation_fraction": 0.2, "max_iter": 20, "n_iter_no_change": 3}
    model = on_cluster(**parameters).fit(partitioned(blobs, 4))
    assert len(model.validation_scores_) == model.n_iter_
    assert_allclose(max(model.validation_scores_), in_memory(**parameters).fit(blobs).validation_scores_[-1], rtol=0.2)
    with pytest.raises(ValueError, match=r"validation_fraction=0.001 .* not one of the \d+ of the largest"):
        on_cluster(early_stopping=True, validation_fraction=0.001).fit(partitioned(blobs, 4))


def test_held_out_rows_are_the_others(client, blobs):
    data = PartitionedData.load(client, partitioned(blobs, 3), np.linspace(1, 2, 600))
    parts = data.hold_out(0.25, np.random.RandomState(0))
    rows = [np.vstack([block.X for block in client.gather(client.compute(list(part._blocks)))]) for part in parts]
    assert_array_equal(np.sort(np.vstack(rows), axis=0), np.sort(blobs, axis=0))
    assert len(rows[1]) == sum(int(0.25 * n) for n in partitioned(blobs, 3).chunks[0])
    for part in parts:
        blocks = client.gather(client.compute(list(part._blocks)))
        assert_allclose(np.mean(np.concatenate([block.sample_weight for block in blocks])), 1)


# With others


def test_callbacks(client, blobs, tmp_path):
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
    recorder = Recorder()
    table = partitioned(blobs, 2)
    on_cluster().set_callbacks(recorder).fit(table)
    assert recorder.events.count("end iteration") == 3
    assert recorder.arguments[0][0] is table
    failing = Recorder(raise_at=2)
    with pytest.raises(RuntimeError):
        on_cluster().set_callbacks(failing).fit(table)
    assert failing.events[-1] == "teardown"
    with pytest.raises(TypeError, match=r"Checkpoint reads all of the data .* not on a cluster"):
        on_cluster().set_callbacks(Checkpoint(tmp_path / "fit.checkpoint")).fit(table)


def test_codes_stay_on_the_cluster_whatever_the_output(client, blobs):
    model = on_cluster().fit(partitioned(blobs, 2))
    assert not hasattr(model, "set_output")
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(model.transform(partitioned(blobs, 2)), da.Array)


def test_pickled(client, blobs):
    model = on_cluster().fit(partitioned(blobs, 2))
    assert_array_equal(pickle.loads(pickle.dumps(model)).transform(blobs), model.transform(blobs))


def test_to_local(client, blobs):
    model = on_cluster().fit(partitioned(blobs, 3))
    local = model.to_local()
    assert type(local) is SparseAutoencoderTransformer
    assert local.get_params() == model.get_params()
    assert_array_equal(local.transform(blobs), model.transform(blobs))
    assert_allclose(local.loss_, in_memory().fit(blobs).loss_, rtol=1e-8)
    local.partial_fit(blobs)
    assert not hasattr(clone(model), "partial_fit")


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning")
def test_searches_on_a_cluster(client, blobs):
    model = make_pipeline(in_memory(max_iter=2), KMeans(6, n_init=1, random_state=0))
    grid = {"sparseautoencodertransformer__rho": [0.1, 0.5]}
    searches = [
        GridSearchCV(in_memory(max_iter=2), {"rho": [0.1, 0.5]}, cv=2),
        ClusteringSearch(model, grid, random_state=0),
    ]
    for search in searches:
        expected = clone(search).fit(blobs)
        with joblib.parallel_config("dask"):
            search.fit(blobs)
        name = "mean_test_score" if isinstance(search, GridSearchCV) else "score"
        assert_allclose(search.cv_results_[name], expected.cv_results_[name])


def test_neighbours_are_not_looked_for_on_a_cluster(client, blobs):
    message = r"n_neighbors=5 looks for the nearest rows of all, .* fit a SparseAutoencoderTransformer to a sample"
    with pytest.raises(ValueError, match=message):
        on_cluster(n_neighbors=5).fit(partitioned(blobs, 2))


def test_a_fitted_one_is_exported_as_the_local_one(client, blobs):
    onnx = pytest.importorskip("skdeepcluster.onnx")
    model = DaskSparseAutoencoderTransformer(**QUICK).fit(da.from_array(blobs, chunks=(50, -1)))
    assert [result.name for result in onnx.to_onnx(model, blobs[:1]).graph.output] == ["code"]


def test_without_dask():
    code = """
import sys
sys.modules["dask"] = sys.modules["distributed"] = None
import skdeepcluster
try:
    import skdeepcluster.dask
except ImportError as error:
    print(error)
"""
    assert "pip install 'skdeepcluster[dask]'" in output_of(code)


def test_moments_of_parts_are_those_of_the_whole(rng):
    X, w = rng.normal(5, size=(90, 3)), rng.uniform(size=90)
    parts = [
        (w[rows].sum(), *(np.average(v, axis=0, weights=w[rows]) for v in (X[rows], (X[rows] - mean) ** 2)))
        for rows in (slice(0, 10), slice(10, 90))
        for mean in [np.average(X[rows], axis=0, weights=w[rows])]
    ]
    weight, mean, variance = _tasks.merged_moments(parts)
    assert_allclose(mean, np.average(X, axis=0, weights=w))
    assert_allclose(variance, np.average((X - mean) ** 2, axis=0, weights=w))
    assert_allclose(weight, w.sum())
