"""Short rules that describe the clusters of a partition."""

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.utils._param_validation import HasMethods

from .._pipelines import check_takes_features, labels_and_space
from .._support._typing import ArrayLike, Estimator, Int, MatrixLike, RandomState, validate_params
from ..inspection import ClusterExplanation
from ..inspection._explain import EXPLAINING, SAMPLE_SIZE, explained
from ._style import INK, LINE_COLORS, MOST_SHOWN, PALE, axes_or_new
from ._text import fitted, height_of_lines, legend_above, name_axes, name_y_ticks, room, room_inside, width_of_names

if TYPE_CHECKING:
    from ._style import Axes, Figure

# Inches from one bar to the next, and of both bars of a cluster with the space around them.
_BAR, _BARS = 0.12, 0.36


class ClusterRulesDisplay:
    """A short rule for each cluster, with its precision and recall on rows that rules were not grown on.

    The precision is the share of the cluster among the rows that fulfil the rule. Beside it is a line at the share of
    the cluster among all rows: a rule that is no more precise says nothing. The recall is the share of its rows that
    fulfil the rule. Of more than 64 clusters, or of more than small axes have room for, those with the most rows are
    drawn, and the picture says so.

    Parameters
    ----------
    explanation : ClusterExplanation
        What `skdeepcluster.inspection.explain_clusters` returns.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        Its figure.

    See Also
    --------
    ClusterProfileDisplay : What sets the clusters apart, feature by feature.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdeepcluster.plotting import ClusterRulesDisplay
    >>> iris = load_iris()
    >>> display = ClusterRulesDisplay.from_predictions(
    ...     iris.data,
    ...     iris.target_names[iris.target],
    ...     feature_names=iris.feature_names,
    ...     random_state=0,
    ... )
    >>> print(display.explanation.rules[0])
    petal length (cm) <= 2.5
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(self, *, explanation: ClusterExplanation) -> None:
        self.explanation = explanation

    @classmethod
    @validate_params(
        {"estimator": [HasMethods("fit")], "X": "no_validation", **EXPLAINING, "ax": "no_validation"},
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator: Estimator,
        X: MatrixLike,
        *,
        max_conditions: Int = 4,
        feature_names: ArrayLike | None = None,
        sample_size: Int | None = SAMPLE_SIZE,
        random_state: RandomState = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw rules for the clusters that a fitted clusterer gives X.

        Parameters
        ----------
        estimator : estimator
            Fitted clusterer, or pipeline that ends in one. Without ``predict``, as DBSCAN is, a clone of it is fitted
            to X.
        X : array-like, sparse matrix or frame of shape (n_samples, n_columns)
            Data, as the estimator takes it, such as a table with columns that its first steps encode. Rules are about
            these columns.
        max_conditions, feature_names, sample_size, random_state
            As in `skdeepcluster.inspection.explain_clusters`.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ClusterRulesDisplay

        Raises
        ------
        ValueError
            If the estimator does not end in a clusterer, X is not what it takes, or is precomputed distances, or
            `explain_clusters` could not explain its clusters.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        check_takes_features(estimator)
        labels, _ = labels_and_space(estimator, X, "code", may_be_distances=True)
        return cls.from_predictions(
            X,
            labels,
            max_conditions=max_conditions,
            feature_names=feature_names,
            sample_size=sample_size,
            random_state=random_state,
            ax=ax,
        )

    @classmethod
    @validate_params(
        {"X": "no_validation", "labels": ["array-like"], **EXPLAINING, "ax": "no_validation"},
        prefer_skip_nested_validation=True,
    )
    def from_predictions(
        cls,
        X: MatrixLike,
        labels: ArrayLike,
        *,
        max_conditions: Int = 4,
        feature_names: ArrayLike | None = None,
        sample_size: Int | None = SAMPLE_SIZE,
        random_state: RandomState = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw rules for the clusters of a partition.

        Parameters
        ----------
        X : array-like, sparse matrix or frame of shape (n_samples, n_columns)
            The table that rules are to be about.
        labels : array-like of shape (n_samples,)
            Cluster of every row; negative ones are noise.
        max_conditions, feature_names, sample_size, random_state
            As in `skdeepcluster.inspection.explain_clusters`.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ClusterRulesDisplay

        Raises
        ------
        ValueError, TypeError
            As in `skdeepcluster.inspection.explain_clusters`.
        """
        explanation = explained(
            X,
            labels,
            "X",
            max_conditions=max_conditions,
            feature_names=feature_names,
            sample_size=sample_size,
            random_state=random_state,
        )
        return cls(explanation=explanation).plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the rules, and bars of their precision and recall.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : ClusterRulesDisplay
            With the attributes that end in ``_``.
        """
        explanation, line = self.explanation, height_of_lines(1, "small")
        most = MOST_SHOWN
        if ax is not None:
            most = np.clip(int(room_inside(axes_or_new(ax, None))[1] / (line + _BARS)), 1, MOST_SHOWN)
        shown = np.sort(np.argsort(-explanation.sizes, kind="stable")[:most])
        ax = axes_or_new(ax, (8.0, 1.2 + len(shown) * (2 * line + _BARS)))
        n_rows = explanation.sizes.sum() + explanation.n_noise
        places, height = np.arange(len(shown)), room_inside(ax)[1] / len(shown)
        for scores, name, color, row in (
            (explanation.precision, "precision", LINE_COLORS[0], 2),
            (explanation.recall, "recall", LINE_COLORS[4], 1),
        ):
            bars = places + 1 - row * _BAR / height
            ax.barh(bars, scores[shown], 0.8 * _BAR / height, color=color, label=name)
            if name == "precision":
                of_all = {"label": "share of all rows", "color": INK, "linewidth": 1.5}
                half = 0.6 * _BAR / height
                ax.vlines(explanation.sizes[shown] / n_rows, bars - half, bars + half, **of_all)
        ax.hlines(places[1:], 0, 1, color=PALE, linewidth=0.5)
        ax.set(xlim=(0, 1), ylim=(len(shown), 0))
        title = None
        if len(shown) < len(explanation.clusters):
            title = f"the {len(shown)} largest of {len(explanation.clusters)} clusters"
        name_axes(ax, "on rows that rules were not grown on", "cluster")
        names = [f"{explanation.clusters[i]}: {explanation.sizes[i]} rows" for i in shown]
        name_y_ticks(ax, places + 0.5, names, size="small")
        ax.tick_params(axis="y", length=0)
        self._write_rules(ax, shown, height)
        legend_above(ax, title=title)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _write_rules(self, ax, shown, height):
        line = height_of_lines(1, "small")
        n_lines = int(np.clip((height - _BARS) / line, 1, 3))
        width = room(ax)[0] - width_of_names(ax) - 0.6
        for place, i in enumerate(shown):
            short = fitted(str(self.explanation.rules[i]), width, "small", n_lines)
            y = place + (height - _BARS) / height / 2
            drawn = ax.text(0.01, y, short, va="center", fontsize="small", parse_math=False)
            # It is within the axes, and must not move their frame.
            drawn.set_in_layout(False)
