"""Joint deep clustering as an estimator."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import rel_entr
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skdeepcluster import SparseAutoencoderTransformer, clustering
from skdeepcluster._initial_clusters import InitialClusters
from skdeepcluster._joint_training import degenerate_clusters
from skdeepcluster._objectives import EmbeddedClusteringObjective
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import DegenerateClusteringWarning, InputScaleWarning, InterruptedFitWarning
from skdeepcluster.metrics import make_clustering_scorer
from skdeepcluster.model_selection import ClusteringSearch

ENCODER = SparseAutoencoderTransformer(
    4, hidden_layer_sizes=20, code_activation="identity", beta=0, solver="adam", max_iter=100, random_state=0
)
QUICK = {"max_iter": 4, "update_interval": 10, "n_init": 2, "random_state": 0}


@pytest.fixture(scope="module")
def frozen(blobs):
    return FrozenEstimator(clone(ENCODER).fit(blobs))


@pytest.fixture(scope="module")
def fitted(blobs, frozen):
    return DeepEmbeddedClustering(6, encoder=frozen, **QUICK).fit(blobs)


def attributes_of(model):
    return [*model.coefs_, *model.intercepts_, model.cluster_centers_, model.labels_, model.loss_curve_]


# What fit finds


def test_blobs_are_found(blobs):
    truth = KMeans(6, n_init=10, random_state=0).fit_predict(blobs)
    model = DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK).fit(blobs)
    assert adjusted_rand_score(truth, model.labels_) > 0.95


def test_labels_are_the_nearest_centres_in_the_code(blobs, fitted):
    code = fitted.transform(blobs)
    distances = ((code[:, np.newaxis] - fitted.cluster_centers_) ** 2).sum(axis=2)
    assert_array_equal(fitted.labels_, distances.argmin(axis=1))
    assert_array_equal(fitted.predict(blobs), fitted.labels_)
    assert_array_equal(clone(fitted).fit_predict(blobs), fitted.labels_)


def test_probabilities_by_definition(blobs, frozen):
    model = DeepEmbeddedClustering(6, encoder=frozen, alpha=2.0, **QUICK).fit(blobs)
    squares = ((model.transform(blobs)[:, np.newaxis] - model.cluster_centers_) ** 2).sum(axis=2)
    similarities = (1 + squares / (2 * model.distance_unit_**2)) ** -1.5
    assert_allclose(model.predict_proba(blobs), similarities / similarities.sum(axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("reconstruction_weight", [0.0, 1.0, 2.0])
def test_loss_by_definition(blobs, frozen, reconstruction_weight):
    X = 2 * blobs
    model = DeepEmbeddedClustering(
        6, encoder=frozen, gamma=0.3, reconstruction_weight=reconstruction_weight, **QUICK
    ).fit(X)
    Q = model.predict_proba(X)
    P = Q**2 / Q.sum(axis=0)
    P /= P.sum(axis=1, keepdims=True)
    n, d = X.shape
    expected = 0.3 * X.var(axis=0).sum() / 2 * rel_entr(P, Q).sum() / n
    decay = frozen.lam / 2 * sum((W**2).sum() for W in model.coefs_)
    expected += reconstruction_weight * (-model.score(X) * d / 2 + decay)
    assert_allclose(model.loss_, expected, rtol=1e-8)


@pytest.mark.parametrize("init", ["kmeans", "gaussian_mixture"])
def test_weighted_loss_by_definition(blobs, frozen, init):
    X, w = 2 * blobs, np.where(np.arange(600) % 3, 0.5, 4.0)
    parameters = QUICK | {"learning_rate_init": 1e-12, "max_iter": 1, "reconstruction_weight": 0, "init": init}
    model = DeepEmbeddedClustering(6, encoder=frozen, gamma=0.3, **parameters).fit(X, sample_weight=w)
    w = w / w.mean()
    Q = model.predict_proba(X)
    P = Q**2 / (w @ Q)
    P /= P.sum(axis=1, keepdims=True)
    V = w @ ((X - w @ X / 600) ** 2).sum(axis=1) / 600 / 2
    assert_allclose(model.loss_, 0.3 * V * (w @ rel_entr(P, Q).sum(axis=1)) / 600, rtol=1e-8)
    squares = ((model.transform(X) - model.cluster_centers_[model.initial_labels_]) ** 2).sum(axis=1)
    assert_allclose(model.distance_unit_, 0.1 * np.sqrt(w @ squares / 600), rtol=1e-6)
    if init == "kmeans":
        # Batches of rows that are drawn once have the same mean as all rows.
        parameters |= {"batch_size": 200, "update_interval": 3}
        batches = DeepEmbeddedClustering(6, encoder=frozen, gamma=0.3, **parameters).fit(X, sample_weight=w)
        assert_allclose(batches.loss_curve_["clustering"][0], model.loss_, rtol=1e-6)


def test_the_curve_has_the_terms_of_j(blobs, frozen):
    model = DeepEmbeddedClustering(6, encoder=frozen, tol=0, **QUICK).fit(blobs)
    curve = model.loss_curve_
    assert curve.dtype.names == ("loss", "reconstruction", "weight_decay", "sparsity", "clustering")
    terms = [curve[name] for name in curve.dtype.names[1:]]
    assert_allclose(curve["loss"], np.sum(terms, axis=0), rtol=1e-12)
    assert model.n_iter_ == len(curve) == len(model.label_change_) == QUICK["max_iter"]
    assert (curve["clustering"] > 0).all()


def test_scaling_the_weights_of_j_scales_j_and_nothing_else(blobs, frozen):
    models = [
        DeepEmbeddedClustering(6, encoder=frozen, gamma=factor * 0.1, reconstruction_weight=factor, **QUICK).fit(blobs)
        for factor in (1, 4)
    ]
    assert_allclose(models[1].loss_, 4 * models[0].loss_, rtol=1e-12)
    assert_allclose(models[1].loss_curve_["loss"], 4 * models[0].loss_curve_["loss"], rtol=1e-12)
    assert_allclose(models[1].cluster_centers_, models[0].cluster_centers_, rtol=1e-12)


def test_dec_makes_the_assignments_more_certain(blobs, frozen):
    parameters = QUICK | {"reconstruction_weight": 0, "tol": 0, "update_interval": 50}
    model = DeepEmbeddedClustering(6, encoder=frozen, **parameters).fit(blobs)
    start = DeepEmbeddedClustering(6, encoder=frozen, **(parameters | {"learning_rate_init": 1e-12})).fit(blobs)
    certainty, before = (fit.predict_proba(blobs).max(axis=1).mean() for fit in (model, start))
    assert certainty > before + 0.005
    for name in ("reconstruction", "weight_decay", "sparsity"):
        assert_array_equal(model.loss_curve_[name], 0)


@pytest.mark.parametrize("tied", [False, True])
def test_dec_leaves_the_decoder_alone(blobs, tied):
    encoder = clone(ENCODER).set_params(tied_weights=tied)
    model = DeepEmbeddedClustering(6, encoder=encoder, reconstruction_weight=0, **QUICK).fit(blobs)
    before, after = model.encoder_, model
    assert np.abs(after.coefs_[0] - before.coefs_[0]).max() > 1e-4
    for b, b_before in zip(after.intercepts_[2:], before.intercepts_[2:]):
        assert_array_equal(b, b_before)
    for W, W_before in zip(after.coefs_[2:], before.coefs_[2:]):
        assert np.array_equal(W, W_before) is not tied


def test_it_stops_when_few_labels_change(blobs, frozen):
    parameters = QUICK | {"max_iter": 50, "tol": 0.5}
    assert DeepEmbeddedClustering(6, encoder=frozen, **parameters).fit(blobs).n_iter_ == 1


@pytest.mark.parametrize("batch_size, n_batches", [(256, 140), (2, 300)])
def test_an_iteration_has_140_batches_or_an_epoch(blobs, frozen, monkeypatch, batch_size, n_batches):
    seen = []
    prepare = EmbeddedClusteringObjective.prepare
    monkeypatch.setattr(
        EmbeddedClusteringObjective, "prepare", lambda *arguments: seen.append(1) or prepare(*arguments)
    )
    parameters = QUICK | {"update_interval": None, "max_iter": 1, "batch_size": batch_size}
    DeepEmbeddedClustering(6, encoder=frozen, **parameters).fit(blobs)
    blocks_per_batch = 2 if batch_size == 256 else 1
    # The last batch of an epoch of 600 rows has 88 of them, a block by itself.
    n_small = n_batches // 3 if batch_size == 256 else 0
    assert len(seen) == blocks_per_batch * n_batches - n_small


def test_label_change_is_the_share_of_rows_that_moved(blobs, frozen):
    parameters = QUICK | {"update_interval": 30, "max_iter": 1, "init": "kmeans"}
    start, model = (
        DeepEmbeddedClustering(7, encoder=frozen, learning_rate_init=step, **parameters).fit(blobs)
        for step in (1e-12, 0.01)
    )
    assert_array_equal(start.label_change_, [0])
    assert_allclose(model.label_change_, [np.mean(start.labels_ != model.labels_)])
    assert model.label_change_[0] > 0


def test_the_start_is_kmeans_or_a_mixture_on_the_code(blobs, frozen, fitted):
    code = frozen.transform(blobs)
    kmeans = KMeans(6, n_init=2, random_state=0).fit_predict(code)
    mixture = GaussianMixture(6, n_init=2, random_state=0).fit_predict(code)
    started = DeepEmbeddedClustering(6, encoder=frozen, init="kmeans", **QUICK).fit(blobs)
    assert adjusted_rand_score(kmeans, started.initial_labels_) > 0.99
    assert adjusted_rand_score(mixture, fitted.initial_labels_) > 0.99


# Encoders


def test_a_frozen_encoder_is_used_and_not_changed(blobs, frozen, fitted):
    assert fitted.encoder_ is frozen.estimator
    fresh = clone(ENCODER).fit(blobs)
    for W, W_fresh, refined in zip(frozen.coefs_, fresh.coefs_, fitted.coefs_):
        assert_array_equal(W, W_fresh)
        assert not np.array_equal(W, refined)


def test_the_first_targets_are_the_probabilities_of_the_mixture(blobs, frozen, monkeypatch):
    targets = np.random.RandomState(0).dirichlet(np.ones(6), size=600)
    centers = frozen.transform(blobs)[:6]
    parameters = QUICK | {"learning_rate_init": 1e-12, "update_interval": 3, "max_iter": 1, "reconstruction_weight": 0}
    divergence = []
    for given in (targets, None):
        monkeypatch.setattr(
            DeepEmbeddedClustering,
            "_cluster_code",
            lambda *args, given=given: InitialClusters(np.zeros(600, int), centers, given, 10.0),
        )
        model = DeepEmbeddedClustering(6, encoder=frozen, gamma=1.0, batch_size=200, **parameters).fit(blobs)
        divergence.append(model.loss_curve_["clustering"][0])
    Q = model.predict_proba(blobs)
    assert_allclose(divergence[0], blobs.var(axis=0).sum() / 2 * rel_entr(targets, Q).sum() / 600, rtol=1e-6)
    assert_allclose(divergence[1], model.loss_, rtol=1e-6)


def test_the_noise_of_the_encoder_goes_on(blobs, frozen):
    noisy = clone(frozen.estimator).fit(blobs).set_params(corruption=0.3)
    models = [
        DeepEmbeddedClustering(6, encoder=encoder, **QUICK).fit(blobs) for encoder in (frozen, FrozenEstimator(noisy))
    ]
    assert_array_equal(models[0].initial_labels_, models[1].initial_labels_)
    errors = [model.loss_curve_["reconstruction"][0] for model in models]
    assert errors[1] > 1.2 * errors[0]


def test_an_encoder_that_is_not_frozen_is_cloned_and_fitted(blobs, fitted):
    encoder = clone(ENCODER)
    model = DeepEmbeddedClustering(6, encoder=encoder, **QUICK).fit(blobs)
    assert not hasattr(encoder, "coefs_")
    assert_array_equal(model.encoder_.coefs_[0], fitted.encoder_.coefs_[0])


def test_random_state_reaches_an_encoder_that_has_none(blobs):
    encoder = clone(ENCODER).set_params(random_state=None)
    models = [DeepEmbeddedClustering(6, encoder=encoder, **QUICK).fit(blobs) for _ in range(2)]
    for a, b in zip(*map(attributes_of, models)):
        assert_array_equal(a, b)
    assert encoder.random_state is None


def test_the_default_encoder(blobs, monkeypatch):
    monkeypatch.setattr(clustering, "_DEFAULT_N_BATCHES", 300)
    model = DeepEmbeddedClustering(6, **QUICK).fit(blobs)
    assert model.encoder_._network.layer_sizes == (15, 256, 256, 8, 256, 256, 15)
    assert model.encoder_.n_iter_ == 100
    assert adjusted_rand_score(KMeans(6, n_init=10, random_state=0).fit_predict(blobs), model.labels_) > 0.95


def test_the_default_encoder_has_40_epochs_for_many_rows():
    assert clustering._default_encoder(10**6).max_iter == 40
    assert clustering._default_encoder(150).max_iter == 5000


def test_a_frozen_encoder_of_other_data_is_refused(blobs, frozen):
    with pytest.raises(ValueError, match="X has 3 features, but the frozen encoder was fitted to 15"):
        DeepEmbeddedClustering(6, encoder=frozen).fit(blobs[:, :3])


def test_a_frozen_encoder_that_is_no_autoencoder_is_refused(blobs):
    with pytest.raises(TypeError, match=r"encoder=.* must freeze a SparseAutoencoderTransformer"):
        DeepEmbeddedClustering(6, encoder=FrozenEstimator(StandardScaler().fit(blobs))).fit(blobs)


def test_a_frozen_encoder_does_not_hide_bad_values(blobs, frozen):
    X = np.array(blobs)
    X[3, 4] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        DeepEmbeddedClustering(6, encoder=frozen).fit(X)


# Kinds of data


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


# Conduct


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_result_does_not_depend_on_the_number_of_threads(blobs, dtype):
    # Products with layers of this width are shared among the threads of BLAS.
    encoder, fits = clone(ENCODER).set_params(hidden_layer_sizes=(256, 256), max_iter=5), []
    for n_threads in (1, 2):
        with threadpool_limits(limits=n_threads):
            fits.append(DeepEmbeddedClustering(6, encoder=encoder, **QUICK).fit(blobs.astype(dtype)))
    for a, b in zip(*map(attributes_of, fits)):
        assert_array_equal(a, b)


def test_a_failed_fit_changes_nothing(blobs, fitted):
    model = clone(fitted).fit(blobs)
    state = dict(vars(model))
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(blobs, np.nan))
    assert vars(model).keys() == state.keys()
    assert all(vars(model)[name] is value for name, value in state.items())


def test_more_clusters_than_rows(blobs):
    with pytest.raises(ValueError, match=r"n_clusters=8 asks for more clusters than .* n_samples=5"):
        DeepEmbeddedClustering(8).fit(blobs[:5])
    with pytest.raises(ValueError, match=r"n_clusters=8 asks for more clusters than .* n_samples=2"):
        DeepEmbeddedClustering(8).fit(blobs, sample_weight=np.r_[1, 1, np.zeros(598)])


def test_a_step_too_large_is_explained(blobs, frozen):
    model = DeepEmbeddedClustering(6, encoder=frozen, **(QUICK | {"learning_rate_init": 1e200}))
    with pytest.raises(ValueError, match=r"stopped being finite .* learning_rate_init=1e\+200"):
        model.fit(blobs)


def test_empty_and_merged_clusters_are_reported(blobs, frozen, monkeypatch):
    centers = frozen.transform(blobs)[:3]
    centers = np.vstack([centers, centers[:1], np.full((1, 4), 1e3)])
    monkeypatch.setattr(
        DeepEmbeddedClustering,
        "_cluster_code",
        lambda *args: InitialClusters(np.zeros(600, dtype=int), centers, None, 10.0),
    )
    model = DeepEmbeddedClustering(5, encoder=frozen, **(QUICK | {"learning_rate_init": 1e-12}))
    with pytest.warns(DegenerateClusteringWarning, match=r"Of 5 clusters .*\[3, 4\] have no rows.*\(0, 3\) coincide"):
        model.fit(blobs)


def test_clusters_that_all_fall_together_are_reported():
    assert degenerate_clusters(np.array([0, 1]), np.array([[0.0, 0.0], [1e-12, 0.0]]), 1.0) == ([], [(0, 1)])
    assert degenerate_clusters(np.array([0, 1]), np.array([[0.0], [0.2]]), 1.0) == ([], [])
    assert degenerate_clusters(np.array([0, 0]), np.array([[0.0], [0.2]]), 1.0) == ([1], [])
    assert degenerate_clusters(np.array([0]), np.array([[0.0]]), 1.0) == ([], [])


def test_an_overflow_in_the_very_last_step_is_explained(blobs, frozen):
    parameters = QUICK | {"learning_rate_init": 1e200, "max_iter": 1, "update_interval": 1}
    with pytest.raises(ValueError, match="stopped being finite"):
        DeepEmbeddedClustering(6, encoder=frozen, **parameters).fit(blobs)


def test_a_very_large_alpha_is_no_overflow(blobs, frozen):
    assert np.isfinite(DeepEmbeddedClustering(6, encoder=frozen, alpha=1e5, **QUICK).fit(blobs).loss_)


def test_alpha_is_that_of_the_fit(blobs, fitted):
    model = clone(fitted).fit(blobs)
    before = model.predict_proba(blobs)
    assert_array_equal(model.set_params(alpha=5.0).predict_proba(blobs), before)


def test_data_of_small_variance_train_dec_as_well(blobs):
    models = []
    for scale in (1.0, 1e-4):
        encoder = clone(ENCODER).set_params(max_iter=5).fit(blobs)
        encoder.coefs_[0] = encoder.coefs_[0] / scale
        model = DeepEmbeddedClustering(
            6, encoder=FrozenEstimator(encoder), reconstruction_weight=0, **(QUICK | {"max_iter": 1})
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputScaleWarning)
            models.append(model.fit(scale * blobs))
    moved = [np.abs(model.coefs_[1] - model.encoder_.coefs_[1]).max() for model in models]
    assert 0.5 < moved[1] / moved[0] < 2


@pytest.mark.parametrize("init", ["gaussian_mixture", "kmeans"])
def test_one_row(blobs, frozen, init):
    model = DeepEmbeddedClustering(1, encoder=frozen, init=init, **QUICK).fit(blobs[:1])
    assert_array_equal(model.labels_, [0])


def test_one_cluster(blobs):
    model = DeepEmbeddedClustering(1, encoder=ENCODER, **QUICK).fit(blobs)
    assert_array_equal(model.labels_, 0)
    assert_allclose(model.predict_proba(blobs), 1)


def test_verbose_prints_the_terms(blobs, frozen, capsys):
    DeepEmbeddedClustering(6, encoder=frozen, verbose=2, **QUICK).fit(blobs)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[DeepEmbeddedClustering] iteration 1: J = ")
    assert lines[0].endswith("(clustering)")


def test_ctrl_c_keeps_what_there_is(blobs, frozen, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("skdeepcluster.clustering.Log.__call__", interrupted)
    with pytest.warns(InterruptedFitWarning, match="clusters, up to then"):
        model = DeepEmbeddedClustering(6, encoder=frozen, **QUICK).fit(blobs)
    assert model.n_iter_ == 1
    assert_array_equal(model.predict(blobs), model.labels_)


# With scikit-learn


def test_in_a_pipeline(blobs):
    model = make_pipeline(StandardScaler(), DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK))
    labels = model.fit_predict(3 * blobs + 1)
    assert_array_equal(model.predict(3 * blobs + 1), labels)
    assert model.transform(3 * blobs + 1).shape == (600, 4)


def test_data_on_another_scale_than_the_frozen_encoder_wants_draw_a_warning(blobs, frozen):
    with pytest.warns(InputScaleWarning):
        DeepEmbeddedClustering(6, encoder=frozen, **QUICK).fit(100 * blobs)


def test_scorers_know_its_input_and_its_code(blobs, fitted):
    for space, Z in (("input", blobs), ("code", fitted.transform(blobs))):
        score = make_clustering_scorer("silhouette", space=space)(fitted, blobs)
        assert_allclose(score, silhouette_score(Z, fitted.labels_), rtol=1e-6)


@pytest.mark.parametrize("space", ["input", "code"])
def test_in_grid_search(blobs, space):
    rows = np.arange(len(blobs))
    pipeline = make_pipeline(StandardScaler(), DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK))
    search = GridSearchCV(
        pipeline,
        {"deepembeddedclustering__n_clusters": [2, 6], "deepembeddedclustering__encoder__lam": [1e-3, 1e-2]},
        scoring=make_clustering_scorer("silhouette", space=space),
        cv=[(rows, rows)],
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
