"""A partition: where its clusters lie, and how well they are separated."""

from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, validate_params
from sklearn.utils.validation import check_array

from .._base import FLOAT_TYPES
from .._pipelines import labels_and_space
from ..metrics._internal import NOISE, safely_scaled
from ..metrics._report import check_labels
from ..metrics._silhouette import silhouette_samples
from ._style import CLUSTER_COLORS, INK, NOISE_COLOR, axes_or_new, check_drawable, cluster_style

# Width and height of a label of two digits, as shares of axes of the usual size.
_LABEL_SIZE = np.array([0.045, 0.045])

_SAMPLING = {"sample_size": [Interval(Integral, 2, None, closed="left"), None], "random_state": ["random_state"]}


class ClusterEmbeddingDisplay:
    """The rows in two dimensions, coloured by cluster.

    Clusters have their number at a row in their midst; noise, label -1, is grey. Distances in two dimensions mislead:
    what overlaps here may be apart in the space that was clustered.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        Where the rows are drawn.
    labels : ndarray of shape (n_samples,)
        Cluster of every row; -1 is noise.
    axis_names : tuple of str
        Labels of the two axes.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        Its figure.

    See Also
    --------
    SilhouetteDisplay : How well the clusters are separated, without a projection.
    ClusterProfileDisplay : What sets the clusters apart.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.plotting import ClusterEmbeddingDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> autoencoder = SparseAutoencoderTransformer(8, random_state=0)
    >>> model = make_pipeline(StandardScaler(), autoencoder, KMeans(3, random_state=0)).fit(X)
    >>> display = ClusterEmbeddingDisplay.from_estimator(model, X)
    >>> display.points.shape
    (150, 2)
    """

    def __init__(self, *, points, labels, axis_names=("", "")):
        self.points = points
        self.labels = labels
        self.axis_names = axis_names

    @classmethod
    @validate_params(
        {
            "estimator": [HasMethods("fit")],
            "X": "no_validation",
            "transformer": [HasMethods("fit_transform"), None],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(cls, estimator, X, *, transformer=None, ax=None):
        """Draw X as the fitted clusterer sees it: the code, if an autoencoder comes before it.

        Parameters
        ----------
        estimator : estimator
            Fitted clusterer, or pipeline that ends in one. Without ``predict``, as DBSCAN is, a clone of it is fitted
            to X.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, as the estimator takes it.
        transformer : transformer, default=None
            Clone of which is fitted to make two dimensions, such as `sklearn.manifold.TSNE`. None is a
            `sklearn.decomposition.PCA`; two columns are taken as they are.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ClusterEmbeddingDisplay

        Raises
        ------
        ValueError
            If the estimator does not end in a clusterer, X is not what it takes, or `transformer` gives fewer than two
            columns.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        labels, Z = labels_and_space(estimator, X, "code")
        return cls.from_predictions(Z, labels, transformer=transformer, ax=ax)

    @classmethod
    @validate_params(
        {
            "Z": ["array-like", "sparse matrix"],
            "labels": ["array-like"],
            "transformer": [HasMethods("fit_transform"), None],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_predictions(cls, Z, labels, *, transformer=None, ax=None):
        """Draw rows and their clusters.

        Parameters
        ----------
        Z : array-like or sparse matrix of shape (n_samples, n_features)
            The rows in the space to draw, such as the code.
        labels : array-like of shape (n_samples,)
            Cluster of every row; -1 is noise.
        transformer, ax
            As in `from_estimator`.

        Returns
        -------
        display : ClusterEmbeddingDisplay

        Raises
        ------
        ValueError
            If Z is not finite and two-dimensional, the lengths differ, or `transformer` gives fewer than two columns.
        """
        Z = check_array(Z, accept_sparse="csr", dtype=FLOAT_TYPES, input_name="Z")
        check_drawable(Z, "Z")
        labels = check_labels(labels, Z, "labels")
        points, axis_names = _in_two_dimensions(Z, transformer)
        return cls(points=points, labels=labels, axis_names=axis_names).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : ClusterEmbeddingDisplay
            With the attributes that end in ``_``.
        """
        ax = axes_or_new(ax, (6.4, 5.2))
        size = np.clip(20_000 / len(self.points), 3, 30)
        is_noise = self.labels == NOISE
        if is_noise.any():
            label = f"noise: {np.sum(is_noise)} rows"
            ax.scatter(*self.points[is_noise].T, s=size, color=NOISE_COLOR, marker="x", linewidth=0.8, label=label)
            ax.legend(loc="best")
        clusters = np.unique(self.labels[~is_noise])
        for i, cluster in enumerate(clusters):
            ax.scatter(*self.points[self.labels == cluster].T, s=size, alpha=0.7, linewidth=0, **cluster_style(i))
        ax.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1], xticks=[], yticks=[])
        rows = [_row_in_the_midst(self.points[self.labels == cluster]) for cluster in clusters]
        rows = np.reshape(rows, (-1, 2))
        # From here on the limits of the axes are fixed, and places are shares of them.
        to_axes = ax.transData + ax.transAxes.inverted()
        for i, (cluster, row, place) in enumerate(zip(clusters, rows, _apart(to_axes.transform(rows)))):
            ax.annotate(
                str(cluster),
                row,
                place,
                textcoords="axes fraction",
                ha="center",
                va="center",
                fontsize="small",
                color=INK,
                parse_math=False,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.85, "edgecolor": _color(i)},
                arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.6},
            )
        self.ax_, self.figure_ = ax, ax.figure
        return self


class SilhouetteDisplay:
    """The silhouettes of all rows, cluster by cluster, with their mean.

    Within a cluster they are sorted. Good clusters are wide to the right; rows left of 0 are nearer to another cluster
    than to their own. The height of a cluster is its number of rows, but at least 0.6 of the mean, so that its
    label can be read. Noise, label -1, is left out.

    Parameters
    ----------
    silhouettes : ndarray of shape (n_samples,)
        In [-1, 1].
    labels : ndarray of shape (n_samples,)
        Cluster of every row.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        Its figure.

    See Also
    --------
    skdeepcluster.metrics.clustering_report : The mean silhouette, and other scores.

    References
    ----------
    P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", 1987.

    Examples
    --------
    >>> from skdeepcluster.plotting import SilhouetteDisplay
    >>> display = SilhouetteDisplay.from_predictions([[0.0], [1.0], [10.0], [11.0]], [0, 0, 1, 1])
    >>> display.silhouettes.round(2)
    array([0.9 , 0.89, 0.89, 0.9 ])
    """

    def __init__(self, *, silhouettes, labels):
        self.silhouettes = silhouettes
        self.labels = labels

    @classmethod
    @validate_params(
        {
            "estimator": [HasMethods("fit")],
            "X": "no_validation",
            "space": [str],
            **_SAMPLING,
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(cls, estimator, X, *, space="input", sample_size=None, random_state=None, ax=None):
        """Draw the silhouettes of the clusters that a fitted clusterer gives X.

        Parameters
        ----------
        estimator : estimator
            Fitted clusterer, or pipeline that ends in one. Without ``predict``, as DBSCAN is, a clone of it is fitted
            to X.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, as the estimator takes it.
        space : str, default="input"
            Where distances are measured: "input" is what the autoencoder receives, "code" what the clusterer receives,
            and the name of another step its output, as in `skdeepcluster.metrics.make_clustering_scorer`. Silhouettes
            of different models can be compared in one space only, and a code that has nearly collapsed looks good in
            its own.
        sample_size : int, default=None
            Number of rows to draw; None takes all.
        random_state : int, RandomState instance or None, default=None
            Draws them.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : SilhouetteDisplay

        Raises
        ------
        ValueError
            If the estimator does not end in a clusterer, X is not what it takes, or it finds fewer than two clusters.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        labels, Z = labels_and_space(estimator, X, space)
        return cls.from_predictions(Z, labels, sample_size=sample_size, random_state=random_state, ax=ax)

    @classmethod
    @validate_params(
        {"Z": ["array-like"], "labels": ["array-like"], **_SAMPLING, "ax": "no_validation"},
        prefer_skip_nested_validation=True,
    )
    def from_predictions(cls, Z, labels, *, sample_size=None, random_state=None, ax=None):
        """Draw the silhouettes of a partition.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_features)
            The rows in the space to measure in.
        labels : array-like of shape (n_samples,)
            Cluster of every row; -1 is noise.
        sample_size, random_state, ax
            As in `from_estimator`.

        Returns
        -------
        display : SilhouetteDisplay

        Raises
        ------
        ValueError
            If Z is not finite and two-dimensional, the lengths differ, or there are fewer than two clusters.
        """
        Z = check_array(Z, dtype=FLOAT_TYPES, input_name="Z")
        labels = check_labels(labels, Z, "labels")
        kept = np.flatnonzero(labels != NOISE)
        if sample_size is not None and sample_size < len(kept):
            kept = np.sort(check_random_state(random_state).permutation(kept)[:sample_size])
        Z, labels = Z[kept], labels[kept]
        if len(np.unique(labels)) < 2:
            raise ValueError(
                f"A silhouette needs at least 2 clusters, but the {len(labels)} rows to draw, without noise, have "
                f"{len(np.unique(labels))}. Ask for more clusters, or a smaller eps."
            )
        return cls(silhouettes=silhouette_samples(safely_scaled(Z)[0], labels), labels=labels).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the silhouettes.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : SilhouetteDisplay
            With the attributes that end in ``_``.
        """
        clusters, sizes = np.unique(self.labels, return_counts=True)
        ax = axes_or_new(ax, (6.4, max(4.0, 0.3 * len(clusters))))
        mean_size = len(self.labels) / len(clusters)
        heights, gap = np.maximum(sizes, 0.6 * mean_size), 0.15 * mean_size
        starts = np.cumsum([0, *(heights[:-1] + gap)])
        for i, (cluster, start, height) in enumerate(zip(clusters, starts, heights)):
            widths = np.sort(self.silhouettes[self.labels == cluster])[::-1]
            # From row to row in steps, so that a cluster of one row is seen, too.
            y = np.linspace(start, start + height, len(widths) + 1)
            ax.fill_betweenx(y, 0, [*widths, widths[-1]], step="post", color=_color(i))
        ax.axvline(0, color=INK, linewidth=0.8)
        mean = np.mean(self.silhouettes)
        ax.axvline(mean, color=INK, linestyle="--", label=f"mean: {mean:.3f}")
        ax.set_yticks(starts + heights / 2, [str(cluster) for cluster in clusters], parse_math=False)
        ax.tick_params(axis="y", length=0, labelsize="small" if len(clusters) > 15 else None)
        ax.set(xlabel="silhouette", ylabel="cluster", ylim=(starts[-1] + heights[-1] + gap, -gap))
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _color(i):
    return CLUSTER_COLORS[i % len(CLUSTER_COLORS)]


def _row_in_the_midst(points):
    """The row next to the median, not the mean of all, which for a cluster that is bent lies in none."""
    return points[np.argmin(np.linalg.norm(points - np.median(points, axis=0), axis=1))]


def _apart(places, n_rounds=200):
    """Places of labels, as shares of the axes, moved until no two labels overlap, or for so many rounds."""
    places = np.clip(places, 0.02, 0.98)
    if len(places) < 2:
        return places
    order = np.arange(len(places))
    # Two labels at one place part sideways.
    sideways = np.sign(np.subtract.outer(order, order))
    for _ in range(n_rounds):
        between = (places[:, np.newaxis] - places) / _LABEL_SIZE
        distance = np.linalg.norm(between, axis=2)
        between[..., 0] += np.where(distance == 0, 0.01 * sideways, 0.0)
        np.fill_diagonal(distance, np.inf)
        if distance.min() >= 1:
            break
        push = 0.5 * np.maximum(1 - distance, 0) / np.maximum(distance, 0.01)
        places = np.clip(places + (push[..., np.newaxis] * between).sum(axis=1) * _LABEL_SIZE, 0.02, 0.98)
    return places


def _in_two_dimensions(Z, transformer):
    """Points of shape (n_samples, 2), and names of the axes."""
    n_features = Z.shape[1]
    if transformer is not None:
        points = np.asarray(clone(transformer).fit_transform(Z))
        if points.ndim != 2 or points.shape[1] < 2:
            raise ValueError(
                f"transformer={transformer!r} gives an array of shape {points.shape}; a picture needs 2 columns."
            )
        name = type(transformer).__name__
        return points[:, :2], (f"{name} 1", f"{name} 2")
    if n_features == 1:
        points = Z.toarray() if issparse(Z) else Z
        return np.column_stack([points, np.zeros(len(points))]), ("feature 1", "")
    if n_features == 2:
        return Z.toarray() if issparse(Z) else Z, ("feature 1", "feature 2")
    # Sparse rows are not centred, which would make them dense.
    reducer = TruncatedSVD(2, random_state=0) if issparse(Z) else PCA(2, random_state=0)
    # Rows that are all the same have no variance to be shared out.
    with np.errstate(invalid="ignore"):
        points = reducer.fit_transform(Z)
    shares = np.nan_to_num(reducer.explained_variance_ratio_)
    return points, tuple(f"principal component {i}: {share:.0%} of the variance" for i, share in enumerate(shares, 1))
