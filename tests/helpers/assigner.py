"""Rows with clusters and noise, and clusterers of which a NeighborAssigner knows what they say."""

import numpy as np

from helpers.data import standardised_blobs
from helpers.search import Labeling
from skdeepcluster.clustering import NeighborAssigner


def rows_with_noise():
    """400 rows of 20 features in six clusters and noise, and 100 more of them."""
    generator = np.random.RandomState(0)
    X = np.vstack([standardised_blobs(440, 20, centers=6), generator.uniform(-3, 3, size=(60, 20))])
    X = generator.permutation(X)
    return X[:400], X[400:]


class Comparing(Labeling):
    """Gives the labels that it is told to, and has a metric."""

    def __init__(self, labels=None, metric="euclidean"):
        super().__init__(labels)
        self.metric = metric


def labeled(X, labels, **params):
    return NeighborAssigner(Labeling(np.asarray(labels)), **params).fit(X)


def without_limits(model):
    """The vote alone, with no regard to how far the neighbours are."""
    model._limits = np.full_like(model._limits, np.inf)
    return model
