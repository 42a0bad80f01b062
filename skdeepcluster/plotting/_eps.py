"""The curve by which DBSCAN's eps is chosen."""

from numbers import Integral
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.utils._param_validation import HasMethods, Interval

from .._pipelines import split_at_clusterer, transform_by
from .._support._checks import POSITIVE, check_magnitude
from .._support._typing import Estimator, Float, Int, MatrixLike, validate_params
from ..clustering import NeighborAssigner
from ..metrics._points import DISTANCE
from ..model_selection import estimate_eps
from ._style import INK, LINE_COLORS, axes_or_new
from ._text import legend_above, name_axes

if TYPE_CHECKING:
    from ._style import Axes, Figure


class KDistanceDisplay:
    """The distance of every row to its k-th nearest, ascending: the curve by which DBSCAN's eps is chosen.

    Rows within clusters make its flat part, and noise its rise. Textbooks put eps at the knee between them. Where
    clusters touch there is no such knee, and lower heights along the curve are to be tried.

    Parameters
    ----------
    distances : ndarray of shape (n_samples,)
        Ascending; the row itself is the first of the k, as DBSCAN counts.
    knee : int
        Position of the knee.
    min_samples : int
        k.
    eps : float or None
        Height to mark, if there is one.
    distance : {"euclidean", "cosine"}, default="euclidean"
        What the distances are.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        Its figure.

    See Also
    --------
    skdeepcluster.model_selection.estimate_eps : The curve and its knee.

    References
    ----------
    M. Ester, H.-P. Kriegel, J. Sander, X. Xu, "A density-based algorithm for discovering clusters", 1996, section 4.2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdeepcluster.plotting import KDistanceDisplay
    >>> display = KDistanceDisplay.from_data(load_iris().data, min_samples=5)
    >>> display.distances.shape
    (150,)
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        distances: np.ndarray,
        knee: int,
        min_samples: Int,
        eps: Float | None = None,
        distance: Literal["euclidean", "cosine"] = "euclidean",
    ) -> None:
        self.distances = distances
        self.knee = knee
        self.min_samples = min_samples
        self.eps = eps
        self.distance = distance

    @classmethod
    @validate_params(
        {"estimator": [HasMethods("fit")], "X": "no_validation", "ax": "no_validation"},
        prefer_skip_nested_validation=False,
    )
    def from_estimator(cls, estimator: Estimator, X: MatrixLike, *, ax: "Axes | None" = None) -> Self:
        """Draw the curve of what a DBSCAN receives, with its eps, by its metric, the Euclidean or cosine.

        Parameters
        ----------
        estimator : estimator
            `sklearn.cluster.DBSCAN`, a `skdeepcluster.clustering.NeighborAssigner` of one, or pipeline that ends in
            either, whose other steps are fitted.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, as the estimator takes it.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : KDistanceDisplay

        Raises
        ------
        ValueError
            If the estimator does not end in a DBSCAN, its metric is neither, or `estimate_eps` raises one.
        """
        features, clusterer = split_at_clusterer(estimator)
        clusterer = clusterer.clusterer if isinstance(clusterer, NeighborAssigner) else clusterer
        if not isinstance(clusterer, DBSCAN) or clusterer.metric not in ("euclidean", "cosine"):
            raise ValueError(
                "A DBSCAN with metric='euclidean' or 'cosine', or a pipeline that ends in one, is needed, but got "
                f"{clusterer!r}. Give other rows to from_data."
            )
        Z = transform_by([step for _, step in features], X)
        return cls.from_data(Z, clusterer.min_samples, eps=clusterer.eps, distance=clusterer.metric, ax=ax)

    @classmethod
    @validate_params(
        {
            "Z": ["array-like", "sparse matrix"],
            "min_samples": [Interval(Integral, 2, None, closed="left")],
            "eps": [POSITIVE, None],
            "distance": [DISTANCE],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_data(
        cls,
        Z: MatrixLike,
        min_samples: Int = 5,
        *,
        eps: Float | None = None,
        distance: Literal["euclidean", "cosine"] = "euclidean",
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the curve of rows.

        Parameters
        ----------
        Z : array-like or sparse matrix of shape (n_samples, n_features)
            What DBSCAN will receive, such as the code.
        min_samples : int, default=5
            That of DBSCAN.
        eps : float, default=None
            Height to mark beside the knee.
        distance : {"euclidean", "cosine"}, default="euclidean"
            DBSCAN's ``metric``.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : KDistanceDisplay

        Raises
        ------
        ValueError
            As `skdeepcluster.model_selection.estimate_eps`, and if the values are so large that no axis can show them.
        """
        estimate, eps = estimate_eps(Z, min_samples, distance=distance), None if eps is None else float(eps)
        check_magnitude(np.append(estimate.distances, 0.0 if eps is None else eps), "The curve of Z, or eps,")
        display = cls(
            distances=estimate.distances, knee=estimate.knee, min_samples=min_samples, eps=eps, distance=distance
        )
        return display.plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : KDistanceDisplay
            With the attributes that end in ``_``.
        """
        ax = axes_or_new(ax, (6.4, 4.0))
        ax.plot(np.arange(1, len(self.distances) + 1), self.distances, color=LINE_COLORS[0], linewidth=2)
        at_knee = self.distances[self.knee]
        label = f"knee: {at_knee:.3g}, {self._share_within(at_knee):.0%} of the rows"
        ax.plot(self.knee + 1, at_knee, "o", color=LINE_COLORS[1], label=label)
        if self.eps is not None:
            label = f"eps = {self.eps:.3g}, {self._share_within(self.eps):.0%} of the rows"
            ax.axhline(self.eps, color=INK, linestyle="--", linewidth=1, label=label)
        ax.set_ylim(0, None)
        kind = "cosine " if self.distance == "cosine" else ""
        name_axes(ax, "rows, sorted", f"{kind}distance to the {self.min_samples}-th nearest row")
        legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _share_within(self, distance):
        return np.mean(self.distances <= distance)
