"""How well the clusters of a partition are separated."""

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods

from .._pipelines import labels_and_space
from .._support._typing import ArrayLike, Estimator, Int, MatrixLike, RandomState, validate_params
from ..metrics._internal import SCORING_CONSTRAINTS
from ..metrics._labels import check_clusters, is_noise
from ..metrics._points import check_points, points_of
from ..metrics._silhouette import silhouette_samples
from ._style import INK, axes_or_new, cluster_filling
from ._text import legend_above, name_axes, name_y_ticks

if TYPE_CHECKING:
    from ._style import Axes, Figure

_OPTIONS = {name: SCORING_CONSTRAINTS[name] for name in ("sample_size", "random_state", "distance")}


class SilhouetteDisplay:
    """The silhouettes of all rows, cluster by cluster, with their mean.

    Within a cluster they are sorted. Good clusters are wide to the right; rows left of 0 are nearer to another cluster
    than to their own. The height of a cluster is its number of rows, but at least 0.6 of the mean, so that its
    label can be read. Noise, with a negative label, is left out.

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
    >>> display = SilhouetteDisplay.from_predictions(
    ...     [[0.0], [1.0], [10.0], [11.0]], [0, 0, 1, 1]
    ... )
    >>> display.silhouettes.round(2)
    array([0.9 , 0.89, 0.89, 0.9 ])
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(self, *, silhouettes: np.ndarray, labels: np.ndarray) -> None:
        self.silhouettes = silhouettes
        self.labels = labels

    @classmethod
    @validate_params(
        {
            "estimator": [HasMethods("fit")],
            "X": "no_validation",
            "space": [str],
            **_OPTIONS,
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator: Estimator,
        X: MatrixLike,
        *,
        space: str = "input",
        sample_size: Int | None = None,
        random_state: RandomState = None,
        distance: Literal["euclidean", "cosine"] = "euclidean",
        ax: "Axes | None" = None,
    ) -> Self:
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
        distance : {"euclidean", "cosine"}, default="euclidean"
            As in `skdeepcluster.metrics.clustering_report`.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : SilhouetteDisplay

        Raises
        ------
        ValueError
            If the estimator does not end in a clusterer, X is not what it takes, it finds fewer than two clusters, or
            `space` is precomputed distances, and no features.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        labels, Z = labels_and_space(estimator, X, space)
        return cls.from_predictions(
            Z, labels, sample_size=sample_size, random_state=random_state, distance=distance, ax=ax
        )

    @classmethod
    @validate_params(
        {"Z": ["array-like", "sparse matrix"], "labels": ["array-like"], **_OPTIONS, "ax": "no_validation"},
        prefer_skip_nested_validation=True,
    )
    def from_predictions(
        cls,
        Z: MatrixLike,
        labels: ArrayLike,
        *,
        sample_size: Int | None = None,
        random_state: RandomState = None,
        distance: Literal["euclidean", "cosine"] = "euclidean",
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the silhouettes of a partition.

        Parameters
        ----------
        Z : array-like or sparse matrix of shape (n_samples, n_features)
            The rows in the space to measure in.
        labels : array-like of shape (n_samples,)
            Cluster of every row; negative ones are noise.
        sample_size, random_state, distance, ax
            As in `from_estimator`.

        Returns
        -------
        display : SilhouetteDisplay

        Raises
        ------
        ValueError
            If Z is not finite and two-dimensional, the lengths differ, or there are fewer than two clusters.
        """
        Z = check_points(Z, "Z")
        labels = check_clusters(labels, Z)
        kept = np.flatnonzero(~is_noise(labels))
        if sample_size is not None and sample_size < len(kept):
            kept = np.sort(check_random_state(random_state).permutation(kept)[:sample_size])
        Z, labels = Z[kept], labels[kept]
        if len(np.unique(labels)) < 2:
            raise ValueError(
                f"A silhouette needs at least 2 clusters, but the {len(labels)} rows to draw, without noise, have "
                f"{len(np.unique(labels))}. Ask for more clusters, or a smaller eps."
            )
        return cls(silhouettes=silhouette_samples(points_of(Z, distance), labels), labels=labels).plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
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
        ax = axes_or_new(ax, (6.4, np.clip(0.3 * len(clusters), 4.0, 40.0)))
        mean_size = len(self.labels) / len(clusters)
        heights, gap = np.maximum(sizes, 0.6 * mean_size), 0.15 * mean_size
        starts = np.cumsum([0, *(heights[:-1] + gap)])
        for i, (cluster, start, tall) in enumerate(zip(clusters, starts, heights)):
            widths = np.sort(self.silhouettes[self.labels == cluster])[::-1]
            # Draw every row as a step. A line through the rows would not show a cluster of one row.
            y = np.linspace(start, start + tall, len(widths) + 1)
            ax.fill_betweenx(y, 0, [*widths, widths[-1]], step="post", **cluster_filling(i))
        ax.axvline(0, color=INK, linewidth=0.8)
        mean = np.mean(self.silhouettes)
        ax.axvline(mean, color=INK, linestyle="--", label=f"mean: {mean:.3f}")
        ax.set_ylim(starts[-1] + heights[-1] + gap, -gap)
        name_axes(ax, "silhouette", "cluster")
        name_y_ticks(ax, starts + heights / 2, clusters, size="small" if len(clusters) > 15 else "medium")
        ax.tick_params(axis="y", length=0)
        legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self
