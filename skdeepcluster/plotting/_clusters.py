"""Where the clusters of a partition lie."""

from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.utils._param_validation import HasMethods

from .._pipelines import labels_and_space, takes_distances
from .._support._checks import check_magnitude, check_table
from .._support._typing import ArrayLike, Estimator, MatrixLike, Transformer, validate_params
from ..metrics._labels import check_clusters, is_noise
from ._style import INK, NOISE_COLOR, axes_or_new, cluster_color, cluster_style
from ._text import all_fitted, height_of_lines, legend_above, name_axes, room_inside, size_of

if TYPE_CHECKING:
    from ._style import Axes, Figure

# What a label has around its text, in inches, with some space to the next.
_PADDING = 0.1


class ClusterEmbeddingDisplay:
    """The rows in two dimensions, coloured by cluster.

    Clusters have their label at a row in their midst, the largest first, as many as there is room for; noise, with a
    negative label, is grey. Distances in two
    dimensions mislead: what overlaps here may be apart in the space that was clustered.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        Where the rows are drawn.
    labels : ndarray of shape (n_samples,)
        Cluster of every row; negative ones are noise.
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
    >>> model = make_pipeline(
    ...     StandardScaler(), autoencoder, KMeans(3, random_state=0)
    ... ).fit(X)
    >>> display = ClusterEmbeddingDisplay.from_estimator(model, X)
    >>> display.points.shape
    (150, 2)
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(self, *, points: np.ndarray, labels: np.ndarray, axis_names: tuple[str, str] = ("", "")) -> None:
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
    def from_estimator(
        cls, estimator: Estimator, X: MatrixLike, *, transformer: Transformer | None = None, ax: "Axes | None" = None
    ) -> Self:
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
            `sklearn.decomposition.PCA`; two columns are taken as they are. What a clusterer of precomputed distances
            sees is drawn by a transformer that takes them too.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ClusterEmbeddingDisplay

        Raises
        ------
        ValueError
            If the estimator does not end in a clusterer, X is not what it takes, `transformer` gives fewer than two
            columns, or the clusterer takes precomputed distances and `transformer` does not.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        labels, Z = labels_and_space(estimator, X, "code", may_be_distances=takes_distances(transformer))
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
    def from_predictions(
        cls, Z: MatrixLike, labels: ArrayLike, *, transformer: Transformer | None = None, ax: "Axes | None" = None
    ) -> Self:
        """Draw rows and their clusters.

        Parameters
        ----------
        Z : array-like or sparse matrix of shape (n_samples, n_features)
            The rows in the space to draw, such as the code.
        labels : array-like of shape (n_samples,)
            Cluster of every row; negative ones are noise.
        transformer, ax
            As in `from_estimator`.

        Returns
        -------
        display : ClusterEmbeddingDisplay

        Raises
        ------
        ValueError
            If Z is not finite and two-dimensional, or one row of more than two features; the lengths differ; or
            `transformer` gives what are no points, or fewer than two columns.
        Exception
            What `transformer` raises, with a note that says whose it is.
        """
        Z = check_table(Z, "Z", sparse=True)
        check_magnitude(Z, "Z")
        labels = check_clusters(labels, Z)
        points, axis_names = _in_two_dimensions(Z, transformer)
        return cls(points=points, labels=labels, axis_names=axis_names).plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
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
        noise = is_noise(self.labels)
        if noise.any():
            label = f"noise: {np.sum(noise)} rows"
            ax.scatter(*self.points[noise].T, s=size, color=NOISE_COLOR, marker="x", linewidth=0.8, label=label)
        clusters, sizes = np.unique(self.labels[~noise], return_counts=True)
        for i, cluster in enumerate(clusters):
            ax.scatter(*self.points[self.labels == cluster].T, s=size, alpha=0.7, linewidth=0, **cluster_style(i))
        ax.set(xticks=[], yticks=[])
        name_axes(ax, *self.axis_names)
        n_labels = self._label_clusters(ax, clusters, sizes)
        if n_labels < len(clusters):
            ax.plot([], [], " ", label=f"{n_labels} of {len(clusters)} clusters have a label")
        if ax.get_legend_handles_labels()[1]:
            legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _label_clusters(self, ax, clusters, sizes):
        """Label the clusters, the largest first, as far as there is room. Returns the number of labels."""
        inches = room_inside(ax)
        # The labels together may take that much of the picture. In two lines they are longer, if that is room enough.
        most = 0.35 * inches.prod()
        of_each = most / max(len(clusters), 1)
        n_lines = 2 if of_each > height_of_lines(2, "small") + _PADDING else 1
        width = of_each / (height_of_lines(n_lines, "small") + _PADDING)
        width = np.clip(width, 0.5, max(0.5, 0.4 * inches[0])) - _PADDING
        texts = all_fitted(clusters, width, "small", n_lines)
        boxes = np.array([size_of(text, "small") for text in texts]).reshape(-1, 2) + _PADDING
        order = np.argsort(-sizes, kind="stable")
        order = order[np.cumsum(boxes[order].prod(axis=1)) <= most]
        rows = [_row_in_the_midst(self.points[self.labels == clusters[i]]) for i in order]
        rows = np.reshape(rows, (-1, 2))
        # Nothing below changes the limits of the axes, so places can be given as shares of the axes.
        ax.autoscale_view()
        to_axes = ax.transData + ax.transAxes.inverted()
        places = _apart(to_axes.transform(rows) * inches, boxes[order], inches)
        shown = _without_overlaps(places, boxes[order])
        for i, row, place in sorted(zip(order[shown], rows[shown].tolist(), (places[shown] / inches).tolist())):
            label = ax.annotate(
                texts[i],
                row,
                place,
                textcoords="axes fraction",
                ha="center",
                va="center",
                fontsize="small",
                color=INK,
                parse_math=False,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.85, "edgecolor": cluster_color(i)},
                arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.6},
            )
            # It is within the axes, and must not move their frame.
            label.set_in_layout(False)
        return len(shown)


def _row_in_the_midst(points):
    """The row nearest to the median of a cluster.

    A row is always inside the cluster. The mean is not: that of a bent cluster can lie outside it.
    """
    return points[np.argmin(np.linalg.norm(points - np.median(points, axis=0), axis=1))]


def _apart(places, boxes, inches, n_rounds=300):
    """Move labels until no two overlap, for at most n_rounds rounds. Lengths are in inches."""
    order = np.arange(len(places))
    # Two labels at exactly the same place have no direction between them: move them apart in their order.
    in_order = np.sign(np.subtract.outer(order, order))[..., np.newaxis]
    needed = (boxes[:, np.newaxis] + boxes) / 2
    for _ in range(n_rounds):
        # A label that is larger than the axes is in their middle.
        places = np.clip(places, np.minimum(boxes, inches) / 2, inches - np.minimum(boxes, inches) / 2)
        between = places[:, np.newaxis] - places
        lacking = needed - np.abs(between)
        overlap = (lacking > 0).all(axis=2) & (in_order[..., 0] != 0)
        if not overlap.any():
            break
        # Move mostly the shorter way, and a little the other, or labels block each other at the edge.
        weights = np.where(lacking <= lacking.min(axis=2, keepdims=True), 0.5, 0.1)
        push = weights * np.where(between == 0, in_order, np.sign(between)) * (lacking + 0.01)
        places = places + np.where(overlap[..., np.newaxis], push, 0.0).sum(axis=1)
    return np.clip(places, np.minimum(boxes, inches) / 2, inches - np.minimum(boxes, inches) / 2)


def _without_overlaps(places, boxes):
    """Indices of the labels that overlap no earlier one."""
    kept = []
    for i, place in enumerate(places):
        if not np.any(np.all(2 * np.abs(place - places[kept]) < boxes[i] + boxes[kept], axis=1)):
            kept.append(i)
    return np.array(kept, dtype=int)


def _in_two_dimensions(Z, transformer):
    """Points of shape (n_samples, 2), and names of the axes."""
    n_features = Z.shape[1]
    if transformer is not None:
        try:
            points = clone(transformer).fit_transform(Z)
        except Exception as error:
            error.add_note(f"This comes from transformer={transformer!r}.")
            raise
        points = check_table(points, f"from transformer={transformer!r}", ensure_2d=False, allow_nd=True)
        check_magnitude(points, f"What transformer={transformer!r} gives")
        if points.ndim != 2 or len(points) != Z.shape[0] or points.shape[1] < 2:
            raise ValueError(
                f"transformer={transformer!r} gives an array of shape {points.shape}; a picture needs 2 columns for "
                f"each of the {Z.shape[0]} rows."
            )
        name = type(transformer).__name__
        return points[:, :2], (f"{name} 1", f"{name} 2")
    if n_features == 1:
        points = Z.toarray() if issparse(Z) else Z
        return np.column_stack([points, np.zeros(len(points))]), ("feature 1", "")
    if n_features == 2:
        return Z.toarray() if issparse(Z) else Z, ("feature 1", "feature 2")
    if Z.shape[0] == 1:
        raise ValueError(f"Z has one row of {n_features} features, which has no principal components. Give it others.")
    # PCA centres the rows, which would make sparse ones dense. TruncatedSVD does not centre.
    reducer = TruncatedSVD(2, random_state=0) if issparse(Z) else PCA(2, random_state=0)
    if not issparse(Z):
        # PCA may centre products of the rows instead, in which those far from the origin lose their digits.
        Z = Z - Z.mean(axis=0)
    # If all rows are the same, the variance is 0, and its shares are 0 / 0.
    with np.errstate(invalid="ignore"):
        points = np.asarray(reducer.fit_transform(Z))
    shares = np.nan_to_num(reducer.explained_variance_ratio_)
    return points, tuple(f"principal component {i}: {share:.0%} of the variance" for i, share in enumerate(shares, 1))
