"""A tree of clusters."""

import warnings
from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator, ClusterMixin, MetaEstimatorMixin, clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from .._base import NestedParametersMixin, unchanged_on_error
from .._data import iterate_blocks
from .._pipelines import errors_named, takes_distances
from .._support._checks import check_magnitude, check_rows, shown
from .._support._typing import ArrayLike, Clusterer, Int, MatrixLike, RandomState, fit_context
from ..exceptions import DegenerateClusteringWarning
from ..metrics._labels import NOISE, check_clusters, is_noise
from ._linkage import levels_of, node_sums, split_order, ward_linkage

# Leaves of the default clusterer: at most so many, and so many rows for each on average.
_N_LEAVES, _ROWS_PER_LEAF = 60, 10


class ClusterTree(NestedParametersMixin, ClusterMixin, MetaEstimatorMixin, BaseEstimator):
    """A tree of clusters, made of many small ones, that can be cut into any number of clusters.

    A clusterer finds the leaves. Then again and again the two clusters whose union raises the variance within clusters
    least become one, by Ward's criterion: from the means of the leaves and their numbers of rows, just as agglomerative
    clustering of all rows would go on from there. So the tree takes a moment where agglomerative clustering would need
    the distances between all rows. Make it the last step of a pipeline after a `SparseAutoencoderTransformer`, and the
    tree is one of the code.

    Clusters keep their numbers from level to level. When a cluster splits, its larger part keeps its number, and the
    other one gets the next: the clusters of a cut into k are 0 to k - 1. In the same way the leaves are numbered, so
    that a cluster has the number of its first leaf, at every level. Noise of the clusterer is in no leaf, and has the
    label -1 at all levels.

    Parameters
    ----------
    clusterer : clusterer, default=None
        Finds the leaves; a clone of it is fitted. It should find many more clusters than are looked for. None is a
        `sklearn.cluster.KMeans` of 60 clusters, of ``n_samples // 10`` if these are fewer, and of no fewer than
        `n_clusters`. The labels of a partition that is there already go to `fit`.
    n_clusters : int, default=2
        Number of clusters of `labels_`, and of `predict`.
    random_state : int, RandomState instance or None, default=None
        Seed of the default clusterer; one that is given has its own.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of every row, of the cut into `n_clusters`; -1 is noise.
    n_clusters_ : int
        Number of clusters of `labels_`: `n_clusters`, or `n_leaves_` if there are fewer leaves.
    n_leaves_ : int
        Number of leaves.
    leaf_labels_ : ndarray of shape (n_samples,)
        Leaf of every row; -1 is noise. It is the cut into `n_leaves_` clusters.
    leaf_centers_ : ndarray of shape (`n_leaves_`, n_features)
        Mean of the rows of every leaf, in units of X.
    children_ : ndarray of int of shape (`n_leaves_` - 1, 2)
        The two nodes that every merge joins. Nodes below `n_leaves_` are leaves, and node ``n_leaves_ + i`` is what
        merge i makes; as in `sklearn.cluster.AgglomerativeClustering`.
    node_sizes_ : ndarray of int of shape (2 `n_leaves_` - 1,)
        Number of rows of every node, the leaves first.
    distances_ : ndarray of shape (`n_leaves_` - 1,)
        Ward's distance of these two nodes, in units of X: sqrt(2 n_a n_b / (n_a + n_b)) times that of their means. It
        never falls from one merge to the next.
    linkage_ : ndarray of shape (`n_leaves_` - 1, 4)
        `children_`, `distances_`, and the number of leaves in what every merge makes, as `scipy.cluster.hierarchy`
        takes it.
    levels_ : ndarray of int of shape (`n_leaves_`, `n_leaves_`)
        All levels: ``levels_[k - 1]`` is the cluster of every leaf in the cut into k.
    clusterer_ : clusterer or None
        The fitted clusterer, or None if `fit` was given the leaves.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the features, if X has any.

    Warns
    -----
    skdeepcluster.exceptions.DegenerateClusteringWarning
        If there are fewer leaves than `n_clusters`, or only one: then there is no tree.

    See Also
    --------
    skdeepcluster.plotting.ClusterTreeDisplay : Draws the tree.

    Notes
    -----
    The tree is as good as its leaves: rows that share a leaf are never parted. Merges of m leaves need m^2
    numbers of memory and m^3 comparisons, which is nothing up to a thousand leaves.

    References
    ----------
    J. H. Ward, "Hierarchical grouping to optimize an objective function", 1963.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.clustering import ClusterTree
    >>> X, _ = load_iris(return_X_y=True)
    >>> autoencoder = SparseAutoencoderTransformer(8, random_state=0)
    >>> tree = ClusterTree(n_clusters=3, random_state=0)
    >>> model = make_pipeline(StandardScaler(), autoencoder, tree).fit(X)
    >>> tree.n_leaves_, tree.n_clusters_
    (15, 3)
    >>> four = tree.cut(4)  # one of the three clusters is split
    >>> tree.labels_[four < 3].tolist() == four[four < 3].tolist()
    True
    >>> model.predict(X, n_clusters=4).shape
    (150,)
    """

    labels_: np.ndarray
    n_clusters_: int
    n_leaves_: int
    leaf_labels_: np.ndarray
    leaf_centers_: np.ndarray
    children_: np.ndarray
    node_sizes_: np.ndarray
    distances_: np.ndarray
    linkage_: np.ndarray
    levels_: np.ndarray
    clusterer_: Clusterer | None
    n_features_in_: int
    feature_names_in_: np.ndarray

    _parameter_constraints = {
        "clusterer": [HasMethods("fit_predict"), None],
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self, clusterer: Clusterer | None = None, *, n_clusters: Int = 2, random_state: RandomState = None
    ) -> None:
        self.clusterer = clusterer
        self.n_clusters = n_clusters
        self.random_state = random_state

    @unchanged_on_error
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: Any = None, leaf_labels: ArrayLike | None = None) -> Self:
        """Find the leaves, and merge them.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data, of at least two rows. The means of the leaves, `n_leaves_` x n_features numbers, are dense.
        y : None
            Ignored.
        leaf_labels : array-like of shape (n_samples,), default=None
            Labels of a partition that is there already, of any clusterer, or of known classes: integers or names, of
            which negative integers are noise. They are the leaves, and `clusterer` is not fitted.

        Returns
        -------
        self : ClusterTree
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, X is not a finite two-dimensional array or too large for its squares, there
            are more clusters than rows, the clusterer takes distances in the place of features, or all rows are noise.
        TypeError
            If the labels are neither integers nor names.
        RuntimeError
            If this very estimator is being fitted, by another thread.
        """
        X = check_rows(self, X, reset=True, ensure_min_samples=2)
        check_magnitude(X, "X")
        leaves = self._find_leaves(X, leaf_labels)
        sizes = np.bincount(leaves[leaves != NOISE])
        centers = _means(X, leaves, sizes)
        numbers, self.linkage_ = split_order(ward_linkage(centers, sizes), sizes)
        self.leaf_labels_ = np.where(leaves == NOISE, NOISE, numbers[leaves])
        self.leaf_centers_ = centers[np.argsort(numbers)]
        self.n_leaves_ = len(sizes)
        self.children_, self.distances_ = self.linkage_[:, :2].astype(np.intp), self.linkage_[:, 2]
        self.node_sizes_ = node_sums(self.linkage_, sizes[np.argsort(numbers)])
        self.levels_ = levels_of(self.linkage_)
        self.n_clusters_ = min(int(self.n_clusters), self.n_leaves_)
        self.labels_ = self.cut(self.n_clusters_)
        self._warn_about_leaves()
        return self

    def cut(self, n_clusters: Int) -> np.ndarray:
        """Labels of the training rows at a level of the tree.

        Parameters
        ----------
        n_clusters : int
            Number of clusters, from 1 to `n_leaves_`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Cluster of every row; -1 is noise. A cut into one more differs in the rows of the last cluster alone.

        Raises
        ------
        ValueError
            If there are not so many leaves.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        level = self._level(n_clusters)
        return np.where(self.leaf_labels_ == NOISE, NOISE, level[self.leaf_labels_])

    def predict(self, X: MatrixLike, n_clusters: Int | None = None) -> np.ndarray:
        """Clusters of X: those of the leaves with the nearest means.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data on the scale of the training data.
        n_clusters : int, default=None
            Number of clusters to cut the tree into, from 1 to `n_leaves_`; None is that of `labels_`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Never noise. With the default clusterer, and other KMeans that have converged, `labels_` of training rows;
            other leaves may hold rows that are nearer to the mean of another.
            `skdeepcluster.clustering.NeighborAssigner` of this tree would keep the labels of training rows.

        Raises
        ------
        ValueError
            If X is not a finite two-dimensional array with the features seen in `fit`, or too large for its squares, or
            there are not so many leaves.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        level = self._level(self.n_clusters_ if n_clusters is None else n_clusters)
        X = check_rows(self, X)
        check_magnitude(X, "X")
        # Seen from the middle of the leaves, products lose fewer digits. Sparse rows stay where they are.
        middle = 0.0 if issparse(X) else self.leaf_centers_.mean(axis=0)
        centers, labels = self.leaf_centers_ - middle, np.empty(X.shape[0], dtype=level.dtype)
        for rows, block in iterate_blocks(X, self.n_leaves_):
            block = block.astype(np.float64)
            labels[rows] = level[pairwise_distances_argmin(block if issparse(X) else block - middle, centers)]
        return labels

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _find_leaves(self, X, leaf_labels):
        """The leaf of every row, from 0 on, and noise."""
        self.clusterer_ = None
        name = "leaf_labels"
        if leaf_labels is None:
            self.clusterer_, name = self._clusterer_for(X.shape[0]), "labels"
            with errors_named(self.clusterer_), warnings.catch_warnings():
                if self.clusterer is None:
                    # Fewer different rows than leaves: nobody asked for so many.
                    warnings.simplefilter("ignore", ConvergenceWarning)
                leaf_labels = self.clusterer_.fit_predict(X)
        labels = check_clusters(leaf_labels, X, name)
        noise = is_noise(labels)
        if noise.all():
            raise ValueError(
                f"All rows of X are noise, with a negative label of {self.clusterer_ or name}: there are no leaves. "
                "Change the parameters of the clusterer, or the scale of X."
            )
        leaves = np.full(len(labels), NOISE)
        leaves[~noise] = np.unique(labels[~noise], return_inverse=True)[1]
        return leaves

    def _clusterer_for(self, n_samples):
        if n_samples < self.n_clusters:
            raise ValueError(
                f"n_clusters={self.n_clusters} asks for more clusters than X has rows, n_samples={n_samples}. Lower "
                "n_clusters."
            )
        if self.clusterer is None:
            n_leaves = max(int(self.n_clusters), min(_N_LEAVES, n_samples // _ROWS_PER_LEAF))
            # Until nothing changes: then every row is in the leaf with the nearest mean.
            return KMeans(n_leaves, tol=0, random_state=self.random_state)
        if takes_distances(self.clusterer):
            raise ValueError(
                f"clusterer={self.clusterer!r} takes distances between rows, or affinities, of which leaves have no "
                "means. Give one that takes features, or its labels to fit, with features as X."
            )
        return clone(self.clusterer)

    def _level(self, n_clusters):
        """The cluster of every leaf in the cut into n_clusters."""
        if not isinstance(n_clusters, Integral) or not 1 <= n_clusters <= self.n_leaves_:
            raise ValueError(
                f"n_clusters={shown(n_clusters)} must be an integer from 1 to n_leaves_={self.n_leaves_}, the number "
                "of leaves. For more, fit the tree with a clusterer that finds more clusters."
            )
        return self.levels_[n_clusters - 1]

    def _warn_about_leaves(self):
        if self.n_leaves_ < max(self.n_clusters, 2):
            warnings.warn(
                f"The tree has only n_leaves_={self.n_leaves_}, with n_clusters={self.n_clusters}. Give it a clusterer "
                "that finds more clusters, as a tree is made of many, or other data, if all rows are nearly the same.",
                DegenerateClusteringWarning,
            )


def _means(X, leaves, sizes):
    """The mean of the rows of every leaf, dense, shape (n_leaves, n_features), in float64."""
    sums = np.zeros((len(sizes), X.shape[1]))
    for rows, block in iterate_blocks(X):
        of_rows = leaves[rows]
        members = np.flatnonzero(of_rows != NOISE)
        places = of_rows[members], members
        sums += csr_array((np.ones(len(members)), places), shape=(len(sizes), len(of_rows))) @ block
    return sums / sizes[:, np.newaxis]
