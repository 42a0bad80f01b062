"""What sets the clusters of a partition apart."""

from collections.abc import Collection
from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import check_consistent_length

from .._data import iterate_blocks
from .._pipelines import column_names, labels_and_space, split_at_clusterer, takes_distances
from .._support._checks import about, check_table
from .._support._typing import ArrayLike, Estimator, Int, Ints, MatrixLike, validate_params
from ..metrics._labels import check_clusters, is_noise
from ._style import (
    check_drawable,
    check_feature_names,
    check_image_shape,
    horizontal_bars,
    panels,
    shortened,
    show_images,
)

if TYPE_CHECKING:
    from ._style import Axes, Figure

_N_CHARACTERS = 70
_SHOWN = {
    "feature_names": ["array-like", None],
    "image_shape": ["array-like", None],
    "texts": ["array-like", None],
    "n_shown": [Interval(Integral, 1, None, closed="left")],
    "ax": "no_validation",
}


class ClusterProfileDisplay:
    """What sets each cluster apart: the features with the largest effect sizes, or its most typical rows.

    The effect size of a feature in a cluster is the difference between its mean in the cluster and its mean in all
    other rows, in standard deviations of all rows. The most typical rows of a cluster are those nearest to its mean,
    and shown as images or texts. Noise, with a negative label, is no cluster, but belongs to the other rows.

    Parameters
    ----------
    clusters : ndarray of shape (n_clusters,)
        Their labels.
    sizes : ndarray of int of shape (n_clusters,)
        Their numbers of rows.
    effects : ndarray of shape (n_clusters, n_features) or None
        Effect sizes, if these are what is drawn.
    feature_names : ndarray of str of shape (n_features,) or None
        Names of the features.
    n_shown : int
        Number of features for each cluster.
    typical : list of ndarray of int or None
        Positions of the most typical rows of every cluster, the nearest to its mean first.
    images : list of ndarray of shape (n_images, height, width) or (n_images, height, width, 3), or None
        These rows as images.
    texts : list of list of str or None
        These rows as texts.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    axes_ : ndarray of matplotlib.axes.Axes of shape (n_clusters,)
        A panel for each cluster.
    figure_ : matplotlib.figure.Figure
        Their figure.

    See Also
    --------
    ClusterEmbeddingDisplay : Where the clusters lie.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.plotting import ClusterProfileDisplay
    >>> iris = load_iris()
    >>> autoencoder = SparseAutoencoderTransformer(8, random_state=0)
    >>> model = make_pipeline(StandardScaler(), autoencoder, KMeans(3, random_state=0)).fit(iris.data)
    >>> display = ClusterProfileDisplay.from_estimator(model, iris.data, feature_names=iris.feature_names)
    >>> display.effects.shape
    (3, 4)
    """

    ax_: "Axes"
    axes_: np.ndarray
    figure_: "Figure"

    def __init__(
        self,
        *,
        clusters: np.ndarray,
        sizes: np.ndarray,
        effects: np.ndarray | None = None,
        feature_names: np.ndarray | None = None,
        n_shown: Int = 5,
        typical: list[np.ndarray] | None = None,
        images: list[np.ndarray] | None = None,
        texts: list[list[str]] | None = None,
    ) -> None:
        self.clusters = clusters
        self.sizes = sizes
        self.effects = effects
        self.feature_names = feature_names
        self.n_shown = n_shown
        self.typical = typical
        self.images = images
        self.texts = texts

    @classmethod
    @validate_params(
        {"estimator": [HasMethods("fit")], "X": "no_validation", **_SHOWN}, prefer_skip_nested_validation=True
    )
    def from_estimator(
        cls,
        estimator: Estimator,
        X: MatrixLike,
        *,
        feature_names: ArrayLike | None = None,
        image_shape: Ints | None = None,
        texts: Collection[str] | None = None,
        n_shown: Int = 5,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the clusters that a fitted clusterer gives X.

        Typical rows are near to the mean in the space that the clusterer sees, which is the code if an autoencoder
        comes before it.

        Parameters
        ----------
        estimator : estimator
            Fitted clusterer, or pipeline that ends in one. Without ``predict``, as DBSCAN is, a clone of it is fitted
            to X.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, as the estimator takes it. Of numbers, unless there are `texts`. Effect sizes leave out NaN.
        feature_names : array-like of str, default=None
            Names of the features of X; None takes those that it has.
        image_shape : (int, int) or (int, int, 3), default=None
            Height and width of images, one of which is a row of X; with 3 colours of each pixel. Draws the most typical
            rows as images.
        texts : array-like of str of shape (n_samples,), default=None
            A text for each row. Draws those of the most typical rows.
        n_shown : int, default=5
            Number of features, or of rows, for each cluster.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ClusterProfileDisplay

        Raises
        ------
        ValueError
            If the estimator does not end in a clusterer, X is not what it takes or not numeric, both `image_shape` and
            `texts` are given, lengths or shapes do not fit, all rows are in one cluster, or X, or what typical rows
            would be found in, is precomputed distances.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        features, clusterer = split_at_clusterer(estimator)
        _, first = [*features, ("", clusterer)][0]
        if texts is None and takes_distances(first):
            raise ValueError(
                f"{first!r} takes distances between rows as X, and no features that could be shown. Give the features, "
                "and the labels, to from_predictions."
            )
        are_effects = image_shape is None and texts is None
        labels, Z = labels_and_space(estimator, X, "code", may_be_distances=are_effects)
        return cls.from_predictions(
            X, labels, Z=Z, feature_names=feature_names, image_shape=image_shape, texts=texts, n_shown=n_shown, ax=ax
        )

    @classmethod
    @validate_params(
        {"X": "no_validation", "labels": ["array-like"], "Z": ["array-like", "sparse matrix", None], **_SHOWN},
        prefer_skip_nested_validation=True,
    )
    def from_predictions(
        cls,
        X: MatrixLike,
        labels: ArrayLike,
        *,
        Z: MatrixLike | None = None,
        feature_names: ArrayLike | None = None,
        image_shape: Ints | None = None,
        texts: Collection[str] | None = None,
        n_shown: Int = 5,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the clusters of a partition.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The original features. Of numbers, unless there are `texts`. Effect sizes leave out NaN.
        labels : array-like of shape (n_samples,)
            Cluster of every row; negative ones are noise.
        Z : array-like or sparse matrix of shape (n_samples, n_components), default=None
            The space in which rows near to the mean of a cluster are typical, such as the code; None is X.
        feature_names, image_shape, texts, n_shown, ax
            As in `from_estimator`.

        Returns
        -------
        display : ClusterProfileDisplay

        Raises
        ------
        ValueError
            If an array is not numeric and two-dimensional, both `image_shape` and `texts` are given, lengths or shapes
            do not fit, or all rows are in one cluster.
        """
        if image_shape is not None and texts is not None:
            raise ValueError("image_shape and texts are both given; rows are shown as images or as texts.")
        labels = check_clusters(labels, X)
        clusters, sizes = np.unique(labels[~is_noise(labels)], return_counts=True)
        if len(clusters) == 0:
            raise ValueError(
                "Every row is noise, with a negative label: there are no clusters. Raise eps or lower min_samples."
            )
        display = cls(clusters=clusters, sizes=sizes, n_shown=n_shown)
        if image_shape is None and texts is None:
            checked = _check_numeric(X, ensure_all_finite="allow-nan")
            names = column_names(X) if feature_names is None else feature_names
            X, display.feature_names = checked, check_feature_names(names, checked.shape[1])
            display.effects = effect_sizes(X, labels, clusters)
            return display.plot(ax=ax)
        Z = check_table(X if Z is None else Z, "Z", sparse=True)
        check_drawable(Z, "Z")
        with about("Z"):
            check_consistent_length(Z, labels)
        display.n_shown = int(min(n_shown, sizes.max()))
        display.typical = [_most_typical(Z, np.flatnonzero(labels == cluster), n_shown) for cluster in clusters]
        if texts is None:
            X = _check_numeric(X)
            shape = check_image_shape(image_shape, X.shape[1])
            images = [X[rows].toarray() if issparse(X) else X[rows] for rows in display.typical]
            display.images = [of_cluster.reshape(-1, *shape) for of_cluster in images]
        else:
            with about("texts"):
                check_consistent_length(texts, labels)
            texts = list(texts)
            display.texts = [[str(texts[row]) for row in rows] for rows in display.typical]
        return display.plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw a panel for each cluster.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : ClusterProfileDisplay
            With the attributes that end in ``_``.
        """
        n_clusters = len(self.clusters)
        if self.effects is not None:
            n_shown = min(self.n_shown, self.effects.shape[1])
            self.ax_, self.axes_ = panels(ax, n_clusters, 3 if n_clusters <= 12 else 5, (3.4, 0.6 + 0.22 * n_shown))
            self._draw_effects(n_shown)
        elif self.images is not None:
            self.ax_, self.axes_ = panels(
                ax, n_clusters, 2 if n_clusters <= 12 else 4, (0.75 * self.n_shown + 0.4, 1.1)
            )
            self._draw_images()
        else:
            n_columns = 1 if n_clusters <= 25 else 2
            self.ax_, self.axes_ = panels(ax, n_clusters, n_columns, (7.5, 0.4 + 0.2 * self.n_shown))
            self._draw_texts()
        # With many clusters the panels are too narrow for the word "cluster".
        word = "cluster " if n_clusters <= 12 else ""
        for ax, cluster, size in zip(self.axes_, self.clusters, self.sizes):
            ax.set_title(f"{word}{cluster}: {size} rows", fontsize="medium", loc="left", parse_math=False)
        self.figure_ = self.ax_.figure
        return self

    def _draw_effects(self, n_shown):
        for ax, effects in zip(self.axes_, self.effects):
            chosen = np.argsort(-np.abs(effects), kind="stable")[:n_shown]
            horizontal_bars(ax, effects[chosen], self.feature_names[chosen])
            # Each panel has its own scale: effects in a small cluster can be many times as large as in the others.
            largest = max(np.abs(effects).max(), np.finfo(float).tiny)
            ax.set_xlim(-1.05 * largest, 1.05 * largest)
            ax.tick_params(labelsize="small")
            if ax.get_subplotspec().is_last_row():
                ax.set_xlabel("standard deviations", fontsize="small")

    def _draw_images(self):
        vmin, vmax = min(map(np.min, self.images)), max(map(np.max, self.images))
        for ax, images in zip(self.axes_, self.images):
            # Fill up the rows of small clusters, so that images have the same size in all panels.
            padding = np.full((self.n_shown - len(images), *images.shape[1:]), np.nan)
            show_images(ax, np.concatenate([images, padding]), self.n_shown, vmin, vmax)

    def _draw_texts(self):
        for ax, texts in zip(self.axes_, self.texts):
            ax.set_axis_off()
            for i, text in enumerate(texts):
                y = 1 - (i + 0.5) / self.n_shown
                ax.text(0.01, y, shortened(text, _N_CHARACTERS), va="center", fontsize="small", parse_math=False)


def effect_sizes(X, labels, clusters):
    """Mean of every feature in a cluster minus its mean in all other rows, in standard deviations of all rows.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_samples, n_features)
        NaN is left out.
    labels : ndarray of shape (n_samples,)
    clusters : ndarray of shape (n_clusters,)
        Labels of the clusters.

    Returns
    -------
    effects : ndarray of shape (n_clusters, n_features)
        0 for a feature that does not vary, or that has no values inside or outside the cluster.
    """
    if np.isin(labels, clusters[:1]).all():
        raise ValueError("All rows are in one cluster, which no feature sets apart; ask for more clusters.")
    is_in = csr_array(labels == clusters[:, np.newaxis], dtype=np.float64)
    if issparse(X):
        sums, counts = (is_in @ X).toarray(), is_in.sum(axis=1)[:, np.newaxis]
        n, (mean, variance) = X.shape[0], mean_variance_axis(X.astype(np.float64), axis=0)
    else:
        known = ~np.isnan(X)
        sums, counts, n = is_in @ np.where(known, X, 0.0), is_in @ known, known.sum(axis=0)
        with np.errstate(invalid="ignore"):
            mean = np.where(known, X, 0.0).sum(axis=0, dtype=np.float64) / n
            variance = (np.where(known, X - mean, 0.0) ** 2).sum(axis=0) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        differences = sums / counts - (n * mean - sums) / (n - counts)
        # A variance this small is a rounding error: the feature is constant.
        varies = variance > (1e-12 * np.abs(mean)) ** 2
        return np.nan_to_num(np.where(varies, differences / np.sqrt(variance), 0.0), posinf=0.0, neginf=0.0)


def _check_numeric(X, **options):
    try:
        checked = check_table(X, "X", sparse=True, **options)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"X must be a two-dimensional array of numbers: {error} Pass what the preprocessing makes of it to "
            "from_predictions, with its feature names."
        ) from error
    check_drawable(checked, "X")
    return checked


def _most_typical(Z, rows, n_shown):
    """The n_shown of the given rows of Z that are nearest to the mean of these rows, the nearest first."""
    Z = Z[rows]
    mean = np.asarray(Z.mean(axis=0, dtype=np.float64)).ravel()
    # From differences: products would lose their digits where rows are far from the origin.
    distances = np.concatenate(
        [
            np.linalg.norm((block.toarray() if issparse(block) else block) - mean, axis=1)
            for _, block in iterate_blocks(Z)
        ]
    )
    return rows[np.argsort(distances, kind="stable")[:n_shown]]
