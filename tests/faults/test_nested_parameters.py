"""Parameters of what is no estimator: ``encoder__lam`` with encoder=None, ``n_clusters__x``."""

import pytest
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import Pipeline, make_pipeline

from helpers.search import make_model
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import ClusterTree, DeepEmbeddedClustering, NeighborAssigner
from skdeepcluster.dask import DaskSparseAutoencoderTransformer
from skdeepcluster.model_selection import ClusteringSearch


@pytest.mark.parametrize(
    "estimator, key, words",
    [
        (DeepEmbeddedClustering(), "encoder__lam", r"encoder=None .*encoder=SparseAutoencoderTransformer\(\)"),
        (DeepEmbeddedClustering(), "n_clusters__x", "n_clusters=8 "),
        (SparseAutoencoderTransformer(), "neighbors_transformer__n_jobs", "neighbors_transformer=None "),
        (ClusterTree(), "clusterer__n_clusters", r"clusterer=None .*clusterer=sklearn.cluster.KMeans\(60\)"),
        (DaskSparseAutoencoderTransformer(), "lam__x", r"lam=0\.001 "),
    ],
)
def test_a_parameter_of_what_is_no_estimator_is_an_error(estimator, key, words):
    before = estimator.get_params()
    with pytest.raises(ValueError, match=rf"{key}.*{words}"):
        estimator.set_params(**{key: 1})
    assert estimator.get_params() == before
    # Pipelines pass it on.
    model = make_pipeline(estimator)
    with pytest.raises(ValueError, match=rf"{key}.*{words}"):
        model.set_params(**{f"{model.steps[0][0]}__{key}": 1})


def test_parameters_of_what_is_given_are_set():
    joint = DeepEmbeddedClustering().set_params(encoder__lam=0.5, encoder=SparseAutoencoderTransformer())
    assert joint.set_params(n_clusters=3).encoder.lam == 0.5
    code = SparseAutoencoderTransformer(neighbors_transformer=KNeighborsTransformer())
    assert code.set_params(neighbors_transformer__n_jobs=2).neighbors_transformer.n_jobs == 2
    assert code.set_params() is code


def test_unknown_parameters_are_scikit_learns_errors(frozen):
    with pytest.raises(ValueError, match="Invalid parameter 'lamb'"):
        SparseAutoencoderTransformer().set_params(lamb__x=1)
    with pytest.raises(ValueError, match="Invalid parameter 'lamb'"):
        DeepEmbeddedClustering(encoder=SparseAutoencoderTransformer()).set_params(encoder__lamb=1)
    with pytest.raises(ValueError, match="inner estimator in a frozen"):
        DeepEmbeddedClustering(encoder=frozen).set_params(encoder__lam=1)


@pytest.mark.parametrize("search", [GridSearchCV, ClusteringSearch])
def test_a_search_over_the_default_encoder_says_what_to_do(blobs, search):
    with pytest.raises(ValueError, match=r"encoder__lam.*Give an encoder.*encoder=SparseAutoencoderTransformer\(\)"):
        search(DeepEmbeddedClustering(3), {"encoder__lam": [1e-4, 1e-3]}).fit(blobs)


@pytest.mark.parametrize(
    "model, grid, words",
    [
        (KMeans(), {"n_clusters__x": [1, 2]}, "'n_clusters__x', but n_clusters=8 has no parameters"),
        (make_model(), {"cluster__n_clusters__x": [1]}, "'cluster__n_clusters__x', but cluster__n_clusters=6 has no"),
        (make_model(), {"cluster__n_clusters__x__y": [1]}, "but cluster__n_clusters=6 has no parameters"),
        (
            make_model(),
            {"code": [SparseAutoencoderTransformer(), "passthrough"], "code__lam": [1e-3]},
            "'code__lam', but code='passthrough' has no parameters.*a list of grids",
        ),
        (ClusteringSearch(KMeans(), {}), {"estimator__n_clusters__x": [1]}, "but estimator__n_clusters=8 has no"),
        (NeighborAssigner(KMeans()), {"clusterer__n_clusters__x": [1]}, "but clusterer__n_clusters=8 has no"),
    ],
)
def test_a_key_of_a_grid_below_what_has_no_parameters_is_an_error(blobs, model, grid, words):
    with pytest.raises(ValueError, match=f"param_grid.*{words}"):
        ClusteringSearch(model, grid).fit(blobs)


def test_an_error_of_a_users_own_set_params_stays_as_it_is(blobs):
    class Strict(KMeans):
        def set_params(self, **params):
            raise AttributeError("not to be set")

    with pytest.raises(AttributeError, match="not to be set"):
        ClusteringSearch(Pipeline([("cluster", Strict())]), {"cluster__n_clusters": [2]}).fit(blobs)


def test_a_frozen_step_has_no_parameters_to_search(blobs, frozen):
    with pytest.raises(ValueError, match="inner estimator in a frozen"):
        ClusteringSearch(make_pipeline(FrozenEstimator(frozen), KMeans()), {"frozenestimator__lam": [1]}).fit(blobs)
