"""What happened while a network was trained."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils._param_validation import HasMethods

from .._pipelines import split_at_autoencoder
from .._support._typing import Estimator, validate_params
from ._style import INK, LINE_COLORS, PALE, axes_or_new
from ._text import all_fitted, height_of_lines, legend_above, name_axes, room, thinned

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

    from ._style import Axes, Figure


class LossCurveDisplay:
    """J and its terms after every iteration, stage by stage.

    Of an autoencoder, the stages are the layers that were pretrained and the training of all layers; of joint
    clustering, those of its encoder and the refinement.

    Parameters
    ----------
    curves : list of ndarray
        For every stage a structured array with the field "loss" and one for each term of J, as ``loss_curve_`` is.
    names : list of str
        Names of the stages.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    figure_ : matplotlib.figure.Figure
        Its figure.
    lines_ : dict of matplotlib.lines.Line2D
        By field: "loss" and those of the terms that are not zero throughout.

    See Also
    --------
    ActivationDisplay : What became of the code units.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.plotting import LossCurveDisplay
    >>> X = StandardScaler().fit_transform(load_iris().data)
    >>> autoencoder = SparseAutoencoderTransformer(
    ...     4, hidden_layer_sizes=8, pretrain="layerwise", random_state=0
    ... )
    >>> display = LossCurveDisplay.from_estimator(autoencoder.fit(X))
    >>> display.names
    ['layer 1', 'layer 2', 'all layers']
    """

    ax_: "Axes"
    figure_: "Figure"
    lines_: dict[str, "Line2D"]

    def __init__(self, *, curves: list[Any], names: list[str]) -> None:
        self.curves = curves
        self.names = names

    @classmethod
    @validate_params({"estimator": [HasMethods("fit")], "ax": "no_validation"}, prefer_skip_nested_validation=True)
    def from_estimator(cls, estimator: Estimator, *, ax: "Axes | None" = None) -> Self:
        """Draw the loss curves of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted autoencoder, joint clustering, or pipeline with one of them.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ValueError
            If there is no autoencoder among the steps.
        sklearn.exceptions.NotFittedError
            If the autoencoder is not fitted.
        """
        _, autoencoder = split_at_autoencoder(estimator)
        stages = _stages(autoencoder)
        return cls(curves=list(stages.values()), names=list(stages)).plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw J and its terms.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : LossCurveDisplay
            With the attributes that end in ``_``.

        Raises
        ------
        ValueError
            If training was interrupted before its first iteration was over.
        """
        ends = np.cumsum([len(curve) for curve in self.curves])
        if ends[-1] == 0:
            raise ValueError("The loss curve is empty: training ended before its first iteration was over.")
        ax = axes_or_new(ax, (6.4, 4.0))
        fields = list(dict.fromkeys(field for curve in self.curves for field in curve.dtype.names))
        self.lines_ = {}
        for field, color in zip(fields, (INK, *LINE_COLORS)):
            # NaN breaks the line between two stages, and in a stage that has no such term.
            pieces = [curve[field] if field in curve.dtype.names else np.zeros(len(curve)) for curve in self.curves]
            if not np.concatenate(pieces).any():
                continue
            x = np.concatenate([np.append(np.arange(end - len(p), end) + 1.0, np.nan) for p, end in zip(pieces, ends)])
            y = np.concatenate([np.append(np.where(piece == 0, np.nan, piece), np.nan) for piece in pieces])
            label = "J" if field == "loss" else field.replace("_", " ")
            style = {"linewidth": 2.0, "zorder": 3} if field == "loss" else {"linewidth": 1.2}
            # The marker shows a stage of one iteration, which has no line.
            (self.lines_[field],) = ax.plot(x, y, color=color, label=label, marker=".", markersize=3, **style)
        ax.set(yscale="log", xlim=(0.5, ends[-1] + 0.5))
        ax.locator_params(axis="x", integer=True)
        if len(self.curves) > 1:
            self._name_stages(ax, np.append(0, ends[:-1]) + 0.5)
        name_axes(ax, "iteration or epoch", "J and its terms")
        legend_above(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _name_stages(self, ax, starts):
        """A line where each stage begins, and its name, if there is room for it beside the next."""
        width, height = room(ax)
        line = height_of_lines(1, "small")
        # The last stage is the one whose result is used.
        order = range(len(starts) - 1, -1, -1)
        named = thinned(width * starts / ax.get_xlim()[1], np.full(len(starts), 1.3 * line), order)
        names = all_fitted(self.names, 0.6 * height, "small")
        for i, start in enumerate(starts):
            ax.axvline(start, color=PALE, linestyle="--", linewidth=1)
            if i in named:
                place = {"transform": ax.get_xaxis_transform(), "rotation": 90, "ha": "left", "va": "top"}
                box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0}
                style = {"fontsize": "small", "bbox": box, "zorder": 4, "parse_math": False}
                ax.text(start, 0.98, f" {names[i]}", **style, **place)


def _stages(autoencoder):
    """The loss curves of all stages of training, in order, as {name of the stage: curve}."""
    if hasattr(autoencoder, "encoder_"):
        of_encoder = _stages(autoencoder.encoder_)
        before = {"encoder" if name == "all layers" else name: curve for name, curve in of_encoder.items()}
        return before | {"joint": autoencoder.loss_curve_}
    pretraining = {f"layer {i}": curve for i, curve in enumerate(autoencoder.pretraining_loss_curves_, start=1)}
    return pretraining | {"all layers": autoencoder.loss_curve_}
