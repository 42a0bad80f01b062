"""A small search, for the tests of all its parts, and a clusterer that does as it is told."""

from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.model_selection import ClusteringSearch

GRID = {"code__rho": [0.1, 0.5], "cluster__n_clusters": [4, 6]}


def make_model(clusterer=None):
    return Pipeline(
        [
            ("scale", StandardScaler()),
            ("code", SparseAutoencoderTransformer(4, max_iter=20, tol=0.1)),
            ("cluster", clusterer or KMeans(6, n_init=2)),
        ]
    )


def search(X, model=None, grid=GRID, **params):
    return ClusteringSearch(model or make_model(), grid, **{"random_state": 0, **params}).fit(X)


class Labeling(ClusterMixin, BaseEstimator):
    """Gives the labels that it is told to."""

    def __init__(self, labels=None):
        self.labels = labels

    def fit_predict(self, X, y=None):
        return self.labels
