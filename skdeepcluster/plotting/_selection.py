"""The scores of a search."""

from collections import Counter
from numbers import Real
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from .._support._typing import validate_params
from ..model_selection import ClusteringSearch
from ..model_selection._grid import values_of
from ._style import INK, LARGEST_DRAWN, LINE_COLORS, PALE, length_with_names, panels
from ._text import fitted, legend_above, name_axes, name_x_ticks, name_y_ticks, room

if TYPE_CHECKING:
    from ._style import Axes, Figure

# The axis of a parameter is logarithmic if its largest value is at least this many times its smallest one.
_LOG_RATIO = 8

# Number of panels side by side, when there is one for each parameter.
_N_COLUMNS = 3

_KIND = {"kind": [StrOptions({"parameters", "spaces"})], "ax": "no_validation"}


class SearchDisplay:
    """The scores of a `skdeepcluster.model_selection.ClusteringSearch`.

    Parameters
    ----------
    values : dict of ndarray of shape (n_candidates,)
        Of every parameter that differs between candidates, the value of each candidate, set by its grid or not; masked
        for a candidate without this parameter, such as the eps of a KMeans.
    scores : dict of ndarray of shape (n_candidates,)
        By metric, the mean rank of each candidate as a share, 1 for the best; NaN for one that was not ranked.
    score : ndarray of shape (n_candidates,)
        Their weighted mean, by which the search chose.
    score_matrix : dict of ndarray of shape (n_spaces, n_candidates)
        By internal metric, the score of every partition in every space; NaN where there is none.
    best_index : int
        The candidate that was chosen.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    axes_ : ndarray of matplotlib.axes.Axes
        The panels: one for each parameter, or for each internal metric.
    figure_ : matplotlib.figure.Figure
        Their figure.

    See Also
    --------
    skdeepcluster.model_selection.ClusteringSearch : The search.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.model_selection import ClusteringSearch
    >>> from skdeepcluster.plotting import SearchDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> autoencoder = SparseAutoencoderTransformer(8)
    >>> model = Pipeline(
    ...     [
    ...         ("scale", StandardScaler()),
    ...         ("autoencoder", autoencoder),
    ...         ("cluster", KMeans(3)),
    ...     ]
    ... )
    >>> grid = {"autoencoder__rho": [0.1, 0.5], "autoencoder__lam": [0.001, 0.03]}
    >>> search = ClusteringSearch(model, grid, random_state=0).fit(X)
    >>> display = SearchDisplay.from_estimator(search)
    >>> list(display.scores)
    ['neighbor_information', 'davies_bouldin', 'reconstruction']
    """

    ax_: "Axes"
    axes_: np.ndarray
    figure_: "Figure"

    def __init__(
        self,
        *,
        values: dict[str, np.ndarray],
        scores: dict[str, np.ndarray],
        score: np.ndarray,
        score_matrix: dict[str, np.ndarray],
        best_index: int,
    ) -> None:
        self.values = values
        self.scores = scores
        self.score = score
        self.score_matrix = score_matrix
        self.best_index = best_index

    @classmethod
    @validate_params({"estimator": [ClusteringSearch], **_KIND}, prefer_skip_nested_validation=True)
    def from_estimator(
        cls,
        estimator: ClusteringSearch,
        *,
        kind: Literal["parameters", "spaces"] = "parameters",
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the scores of a fitted search.

        Parameters
        ----------
        estimator : ClusteringSearch
            Fitted search.
        kind : {"parameters", "spaces"}, default="parameters"
            See `plot`.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : SearchDisplay

        Raises
        ------
        ValueError
            If ``kind="parameters"`` and the grid has one candidate, or ``kind="spaces"`` and the search ranked by no
            internal metric.
        sklearn.exceptions.NotFittedError
            If the search is not fitted.
        """
        check_is_fitted(estimator)
        results = estimator.cv_results_
        names = [name.removeprefix("param_") for name in results if name.startswith("param_")]
        values = {name: values_of(estimator.estimator, results["params"], name) for name in names}
        display = cls(
            values={name: column for name, column in values.items() if len(_distinct(column.compressed())) > 1},
            scores={
                name.removeprefix("score_"): column for name, column in results.items() if name.startswith("score_")
            },
            score=results["score"],
            score_matrix=estimator.score_matrix_,
            best_index=estimator.best_index_,
        )
        return display.plot(kind=kind, ax=ax)

    @validate_params(_KIND, prefer_skip_nested_validation=True)
    def plot(self, *, kind: Literal["parameters", "spaces"] = "parameters", ax: "Axes | None" = None) -> Self:
        """Draw the scores.

        Parameters
        ----------
        kind : {"parameters", "spaces"}, default="parameters"
            "parameters": over every parameter of the grid, the mean of each score over all candidates that share the
            value, and the score of each candidate as a point. Lines that cross are a trade-off. "spaces": for every
            internal metric the matrix of the scores of all partitions, from the best candidate to the worst, in all
            spaces that served as yardsticks.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : SearchDisplay
            With the attributes that end in ``_``.

        Raises
        ------
        ValueError
            If there is nothing of that kind to draw.
        """
        if kind == "parameters":
            if not self.values:
                raise ValueError("kind='parameters' needs a grid with more than one value of a parameter.")
            self._draw_parameters(ax)
        else:
            if not self.score_matrix:
                raise ValueError("kind='spaces' needs a search by an internal metric, not by 'reconstruction' alone.")
            self.ax_, self.axes_, _ = panels(ax, len(self.score_matrix), 2, (4.8, 3.6))
            self._draw_spaces()
        self.figure_ = self.ax_.figure
        return self

    def _draw_parameters(self, ax):
        axes_of = {name: _axis(values) for name, values in self.values.items()}
        upright = [name for _, names, is_number, _ in axes_of.values() if not is_number for name in names]
        n_panels = len(axes_of)
        # One panel alone has the width of other figures.
        size = (6.4 if n_panels == 1 else 3.6, length_with_names(upright, 3.0))
        self.ax_, self.axes_, header = panels(ax, n_panels, _N_COLUMNS, size, header=True)
        lines = {"score": (self.score, INK, 2.0)}
        lines |= {name: (values, color, 1.2) for (name, values), color in zip(self.scores.items(), LINE_COLORS)}
        for ax, title, axis in zip(self.axes_, _tails(list(axes_of)), axes_of.values()):
            ticks, names, is_number, of_candidates = axis
            if is_number and ticks[0] > 0 and ticks[-1] >= _LOG_RATIO * ticks[0]:
                ax.set_xscale("log")
            places = np.where(of_candidates < 0, np.nan, ticks[of_candidates])
            ax.plot(places, self.score, ".", color=PALE, label="score of a candidate")
            chosen = places[self.best_index], self.score[self.best_index]
            ax.plot(*chosen, "*", color=INK, markersize=11, label="chosen", zorder=4)
            for label, (scores, color, width) in lines.items():
                means = [_mean_of_known(scores[of_candidates == i]) for i in range(len(ticks))]
                ax.plot(ticks, means, "o-", color=color, linewidth=width, markersize=4, label=label.replace("_", " "))
            ax.set_ylim(0, 1.05)
            first = max(of_candidates[self.best_index], 0)
            name_x_ticks(ax, ticks, names, first=first, are_numbers=is_number)
            name_axes(ax, title, "mean rank, 1 is the best" if ax.get_subplotspec().is_first_col() else "")
        legend_above(header, of=self.axes_[0])

    def _draw_spaces(self):
        order = np.argsort(np.where(np.isnan(self.score), np.inf, -self.score), kind="stable")
        order = order[: np.sum(~np.isnan(self.score))]
        for ax, (name, matrix) in zip(self.axes_, self.score_matrix.items()):
            spaces = np.flatnonzero(~np.isnan(matrix).all(axis=1))
            image = ax.imshow(matrix[np.ix_(spaces, order)], aspect="auto", cmap="cividis", interpolation="nearest")
            ax.figure.colorbar(image, ax=ax)
            name_axes(ax, "partitions, from the best score on", "space")
            name_y_ticks(ax, np.arange(len(spaces)), spaces)
            ax.locator_params(axis="x", integer=True)
            ax.set_title(fitted(name.replace("_", " "), room(ax)[0], "large"))


def _axis(values):
    """The axis of a parameter: places of its distinct values, their names, and whether they are numbers.

    And for each candidate the index of its value among them; -1 for none.
    """
    has_value, of_candidates = ~np.ma.getmaskarray(values), np.full(len(values), -1)
    values = np.ma.getdata(values)[has_value]
    # Values that are not numbers, or too large for an axis, are shown as names, at equal distances.
    is_number = all(
        isinstance(value, Real) and not isinstance(value, bool) and abs(value) <= LARGEST_DRAWN for value in values
    )
    if is_number:
        places, of_candidates[has_value] = np.unique(values.astype(np.float64), return_inverse=True)
        return places, _names_of_numbers(places), True, of_candidates
    names = _distinct(values)
    of_candidates[has_value] = [names.index(_name(value)) for value in values]
    return np.arange(len(names)), names, False, of_candidates


def _names_of_numbers(numbers):
    """The numbers with as few digits as tell them apart, but six if that is enough."""
    names = ([f"{number:.{n_digits}g}" for number in numbers] for n_digits in range(6, 18))
    return next(choice for choice in names if len(set(choice)) == len(numbers))


def _tails(names):
    """Names of parameters without the steps before them, as far as these do not tell them apart."""
    tails = {name: ["__".join(name.split("__")[i:]) for i in range(name.count("__"), -1, -1)] for name in names}
    n_of_tail = Counter(tail for of_name in tails.values() for tail in of_name)
    return [next((tail for tail in tails[name] if n_of_tail[tail] == 1), name) for name in names]


def _distinct(values):
    """The names of the values, each once."""
    return list(dict.fromkeys(map(_name, values)))


def _name(value):
    """A name by which values can be told apart; a number of NumPy has that of Python's."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def _mean_of_known(scores):
    known = scores[~np.isnan(scores)]
    return known.mean() if len(known) else np.nan
