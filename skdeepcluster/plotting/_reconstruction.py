"""Inputs of a network beside their reconstructions."""

from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing, gen_batches
from sklearn.utils._param_validation import HasMethods, Interval

from .._pipelines import column_names, in_memory, names_after, split_at_autoencoder, transform_by
from .._support._checks import check_feature_names, check_magnitude, check_table
from .._support._typing import ArrayLike, Estimator, Int, Ints, MatrixLike, validate_params
from ._style import (
    LINE_COLORS,
    MOST_SHOWN,
    PALE,
    check_image_shape,
    columns_of,
    length_with_names,
    most_panels,
    panels,
    show_images,
)
from ._text import fitted, legend_above, name_axes, name_x_ticks, room, thinned, width_of

if TYPE_CHECKING:
    from ._style import Axes, Figure

# With more features than this, their names are left out, as they would not fit on the axis.
_MAX_NAMES = 20


class ReconstructionDisplay:
    """Inputs beside their reconstructions: those that are reconstructed best, and those worst.

    Of more than 32 of the best or of the worst, or more than small axes have room for, the outermost are drawn, and
    the picture says so.

    Parameters
    ----------
    rows : ndarray of int of shape (n_shown,)
        Positions in X, from the smallest error on: the best, then the worst, every row once.
    inputs, reconstructions : ndarrays of shape (n_shown, n_features)
        In one space.
    errors : ndarray of shape (n_samples,)
        Mean squared error of every row of X, on the scale that the autoencoder sees.
    n_best : int
        How many of the rows shown are the best; the others are the worst.
    feature_names : ndarray of str of shape (n_features,) or None
        Names of the features; None with images.
    image_shape : tuple of int or None
        (height, width) or (height, width, 3) of images.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    axes_ : ndarray of matplotlib.axes.Axes
        The panels: one of the best and one of the worst images, or one for each row.
    figure_ : matplotlib.figure.Figure
        Their figure.

    See Also
    --------
    skdeepcluster.SparseAutoencoderTransformer.score : Minus the mean of the errors.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.plotting import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), SparseAutoencoderTransformer(16, tol=0.1, random_state=0)
    ... ).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(model, X, image_shape=(8, 8))
    >>> display.inputs.shape
    (10, 64)
    """

    ax_: "Axes"
    axes_: np.ndarray
    figure_: "Figure"

    def __init__(
        self,
        *,
        rows: np.ndarray,
        inputs: np.ndarray,
        reconstructions: np.ndarray,
        errors: np.ndarray,
        n_best: int,
        feature_names: np.ndarray | None,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.rows = rows
        self.inputs = inputs
        self.reconstructions = reconstructions
        self.errors = errors
        self.n_best = n_best
        self.feature_names = feature_names
        self.image_shape = image_shape

    @classmethod
    @validate_params(
        {
            "estimator": [HasMethods("fit")],
            "X": "no_validation",
            "image_shape": ["array-like", None],
            "feature_names": ["array-like", None],
            "n_examples": [Interval(Integral, 1, None, closed="left")],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator: Estimator,
        X: MatrixLike,
        *,
        image_shape: Ints | None = None,
        feature_names: ArrayLike | None = None,
        n_examples: Int = 5,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw rows of X and what a fitted autoencoder makes of them.

        Images are drawn as they are in X, if all steps before the autoencoder have ``inverse_transform``. Everything
        else is drawn as the autoencoder sees it, with features on one scale.

        Parameters
        ----------
        estimator : estimator
            Fitted autoencoder, joint clustering, or pipeline with one of them.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data, as the estimator takes it.
        image_shape : (int, int) or (int, int, 3), default=None
            Height and width of images, one of which is a row; with 3 colours of each pixel. None draws lines.
        feature_names : array-like of str, default=None
            Names of the features that the autoencoder receives; None takes those that the steps before it know.
        n_examples : int, default=5
            Number of the best, and of the worst.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        ValueError
            If there is no autoencoder among the steps, X is not what the estimator takes, or the number of features is
            not that of `image_shape` or `feature_names`.
        sklearn.exceptions.NotFittedError
            If the autoencoder is not fitted.
        """
        before, autoencoder = split_at_autoencoder(estimator)
        X = in_memory(X)
        Z = transform_by(before, X if hasattr(X, "shape") or before else np.asarray(X))
        code = np.asarray(autoencoder.transform(Z))
        errors = _squared_errors(Z, lambda rows: autoencoder.inverse_transform(code[rows]))
        rows, n_best = _best_and_worst(errors, n_examples)
        inputs, reconstructions = _safe_indexing(Z, rows), autoencoder.inverse_transform(code[rows])
        if image_shape is not None and all(hasattr(step, "inverse_transform") for step in before):
            inputs = _safe_indexing(X, rows)
            for step in reversed(before):
                reconstructions = step.inverse_transform(reconstructions)
        names = names_after(before, reconstructions.shape[1]) if feature_names is None else feature_names
        return cls._of_rows(inputs, reconstructions, rows, errors, n_best, names, image_shape).plot(ax=ax)

    @classmethod
    @validate_params(
        {
            "X": ["array-like", "sparse matrix"],
            "X_reconstructed": ["array-like"],
            "image_shape": ["array-like", None],
            "feature_names": ["array-like", None],
            "n_examples": [Interval(Integral, 1, None, closed="left")],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_predictions(
        cls,
        X: MatrixLike,
        X_reconstructed: ArrayLike,
        *,
        image_shape: Ints | None = None,
        feature_names: ArrayLike | None = None,
        n_examples: Int = 5,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw rows of X and their reconstructions.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        X_reconstructed : array-like of shape (n_samples, n_features)
            The reconstructions, on the same scale.
        image_shape, feature_names, n_examples, ax
            As in `from_estimator`.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        ValueError
            If an array is not finite and two-dimensional, the shapes differ, or the number of features is not that of
            `image_shape` or `feature_names`.
        """
        checked = check_table(X, "X", sparse=True)
        X, names = checked, column_names(X) if feature_names is None else feature_names
        H = check_table(X_reconstructed, "X_reconstructed")
        if X.shape != H.shape:
            raise ValueError(f"X has the shape {X.shape}, and X_reconstructed {H.shape}; they must be the same.")
        errors = _squared_errors(X, lambda rows: H[rows])
        rows, n_best = _best_and_worst(errors, n_examples)
        return cls._of_rows(X[rows], H[rows], rows, errors, n_best, names, image_shape).plot(ax=ax)

    @classmethod
    def _of_rows(cls, inputs, reconstructions, rows, errors, n_best, names, image_shape):
        # Rows that were picked from the user's X may still be of any type, such as a frame.
        inputs = check_table(_dense(inputs), "X")
        # Images are drawn without names of features.
        is_image = image_shape is not None
        return cls(
            rows=rows,
            inputs=inputs,
            reconstructions=check_table(reconstructions, "of the reconstruction"),
            errors=errors,
            n_best=n_best,
            feature_names=None if is_image else check_feature_names(names, inputs.shape[1]),
            image_shape=check_image_shape(image_shape, inputs.shape[1]) if is_image else None,
        )

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the best and the worst rows: images above their reconstructions, or lines over each other.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : ReconstructionDisplay
            With the attributes that end in ``_``.
        """
        n_rows = len(self.rows)
        most = max((MOST_SHOWN if self.image_shape is not None else most_panels(ax, 1.0)) // 2, 1)
        parts = {
            "best": slice(0, min(self.n_best, most)),
            "worst": slice(max(self.n_best, n_rows - most), n_rows),
        }
        parts = {name: part for name, part in parts.items() if part.start < part.stop}
        n_shown = sum(part.stop - part.start for part in parts.values())
        note = f"{n_shown} of {n_rows} rows" if n_shown < n_rows else None
        draw = self._draw_lines if self.image_shape is None else self._draw_images
        draw(ax, parts, note)
        self.figure_ = self.ax_.figure
        return self

    def _draw_images(self, ax, parts, note):
        n_columns = parts["best"].stop
        size = (np.clip(1.2 * n_columns, 2.4, 24.0), 2.9)
        self.ax_, self.axes_, header = panels(ax, len(parts), 1, size, header=note is not None)
        if note is not None:
            header.set_title(note, fontsize="medium")
        vmin, vmax = self.inputs.min(), self.inputs.max()
        for ax, (name, part) in zip(self.axes_, parts.items()):
            images = np.concatenate([self.inputs[part], self.reconstructions[part]]).reshape(-1, *self.image_shape)
            n_images = len(images) // 2
            show_images(ax, images, n_images, vmin, vmax)
            title = f"{name}: input above, reconstruction below"
            ax.set_title(fitted(title, room(ax)[0], n_lines=2), fontsize="medium")
            height, width = self.image_shape[0] + 1, self.image_shape[1] + 1
            lines = [(str(row), f"{self.errors[row]:.2g}") for row in self.rows[part]]
            # Images keep their proportions, in a panel that is too wide or too high for them.
            in_inches = min(room(ax)[0], (room(ax)[1] - 1.0) * n_images * width / (2 * height)) / n_images
            extents = [max(width_of(f"{line} ", "small") for line in label) for label in lines]
            shown = np.array(thinned(in_inches * np.arange(n_images), extents, range(n_images)))
            labels = ["\n".join(lines[i]) for i in shown]
            ax.set_xticks(width * shown + width / 2 - 1, labels, fontsize="small")
            ax.tick_params(length=0)
        name_axes(self.axes_[-1], "row, and its mean squared error")

    def _draw_lines(self, ax, parts, note):
        n_features = self.inputs.shape[1]
        names = [] if n_features > _MAX_NAMES else self.feature_names
        size = (max(2.6, 0.6 + 0.16 * len(names)), length_with_names(names, 2.4))
        n_columns = columns_of(min(parts["best"].stop, 8), size[0])
        shown = [(name, row) for name, part in parts.items() for row in range(part.start, part.stop)]
        self.ax_, self.axes_, header = panels(ax, len(shown), n_columns, size, header=True)
        x = np.arange(n_features)
        for ax, (name, i) in zip(self.axes_, shown):
            ax.plot(x, self.inputs[i], color=PALE, marker="o", markersize=4, label="input")
            ax.plot(
                x,
                self.reconstructions[i],
                color=LINE_COLORS[0],
                marker=".",
                markersize=4,
                linewidth=1,
                label="reconstruction",
            )
            row, width = self.rows[i], room(ax)[0]
            lines = (f"{name}: row {row}", f"error {self.errors[row]:.2g}")
            ax.set_title("\n".join(fitted(line, width, n_lines=2) for line in lines), fontsize="medium")
            if len(names):
                name_x_ticks(ax, x, names, size="small")
        legend_above(header, of=self.axes_[0], title=note)


def _squared_errors(X, reconstruct):
    """Mean squared error of every row of X; ``reconstruct(rows)`` returns the reconstructions of a slice of rows."""
    errors = np.empty(X.shape[0])
    for rows in gen_batches(X.shape[0], 1024):
        H = np.asarray(reconstruct(rows), dtype=np.float64)
        block = np.asarray(_dense(_safe_indexing(X, rows)), dtype=np.float64)
        check_magnitude(block, "X")
        check_magnitude(H, "The reconstruction of X")
        errors[rows] = np.mean((H - block) ** 2, axis=1)
    return errors


def _best_and_worst(errors, n_examples):
    """The rows with the smallest errors, then those with the largest, and the number of the former.

    Both are in ascending order of the error. No row is in both.
    """
    order = np.argsort(errors, kind="stable")
    n_best = min(n_examples, -(-len(order) // 2))
    n_worst = min(n_examples, len(order) - n_best)
    return np.concatenate([order[:n_best], order[len(order) - n_worst :]]), n_best


def _dense(X):
    return X.toarray() if issparse(X) else np.asarray(X)
