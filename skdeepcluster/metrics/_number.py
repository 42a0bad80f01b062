"""The number of clusters, by modularity and silhouette, and whether tables without structure have as good ones."""

import warnings

import numpy as np
from scipy.sparse import issparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from .._data import NullTables, coordinates_of
from .._support._threads import with_one_openmp_thread
from ..exceptions import NoStructureWarning
from ._modularity import modularity, neighbor_graph, share_within
from ._silhouette import silhouette_scores

# Weight of the silhouette beside modularity, which alone would part large clusters that lie far from each other.
_WEIGHT_OF_SILHOUETTE = 0.5

# The largest number of clusters that is tried unasked, and the rows there are to be for each.
_LARGEST, _ROWS_PER_CLUSTER = 30, 5

# Starts of every KMeans.
_N_INIT = 5

# Clusters are there if their modularity is so many standard deviations above the mean of so many tables without
# structure, or fewer links than this share leave them: two clusters far apart can show in every column by itself, and
# are then in the tables, too. The tables have so many rows and columns at most, drawn of more.
_N_TABLES, _N_DEVIATIONS, _PARTED = 10, 3, 0.05
_N_TABLE_ROWS, _N_TABLE_COLUMNS = 1000, 200


def default_numbers(n_rows):
    """The numbers of clusters that are tried unasked."""
    return np.arange(2, max(2, min(_LARGEST, n_rows // _ROWS_PER_CLUSTER)) + 1)


def number_of_clusters(Z, X, k_range, distance, random_state):
    """The number of clusters of KMeans in Z with the highest sum of modularity and half the silhouette.

    Warns with `NoStructureWarning` if so many clusters of X are not better than those of tables without structure.

    Parameters
    ----------
    Z : Points
        What is clustered; a sample of `sampled_rows`.
    X : ndarray or CSR of shape (n_rows, n_features)
        What they are the code of, or the same.
    k_range : ndarray of int
        At most the number of distinct rows of Z.
    distance : {"euclidean", "cosine"}
        Between rows of X.
    random_state : numpy.random.RandomState

    Returns
    -------
    best : int
        Index of the number in k_range.
    scores : ndarray of shape (n_k,)
    """
    # With several OpenMP threads, KMeans would add up in a changing order.
    return with_one_openmp_thread(lambda: _number_of_clusters(Z, X, k_range, distance, random_state))


def _number_of_clusters(Z, X, k_range, distance, random_state):
    graph = neighbor_graph(Z.rows)
    labelings = [_labels(Z.rows, k, random_state) for k in k_range]
    silhouettes = np.nan_to_num(silhouette_scores(Z, labelings))
    scores = np.array([modularity(graph, labels) for labels in labelings]) + _WEIGHT_OF_SILHOUETTE * silhouettes
    best = int(np.argmax(scores))
    if not _is_structured(X, k_range[best], distance, random_state):
        warnings.warn(
            f"{k_range[best]} clusters of these data are no better than those of tables in which the columns have the "
            "same values and correlations and nothing else: there may be no clusters at all, or X is not scaled as the "
            "autoencoder received it. skdeepcluster.model_selection.structure_test gives a p-value.",
            NoStructureWarning,
        )
    return best, scores


def _is_structured(X, n_clusters, distance, random_state):
    """Whether so many clusters of the rows of X are better than those of tables without structure."""
    X = X[np.sort(random_state.permutation(X.shape[0])[:_N_TABLE_ROWS])]
    # Of a sparse X, single columns say little.
    X = coordinates_of(X, distance) if issparse(X) else X[:, random_state.permutation(X.shape[1])[:_N_TABLE_COLUMNS]]
    tables = NullTables(X) if X.shape[1] > 1 else None
    if tables is None or tables.rank < 2:
        # One column has no other tables.
        return True

    def graph_and_labels(table):
        points = coordinates_of(table, distance)
        return neighbor_graph(points), _labels(points, n_clusters, random_state)

    found = graph_and_labels(X)
    if 1 - share_within(*found) < _PARTED:
        return True
    drawn = (np.take_along_axis(X, tables.draw(random_state), axis=0) for _ in range(_N_TABLES))
    scores = [modularity(*graph_and_labels(table)) for table in drawn]
    return bool(modularity(*found) > np.mean(scores) + _N_DEVIATIONS * np.std(scores, ddof=1))


def _labels(Z, n_clusters, random_state):
    kmeans = KMeans(n_clusters, n_init=_N_INIT, random_state=random_state.randint(np.iinfo(np.int32).max))
    with warnings.catch_warnings():
        # Of equal rows fewer clusters are found than were asked for; these have a modularity, too.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kmeans.fit_predict(Z)
