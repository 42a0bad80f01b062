"""What sets the clusters of a partition apart."""

from collections.abc import Collection
from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_consistent_length

from .._data import iterate_blocks
from .._pipelines import check_takes_features, labels_and_space
from .._support._checks import about, check_magnitude, check_table
from .._support._typing import ArrayLike, Estimator, Int, Ints, MatrixLike, validate_params
from ..inspection._explain import compare_clusters
from ..inspection._partition import check_partition
from ._style import (
    HEIGHT_OF_BAR,
    check_image_shape,
    columns_of,
    horizontal_bars,
    length_with_names,
    most_panels,
    panels,
    show_images,
)
from ._text import fitted, height_of_lines, one_line, room, room_inside, title_panels, width_of, width_of_names

if TYPE_CHECKING:
    from ._style import Axes, Figure

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
    other rows, in standard deviations of all rows. Of a table with mixed columns, features are also the values of
    categories, the words of texts, dates and missing values, as `skdeepcluster.inspection.explain_clusters` has them,
    all on the same scale. The most typical rows of a cluster are those nearest to its mean, and shown as images or
    texts. Noise, with a negative label, is no cluster, but belongs to the other rows. Of more
    than 64 clusters, or of more than small axes have room for, those with the most rows are drawn, and the picture says
    so.

    Parameters
    ----------
    clusters : ndarray of shape (n_clusters,)
        Their labels.
    sizes : ndarray of int of shape (n_clusters,)
        Their numbers of rows.
    effects : ndarray of shape (n_clusters, n_features) or None
        Effect sizes, if these are what is drawn.
    feature_names : ndarray of str of shape (n_features,) or None
        Names of the features, such as ``age``, ``colour = red``, ``comment: "price"`` or ``income is missing``.
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
    axes_ : ndarray of matplotlib.axes.Axes
        A panel for each cluster that is drawn.
    figure_ : matplotlib.figure.Figure
        Their figure.

    See Also
    --------
    ClusterEmbeddingDisplay : Where the clusters lie.
    ClusterRulesDisplay : A short rule for each cluster.
    skdeepcluster.inspection.explain_clusters : Rules and effect sizes as numbers and as text.

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
    >>> model = make_pipeline(
    ...     StandardScaler(), autoencoder, KMeans(3, random_state=0)
    ... ).fit(iris.data)
    >>> display = ClusterProfileDisplay.from_estimator(
    ...     model, iris.data, feature_names=iris.feature_names
    ... )
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
        X : array-like, sparse matrix or frame of shape (n_samples, n_features)
            Data, as the estimator takes it; for effect sizes also a table with columns that its first steps encode.
            They leave out missing values. Of images, numbers.
        feature_names : array-like of str, default=None
            Names of the features, or columns, of X; None takes those that it has.
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
            If the estimator does not end in a clusterer, X is not what it takes, or has nothing to compare clusters by,
            or images are not numeric, both `image_shape` and `texts` are given, lengths or shapes do not fit, all rows
            are in one cluster, or X, or what typical rows would be found in, is precomputed distances.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        if texts is None:
            check_takes_features(estimator)
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
        X : array-like, sparse matrix or frame of shape (n_samples, n_features)
            The original features: for effect sizes a table of any columns, for images numbers. Effect sizes leave out
            missing values.
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
            If X is no table, or has nothing to compare clusters by, images are not numeric, both `image_shape` and
            `texts` are given, lengths or shapes do not fit, or all rows are in one cluster.
        """
        if image_shape is not None and texts is not None:
            raise ValueError("image_shape and texts are both given; rows are shown as images or as texts.")
        partition = check_partition(labels, X)
        clusters, sizes = partition.clusters, partition.sizes
        display = cls(clusters=clusters, sizes=sizes, n_shown=n_shown)
        if image_shape is None and texts is None:
            differences = compare_clusters(X, partition, "X", feature_names)
            display.feature_names = np.array(list(map(str, differences.features)), dtype=object)
            display.effects = differences.effects
            return display.plot(ax=ax)
        Z = check_table(X if Z is None else Z, "Z", sparse=True)
        check_magnitude(Z, "Z")
        with about("Z"):
            check_consistent_length(Z, partition.groups)
        display.n_shown = int(min(n_shown, sizes.max()))
        display.typical = [
            _most_typical(Z, np.flatnonzero(partition.groups == i), n_shown) for i in range(len(clusters))
        ]
        if texts is None:
            X = _check_pixels(X)
            shape = check_image_shape(image_shape, X.shape[1])
            images = [X[rows].toarray() if issparse(X) else X[rows] for rows in display.typical]
            display.images = [of_cluster.reshape(-1, *shape) for of_cluster in images]
        else:
            with about("texts"):
                check_consistent_length(texts, partition.groups)
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
        # The largest clusters, in the order of their labels.
        most = most_panels(ax, 0.5 + HEIGHT_OF_BAR * (self.n_shown if self.images is None else 1))
        shown = np.sort(np.argsort(-self.sizes, kind="stable")[:most])
        is_few = len(shown) <= 12
        # With many clusters the panels are too narrow for the word "cluster".
        word = "cluster " if is_few else ""
        titles = [(one_line(self.clusters[i]), f": {self.sizes[i]} rows") for i in shown]
        widest = max(width_of("".join(title)) for title in titles)
        if self.effects is not None:
            draw, n_columns, (width, height) = self._draw_effects, 3 if is_few else 5, self._size_with_effects(shown)
        elif self.images is not None:
            draw, n_columns = self._draw_images, 2 if is_few else 4
            width, height = np.clip(max(0.75 * self.n_shown, min(widest, 3.5)) + 0.4, 2.2, 16.0), 1.1
        else:
            draw, n_columns = self._draw_texts, 1 if len(shown) <= 25 else 2
            width, height = 7.5, 0.4 + 0.2 * self.n_shown
        if widest > width - 0.5:
            height += height_of_lines()
        left_out = len(shown) < len(self.clusters)
        self.ax_, self.axes_, header = panels(
            ax, len(shown), columns_of(n_columns, width), (width, height), header=left_out
        )
        if left_out:
            header.set_title(f"the {len(shown)} largest of {len(self.clusters)} clusters", fontsize="medium")
        draw(shown)
        title_panels(self.axes_, word, titles)
        self.figure_ = self.ax_.figure
        return self

    def _draw_effects(self, shown):
        for ax, effects in zip(self.axes_, self.effects[shown]):
            chosen = self._largest(effects)
            horizontal_bars(ax, effects[chosen], self.feature_names[chosen])
            # Each panel has its own scale: effects in a small cluster can be many times as large as in the others.
            largest = max(np.abs(effects).max(), np.finfo(float).tiny)
            ax.set_xlim(-1.05 * largest, 1.05 * largest)
            ax.tick_params(labelsize="small")
            if ax.get_subplotspec().is_last_row():
                width = room_inside(ax)[0] - width_of_names(ax)
                ax.set_xlabel(fitted("standard deviations", width, "small", n_lines=2), fontsize="small")

    def _largest(self, effects):
        return np.argsort(-np.abs(effects), kind="stable")[: self.n_shown]

    def _size_with_effects(self, shown):
        names = {self.feature_names[i] for effects in self.effects[shown] for i in self._largest(effects)}
        return length_with_names(names, 3.4), 0.6 + 0.22 * min(self.n_shown, self.effects.shape[1])

    def _draw_images(self, shown):
        images = [self.images[i] for i in shown]
        vmin, vmax = min(map(np.min, images)), max(map(np.max, images))
        for ax, of_cluster in zip(self.axes_, images):
            # Fill up the rows of small clusters, so that images have the same size in all panels.
            padding = np.full((self.n_shown - len(of_cluster), *of_cluster.shape[1:]), np.nan)
            show_images(ax, np.concatenate([of_cluster, padding]), self.n_shown, vmin, vmax)
            ax.set_anchor("W")

    def _draw_texts(self, shown):
        for ax, i in zip(self.axes_, shown):
            width, _ = room(ax)
            ax.set(xticks=[], yticks=[])
            ax.set_axis_off()
            for place, text in enumerate(self.texts[i]):
                y = 1 - (place + 0.5) / self.n_shown
                short = fitted(text, width - 0.4, "small")
                drawn = ax.text(0.01, y, short, va="center", fontsize="small", parse_math=False)
                # It is within the axes, and must not move their frame.
                drawn.set_in_layout(False)


def _check_pixels(X):
    try:
        checked = check_table(X, "X", sparse=True)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"X must be a two-dimensional array of numbers to be shown as images: {error} Pass what the preprocessing "
            "makes of it to from_predictions."
        ) from error
    check_magnitude(checked, "X")
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
