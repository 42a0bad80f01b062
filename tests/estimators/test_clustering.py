"""Joint deep clustering: what is found, and how it behaves."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import rel_entr
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from helpers.joint import ENCODER, QUICK, attributes_of
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._joint import JointFit, degenerate_clusters
from skdeepcluster._joint._objective import EmbeddedClusteringObjective
from skdeepcluster._joint._start import InitialClusters
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import DegenerateClusteringWarning, InputScaleWarning, InterruptedFitWarning

pytestmark = FEW_ITERATIONS

# What fit finds


def test_blobs_are_found(blobs):
    truth = KMeans(6, n_init=10, random_state=0).fit_predict(blobs)
    model = DeepEmbeddedClustering(6, encoder=ENCODER, **QUICK).fit(blobs)
    assert adjusted_rand_score(truth, model.labels_) > 0.95


def test_labels_are_the_nearest_centres_in_the_code(blobs, joint):
    code = joint.transform(blobs)
    distances = ((code[:, np.newaxis] - joint.cluster_centers_) ** 2).sum(axis=2)
    assert_array_equal(joint.labels_, distances.argmin(axis=1))
    assert_array_equal(joint.predict(blobs), joint.labels_)
    assert_array_equal(clone(joint).fit_predict(blobs), joint.labels_)


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


@pytest.mark.parametrize("init", ["least_cut", "kmeans", "gaussian_mixture"])
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
    forward = EmbeddedClusteringObjective.forward
    monkeypatch.setattr(
        EmbeddedClusteringObjective, "forward", lambda *arguments: seen.append(1) or forward(*arguments)
    )
    parameters = QUICK | {"update_interval": None, "max_iter": 1, "batch_size": batch_size}
    DeepEmbeddedClustering(6, encoder=frozen, **parameters).fit(blobs)
    # Each batch of an epoch of 600 rows has 200 of them, in two blocks.
    blocks_per_batch = 2 if batch_size == 256 else 1
    assert len(seen) == blocks_per_batch * n_batches


def test_label_change_is_the_share_of_rows_that_moved(blobs, frozen):
    parameters = QUICK | {"update_interval": 30, "max_iter": 1, "init": "kmeans"}
    start, model = (
        DeepEmbeddedClustering(7, encoder=frozen, learning_rate_init=step, **parameters).fit(blobs)
        for step in (1e-12, 0.01)
    )
    assert_array_equal(start.label_change_, [0])
    assert_allclose(model.label_change_, [np.mean(start.labels_ != model.labels_)])
    assert model.label_change_[0] > 0


def test_the_start_is_kmeans_or_a_mixture_on_the_code(blobs, frozen, joint):
    code = frozen.transform(blobs)
    kmeans = KMeans(6, n_init=2, random_state=0).fit_predict(code)
    mixture = GaussianMixture(6, n_init=2, random_state=0).fit_predict(code)
    started = DeepEmbeddedClustering(6, encoder=frozen, init="kmeans", **QUICK).fit(blobs)
    assert adjusted_rand_score(kmeans, started.initial_labels_) > 0.99
    assert adjusted_rand_score(mixture, joint.initial_labels_) > 0.99


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


def test_a_failed_fit_changes_nothing(blobs, joint):
    model = clone(joint).fit(blobs)
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
        JointFit,
        "_first_clusters",
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


def test_alpha_is_that_of_the_fit(blobs, joint):
    model = clone(joint).fit(blobs)
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


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_both_starts_say_the_same_of_a_collapsed_code(blobs, shift):
    encoder = clone(ENCODER).set_params(max_iter=1).fit(blobs)
    # The last layer of the encoder gives hardly more than its biases.
    encoder.coefs_[1] = 1e-9 * encoder.coefs_[1]
    encoder.intercepts_[1] = encoder.intercepts_[1] + shift
    categories = {}
    for init in ("gaussian_mixture", "kmeans", "least_cut"):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            parameters = QUICK | {"learning_rate_init": 1e-12, "init": init}
            model = DeepEmbeddedClustering(2, encoder=FrozenEstimator(encoder), **parameters).fit(blobs)
        categories[init] = {warning.category for warning in said}
        assert np.isfinite([model.loss_, model.distance_unit_]).all()
    assert categories["gaussian_mixture"] == categories["kmeans"]


def test_a_start_from_data_far_from_the_origin():
    # The case in which covariances that are not centred have no Cholesky factor.
    X = np.random.RandomState(0).normal(loc=100, size=(100, 2))
    encoder = SparseAutoencoderTransformer(3, max_iter=5)
    for seed in (7, 8):
        said = {}
        for init in ("gaussian_mixture", "kmeans", "least_cut"):
            model = DeepEmbeddedClustering(2, encoder=encoder, n_init=1, max_iter=2, random_state=seed, init=init)
            with warnings.catch_warnings(record=True) as said[init]:
                warnings.simplefilter("always")
                model.fit(X)
        categories = [{warning.category.__name__ for warning in messages} for messages in said.values()]
        assert {"CollapsedCodeWarning", "DegenerateClusteringWarning"} <= categories[0]
        assert categories[0] == categories[1]


@pytest.mark.parametrize("init", ["least_cut", "gaussian_mixture", "kmeans"])
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

    monkeypatch.setattr("skdeepcluster._training.Log.__call__", interrupted)
    with pytest.warns(InterruptedFitWarning, match="clusters, up to then"):
        model = DeepEmbeddedClustering(6, encoder=frozen, **QUICK, verbose=1).fit(blobs)
    assert model.n_iter_ == 1
    assert_array_equal(model.predict(blobs), model.labels_)
