"""What a network has learned: its weights and its code."""

from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval

from .._pipelines import names_after, split_at_autoencoder, transform_by
from .._support._checks import check_feature_names, integers, shown
from .._support._typing import ArrayLike, Estimator, Float, Int, Ints, MatrixLike, validate_params
from ._style import (
    HEIGHT_OF_BAR,
    INK,
    LINE_COLORS,
    MOST_SHOWN,
    axes_or_new,
    check_image_shape,
    columns_of,
    horizontal_bars,
    length_with_names,
    most_panels,
    panels,
    show_images,
)
from ._text import legend_above, name_axes, room_inside

if TYPE_CHECKING:
    from ._style import Axes, Figure

# A logistic or tanh unit is saturated if all of its outputs are this near to a bound, and dead if all are this near
# to 0.
_MARGIN = 0.05


class CodeWeightsDisplay:
    """The input that activates each hidden unit most: w_j / ||w_j||, of all inputs with norm 1.

    The units are those of the first layer, which is the code unless there are `hidden_layer_sizes`. Inputs are on the
    scale that the autoencoder sees, in a pipeline that after the steps before it. Of more than 64 units, or more
    bars than small axes have room for, the first are drawn, and the picture says so: units have no order, so that
    these are a random sample, and `units` chooses others.

    Parameters
    ----------
    weights : ndarray of shape (n_units, n_features)
        Rows of norm 1, or 0.
    units : ndarray of int of shape (n_units,)
        Which units they are.
    feature_names : ndarray of str of shape (n_features,)
        Names of the features.
    image_shape : tuple of int or None
        (height, width) or (height, width, 3) of images.
    n_features : int
        Number of bars for each unit, where there are no images.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    axes_ : ndarray of matplotlib.axes.Axes
        The panels: one of all images, or one for each unit.
    figure_ : matplotlib.figure.Figure
        Their figure.

    See Also
    --------
    ActivationDisplay : How active the units are.

    References
    ----------
    A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011, section 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.plotting import CodeWeightsDisplay
    >>> X = StandardScaler().fit_transform(load_digits().data)
    >>> autoencoder = SparseAutoencoderTransformer(
    ...     16, max_iter=20, tol=0.1, random_state=0
    ... ).fit(X)
    >>> CodeWeightsDisplay.from_estimator(autoencoder, image_shape=(8, 8)).weights.shape
    (16, 64)
    """

    ax_: "Axes"
    axes_: np.ndarray
    figure_: "Figure"

    def __init__(
        self,
        *,
        weights: np.ndarray,
        units: np.ndarray,
        feature_names: np.ndarray,
        image_shape: tuple[int, ...] | None = None,
        n_features: Int = 8,
    ) -> None:
        self.weights = weights
        self.units = units
        self.feature_names = feature_names
        self.image_shape = image_shape
        self.n_features = n_features

    @classmethod
    @validate_params(
        {
            "estimator": [HasMethods("fit")],
            "units": ["array-like", None],
            "image_shape": ["array-like", None],
            "feature_names": ["array-like", None],
            "n_features": [Interval(Integral, 1, None, closed="left")],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator: Estimator,
        *,
        units: Ints | None = None,
        image_shape: Ints | None = None,
        feature_names: ArrayLike | None = None,
        n_features: Int = 8,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the weights of a fitted autoencoder.

        Parameters
        ----------
        estimator : estimator
            Fitted autoencoder, joint clustering, or pipeline with one of them.
        units : array-like of int, default=None
            Units of the first layer to draw; None means all.
        image_shape : (int, int) or (int, int, 3), default=None
            Height and width of images, one of which is a row of the autoencoder's input; with 3 colours of each pixel.
            None draws bars.
        feature_names : array-like of str, default=None
            Names of the features that the autoencoder receives; None takes those that the steps before it know.
        n_features : int, default=8
            Number of bars for each unit: the features with the largest weights.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : CodeWeightsDisplay

        Raises
        ------
        ValueError
            If there is no autoencoder among the steps, `units` names one that it has not, or the number of features is
            not that of `image_shape` or `feature_names`.
        sklearn.exceptions.NotFittedError
            If the autoencoder is not fitted.
        """
        before, autoencoder = split_at_autoencoder(estimator)
        W = autoencoder.coefs_[0]
        names = names_after(before, len(W)) if feature_names is None else feature_names
        feature_names = check_feature_names(names, len(W))
        chosen = integers(range(W.shape[1]) if units is None else units)
        if chosen is None or not np.isin(chosen, range(W.shape[1])).all():
            raise ValueError(f"units={shown(units)} must list one or more numbers from 0 to {W.shape[1] - 1}.")
        if image_shape is not None:
            image_shape = check_image_shape(image_shape, len(W))
        norms = np.linalg.norm(W, axis=0)
        weights = (W / np.where(norms > 0, norms, 1.0)).T[chosen]
        display = cls(
            weights=weights, units=chosen, feature_names=feature_names, image_shape=image_shape, n_features=n_features
        )
        return display.plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the weights: images side by side, each on a scale of its own with 0 in the middle, or bars.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : CodeWeightsDisplay
            With the attributes that end in ``_``.
        """
        n_shown = min(self.n_features, self.weights.shape[1])
        most = MOST_SHOWN if self.image_shape is not None else most_panels(ax, 0.5 + HEIGHT_OF_BAR * n_shown)
        n_units = min(len(self.weights), most)
        note = f"the first {n_units} of {len(self.weights)} units" if n_units < len(self.weights) else ""
        if self.image_shape is not None:
            n_columns = int(np.ceil(np.sqrt(n_units)))
            self.ax_ = axes_or_new(ax, (5.0, 5.0))
            weights = self.weights[:n_units]
            largest = np.abs(weights).max(axis=1, keepdims=True)
            images = (weights / np.where(largest > 0, largest, 1.0)).reshape(-1, *self.image_shape)
            show_images(self.ax_, images, n_columns, -1, 1)
            self.axes_ = np.array([self.ax_], dtype=object)
            if note:
                self.ax_.set_title(note, fontsize="medium")
        else:
            tops = np.argsort(-np.abs(self.weights[:n_units]), axis=1, kind="stable")[:, :n_shown]
            width = length_with_names(self.feature_names[np.unique(tops)], 3.0)
            self.ax_, self.axes_, header = panels(
                ax, n_units, columns_of(4, width), (width, 0.5 + 0.22 * n_shown), header=bool(note)
            )
            for ax, unit, w, chosen in zip(self.axes_, self.units, self.weights, tops):
                horizontal_bars(ax, w[chosen], self.feature_names[chosen])
                ax.set(title=f"unit {unit}", xlim=(-1, 1))
            if header is not None:
                header.set_title(note, fontsize="medium")
        self.figure_ = self.ax_.figure
        return self


class ActivationDisplay:
    """Mean activation of every code unit, with the range of most rows, beside rho.

    A unit is dead if it is as good as 0 for every row, within 0.05 of the range of a logistic or tanh unit and within
    a twentieth of the largest output of the code otherwise. It is saturated if it stays that near to another bound: to
    1, or with tanh to 1 or -1. Neither tells rows apart.

    Parameters
    ----------
    mean : ndarray of shape (n_components,)
        Mean over rows.
    low, high : ndarrays of shape (n_components,)
        Their 5 % and 95 % quantiles.
    is_dead, is_saturated : ndarrays of bool of shape (n_components,)
        Which units are.
    rho : float or None
        Mean activation that the units are drawn to, if they are.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        Its figure.

    See Also
    --------
    LossCurveDisplay : The sparsity term, which draws the means to rho.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.plotting import ActivationDisplay
    >>> X = StandardScaler().fit_transform(load_iris().data)
    >>> autoencoder = SparseAutoencoderTransformer(8, rho=0.2, random_state=0).fit(X)
    >>> display = ActivationDisplay.from_estimator(autoencoder, X)
    >>> display.rho, int(display.is_dead.sum())
    (0.2, 0)
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        mean: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        is_dead: np.ndarray,
        is_saturated: np.ndarray,
        rho: Float | None = None,
    ) -> None:
        self.mean = mean
        self.low = low
        self.high = high
        self.is_dead = is_dead
        self.is_saturated = is_saturated
        self.rho = rho

    @classmethod
    @validate_params(
        {"estimator": [HasMethods("fit")], "X": "no_validation", "ax": "no_validation"},
        prefer_skip_nested_validation=True,
    )
    def from_estimator(cls, estimator: Estimator, X: MatrixLike, *, ax: "Axes | None" = None) -> Self:
        """Draw the activations of a fitted autoencoder on X.

        Parameters
        ----------
        estimator : estimator
            Fitted autoencoder, joint clustering, or pipeline with one of them.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, as the estimator takes it.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ActivationDisplay

        Raises
        ------
        ValueError
            If there is no autoencoder among the steps, or X is not what the estimator takes.
        sklearn.exceptions.NotFittedError
            If the autoencoder is not fitted.
        """
        before, autoencoder = split_at_autoencoder(estimator)
        code = np.asarray(autoencoder.transform(transform_by(before, X)), dtype=np.float64)
        network = autoencoder._network
        activation = network.activations[network.n_encoder_layers - 1]
        size = np.abs(code)
        if activation in ("logistic", "tanh"):
            is_saturated = size.min(axis=0) >= 1 - _MARGIN
            is_dead = size.max(axis=0) <= _MARGIN
        else:
            is_saturated = np.zeros(code.shape[1], dtype=bool)
            is_dead = size.max(axis=0) <= _MARGIN * size.max()
        options = getattr(autoencoder, "encoder_", autoencoder)
        low, high = np.quantile(code, [0.05, 0.95], axis=0)
        display = cls(
            mean=code.mean(axis=0),
            low=low,
            high=high,
            is_dead=is_dead,
            is_saturated=is_saturated,
            rho=options.rho if activation == "logistic" and options.beta > 0 else None,
        )
        return display.plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw a point and a line for every unit.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : ActivationDisplay
            With the attributes that end in ``_``.
        """
        ax = axes_or_new(ax, (6.4, 3.6))
        units = np.arange(len(self.mean))
        is_alive = ~(self.is_dead | self.is_saturated)
        groups = (
            (is_alive, LINE_COLORS[0], "o", "mean, and 5 % to 95 % of the rows"),
            (self.is_dead, LINE_COLORS[1], "v", f"dead: {np.sum(self.is_dead)}"),
            (self.is_saturated, LINE_COLORS[3], "^", f"saturated: {np.sum(self.is_saturated)}"),
        )
        # In points: with many units, lines as wide as usual would be a wall.
        of_each = 72 * room_inside(ax)[0] / len(units)
        linewidth, markersize = np.clip(0.5 * of_each, 0.2, 1.2), np.clip(of_each, 2.0, 4.0)
        for which, color, marker, label in groups:
            if which.any():
                ax.vlines(units[which], self.low[which], self.high[which], color=color, linewidth=linewidth, alpha=0.7)
                ax.plot(units[which], self.mean[which], marker, color=color, markersize=markersize, label=label)
        if self.rho is not None:
            ax.axhline(self.rho, color=INK, linestyle="--", linewidth=1, label=f"rho = {self.rho:g}")
        ax.locator_params(axis="x", integer=True)
        name_axes(ax, "code unit", "activation")
        legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self
