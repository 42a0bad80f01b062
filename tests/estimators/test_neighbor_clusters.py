"""What neighbours in the objective are for, and where they come from: clusters, graphs, searches; what cannot be."""

import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.data import mapped
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import DataInMemory, _mapped, _memory, _neighbors
from skdeepcluster._support._threads import Workers
from skdeepcluster._training import AutoencoderFit, TrainingOptions, network_of
from skdeepcluster._training._plan import plan_stages
from skdeepcluster.exceptions import CollapsedCodeWarning, TrivialReconstructionWarning
from skdeepcluster.model_selection import ClusteringSearch, estimate_eps

pytestmark = FEW_ITERATIONS

make = partial(SparseAutoencoderTransformer, 4, n_neighbors=5, max_iter=3, batch_size=64, random_state=0)


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:200]


# Clusters


@pytest.fixture(scope="module")
def code_of_digits(digits):
    autoencoder = SparseAutoencoderTransformer(
        32, hidden_layer_sizes=64, rho=0.2, n_neighbors=15, learning_rate_init=0.01, random_state=0
    )
    return autoencoder.fit_transform(digits[0])


@pytest.mark.parametrize(
    "cluster",
    [
        KMeans(10, n_init=10, random_state=0).fit_predict,
        AgglomerativeClustering(10, linkage="average").fit_predict,
        lambda Z: DBSCAN(estimate_eps(Z, 10).eps, min_samples=10).fit_predict(Z),
        HDBSCAN(min_cluster_size=30, min_samples=10, copy=True).fit_predict,
    ],
    ids=["KMeans", "average linkage", "DBSCAN at the knee", "HDBSCAN"],
)
def test_clusterers_of_every_kind_find_digits_in_their_code(digits, code_of_digits, cluster):
    X, y = digits
    in_pixels, in_code = (adjusted_rand_score(y, cluster(Z)) for Z in (X, code_of_digits))
    assert in_code > 0.6
    assert in_code > in_pixels + 0.1


@pytest.mark.parametrize("options", [{}, {"code_activation": "identity", "beta": 0}], ids=["logistic", "identity"])
def test_hdbscan_finds_clusters_in_a_code_that_noise_hides_in_the_data(options):
    rng, y = np.random.RandomState(0), np.arange(500) % 5
    X = np.hstack([6 * np.eye(5)[y] + rng.normal(size=(500, 5)), rng.normal(size=(500, 10))])
    X = StandardScaler().fit_transform(X)
    model = SparseAutoencoderTransformer(8, hidden_layer_sizes=32, n_neighbors=10, random_state=0, **options).fit(X)
    without = clone(model).set_params(n_neighbors=None).fit(X)
    in_data, in_code, in_other = (
        adjusted_rand_score(y, HDBSCAN(min_cluster_size=20, copy=True).fit_predict(Z))
        for Z in (X, model.transform(X), without.transform(X))
    )
    assert in_code > 0.9
    assert in_data < 0.2
    assert in_other < 0.8


# Graphs


def test_another_way_to_the_same_graph_is_the_same_fit(X):
    own, other = (make(neighbors_transformer=t).fit(X) for t in (None, KNeighborsTransformer(algorithm="kd_tree")))
    assert_array_equal(own.coefs_[0], other.coefs_[0])
    assert own.loss_ == other.loss_


def test_a_graph_of_cosines_is_another(X):
    lengths = np.linspace(0.1, 3, len(X))[:, np.newaxis]
    own, other, euclidean = (
        make(**options).fit(lengths * X)
        for options in (
            {"metric": "cosine"},
            {"neighbors_transformer": KNeighborsTransformer(metric="cosine")},
            {},
        )
    )
    assert_array_equal(own.coefs_[0], other.coefs_[0])
    assert not np.array_equal(own.coefs_[0], euclidean.coefs_[0])


class Noted(KNeighborsTransformer):
    """Notes what it is fitted to."""

    seen = []

    def fit_transform(self, X, y=None):
        self.seen.append((self.n_neighbors, X))
        return super().fit_transform(X)


@pytest.fixture
def seen():
    Noted.seen.clear()
    return Noted.seen


def test_a_transformer_is_fitted_to_the_rows_that_are_trained_on(X, seen):
    w = np.where(np.arange(200) % 4, 1.0, 0.0)
    make(neighbors_transformer=Noted(n_neighbors=2)).fit(X, sample_weight=w)
    (n_neighbors, rows), *others = seen
    assert (n_neighbors, others) == (5, [])
    assert_array_equal(rows, X[w > 0])


def test_a_transformer_sees_the_rows_of_each_fold(X, seen):
    model = make_pipeline(StandardScaler(), make(neighbors_transformer=Noted()))
    grid = {"sparseautoencodertransformer__n_neighbors": [3, 7]}
    GridSearchCV(model, grid, cv=2, refit=False).fit(X)
    assert [(n_neighbors, len(rows)) for n_neighbors, rows in seen] == [(3, 100), (3, 100), (7, 100), (7, 100)]
    assert_allclose(np.mean(seen[0][1], axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("copied_bytes", [0, 2**27])
def test_a_transformer_sees_the_parts_of_early_stopping_in_every_container(
    X, tmp_path, monkeypatch, seen, copied_bytes
):
    monkeypatch.setattr(_memory, "_COPIED_BYTES", copied_bytes)
    model = make(early_stopping=True, validation_fraction=0.3, neighbors_transformer=Noted())
    fits = [clone(model).fit(data) for data in (X, mapped(X, tmp_path / "X.f8"))]
    assert_array_equal(fits[0].coefs_[0], fits[1].coefs_[0])
    assert [rows.shape for _, rows in seen] == [(140, 15), (60, 15)] * 2
    assert fits[0].validation_scores_ == fits[1].validation_scores_


def test_a_transformer_of_its_own_parameters(X):
    nearest = make_pipeline("passthrough", KNeighborsTransformer(n_neighbors=5))
    own = make(neighbors_transformer=nearest).fit(X)
    assert_array_equal(own.coefs_[0], make().fit(X).coefs_[0])
    own.set_params(n_neighbors=8)
    with pytest.raises(ValueError, match=r"(?s)neighbors_transformer=Pipeline\(.* found 5 neighbours of a row"):
        own.fit(X)


def test_the_graph_of_a_mapped_file_takes_little_memory(rng, tmp_path, monkeypatch):
    rows = rng.normal(size=(8000, 600)).astype(np.float32)
    in_file = mapped(rows, tmp_path / "X.f4")
    for module, name, value in (
        (_memory, "_COPIED_BYTES", 0),
        (_mapped, "_MAPPED_BYTES", 2**20),
        (_neighbors, "_N_PCA_ROWS", 500),
        (_neighbors, "_BLOCK_COLUMNS", 500),
    ):
        monkeypatch.setattr(module, name, value)
    model = make(max_iter=1, batch_size=256)
    model.fit(in_file[:500])
    tracemalloc.start()
    try:
        model.fit(in_file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # What has to be there for all rows are 50 coordinates, some of them twice, and the graph.
    assert peak < 0.8 * rows.nbytes
    assert_array_equal(model.coefs_[0], clone(model).fit(rows).coefs_[0])


# scikit-learn


def test_searches_over_the_number_of_neighbours(X):
    search = GridSearchCV(make(), {"n_neighbors": [None, 4], "neighbor_weight": [0.5, 2.0]}, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    # Without neighbours their weight is nothing.
    assert len(set(search.cv_results_["mean_test_score"])) == 3
    model = make_pipeline(StandardScaler(), make(), KMeans(6, n_init=2))
    grid = {"sparseautoencodertransformer__n_neighbors": [None, 5], "kmeans__n_clusters": [5, 6]}
    search = ClusteringSearch(model, grid, random_state=0).fit(X)
    assert len(set(search.cv_results_["score"])) == 4


def test_outputs_can_be_frames(X):
    model = make().set_output(transform="pandas")
    code = model.fit_transform(pd.DataFrame(X, columns=[f"x{i}" for i in range(15)]))
    assert list(code.columns) == [f"sparseautoencodertransformer{i}" for i in range(4)]
    assert_array_equal(code.to_numpy(), make().fit_transform(X))


def test_parameters_are_shown_and_cloned():
    model = make(metric="cosine", neighbor_weight=2, neighbors_transformer=KNeighborsTransformer())
    assert "neighbor_weight=2" in repr(model)
    copy = clone(model)
    assert copy.neighbors_transformer is not model.neighbors_transformer
    assert copy.get_params()["neighbors_transformer__n_neighbors"] == 5


# What cannot be


@pytest.mark.parametrize(
    "parameters, message",
    [
        (
            {"solver": "lbfgs"},
            r"n_neighbors=5 compares the rows of a batch, and solver='lbfgs' has no .* solver='adam'",
        ),
        ({"n_neighbors": 200}, r"n_neighbors=200 asks for more .* n_samples=200 .* Lower n_neighbors"),
        ({"n_neighbors": 10**20}, "n_neighbors=100000000000000000000 asks for more"),
        ({"batch_size": 11}, "batch_size=11 has no room for two groups of 6 .* Set batch_size=12 or more"),
        ({"n_neighbors": 30, "batch_size": 15}, "batch_size=15 has no room for two groups of 8 .* batch_size=16"),
        ({"n_neighbors": 0}, "The 'n_neighbors' parameter"),
        ({"neighbor_weight": 0}, "The 'neighbor_weight' parameter"),
        ({"metric": "manhattan"}, "The 'metric' parameter"),
        ({"neighbors_transformer": KMeans}, "Got|Cannot clone"),
        ({"neighbors_transformer": StandardScaler()}, r"neighbors_transformer=StandardScaler\(\) made ndarray"),
    ],
    ids=str,
)
def test_what_cannot_be_is_explained_and_changes_nothing(X, parameters, message):
    model = make().fit(X)
    before = dict(vars(model))
    model.set_params(**parameters)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X)
    model.set_params(**{name: before[name] for name in parameters})
    assert vars(model) == before


def test_rows_of_weight_zero_are_no_neighbours(X):
    w = np.zeros(200)
    w[:6] = 1
    make(batch_size=None).fit(X, sample_weight=w)
    w[0] = 0
    with pytest.raises(ValueError, match=r"n_neighbors=5 .* n_samples=5 rows"):
        make(batch_size=None).fit(X, sample_weight=w)


@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning")
@pytest.mark.parametrize("dtype, scale", [(np.float32, 1e30), (np.float64, 1e200)])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_huge_rows_are_explained(X, dtype, scale, container):
    rows = container((scale * np.hstack([X] * 4)).astype(dtype))
    for options in ({}, {"metric": "cosine"}):
        with pytest.raises(ValueError, match=r"The loss stopped being finite .* standardise it"):
            make(code_activation="identity", beta=0, **options).fit(rows)


@pytest.mark.parametrize("batch_size", [256, 10**20])
def test_the_step_goes_by_the_square_root_of_batches_up_to_1024_rows(X, batch_size):
    def fitted(**options):
        return SparseAutoencoderTransformer(4, n_neighbors=5, max_iter=2, random_state=0, **options).fit(X)

    step = 0.01 * np.sqrt(min(batch_size, 1024) / 1024)
    assert_array_equal(
        fitted(batch_size=batch_size).coefs_[0], fitted(batch_size=batch_size, learning_rate_init=step).coefs_[0]
    )


@pytest.mark.parametrize(
    "n_rows, batch_size, n_epochs",
    [(500, 256, 400), (2000, 256, 100), (19_999, 256, 60), (20_000, 1024, 100), (70_000, 1024, 30)],
)
def test_the_plan_goes_by_the_number_of_rows(n_rows, batch_size, n_epochs):
    model = SparseAutoencoderTransformer(4, n_neighbors=5)
    options = TrainingOptions.of(model, n_rows)
    assert options.batch_size == batch_size
    data = DataInMemory(np.zeros((n_rows, 2)), None, None)
    (stage,) = plan_stages(network_of(model, 2), data, options, pretrain=False, warm=False)
    assert (stage.max_iter, stage.tol) == (n_epochs, 0)


def test_an_epoch_has_the_batches_of_the_rows_that_are_not_held_out(X):
    model = make(early_stopping=True, validation_fraction=0.5, max_iter=2).fit(X)
    assert model._adam is None
    fit = AutoencoderFit.of(model, DataInMemory(X, None, Workers(1)))
    assert fit.stages[0].n_batches == fit.data.n_batches(64) == 2


def test_batches_may_be_as_large_as_you_like(X):
    huge, large = (make(batch_size=n_rows).fit(X) for n_rows in (10**400, 10**5))
    assert_array_equal(huge.transform(X), large.transform(X))


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("value", [0.0, 1.0])
# Rows of zeros are far from standardised.
@pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning")
def test_rows_that_are_all_the_same_have_neighbours(container, metric, value):
    rows = container(np.full((80, 60), value))
    with pytest.warns(CollapsedCodeWarning):
        make(metric=metric).fit(rows)


def test_remedies_know_the_neighbours(rng):
    X = rng.normal(size=(100, 8))
    with pytest.warns(
        TrivialReconstructionWarning, match=r"larger max_iter; .* lower neighbor_weight=1000\.0; lower lam=0.001;"
    ):
        make(neighbor_weight=1000.0).fit(X)
