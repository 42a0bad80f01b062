"""A tree of clusters as a dendrogram."""

from collections.abc import Collection
from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._pipelines import split_at_clusterer, transform_by
from .._support._checks import about, check_magnitude, check_table
from .._support._typing import Estimator, Int, Ints, MatrixLike, validate_params
from ..clustering import ClusterTree
from ..clustering._linkage import first_leaves, levels_of, node_sums, nodes_at, top_of
from ..metrics._labels import NOISE
from ._profile import _check_pixels, _most_typical
from ._style import INK, PALE, axes_or_new, check_image_shape, cluster_color, panels, show_images
from ._text import SHARE_OF_NAMES, fitted, name_axes, name_y_ticks, room, width_of

if TYPE_CHECKING:
    from ._style import Axes, Figure

# Ends of the branches that are drawn at most, and images beside each.
_MOST_ENDS, _N_IMAGES = 30, 5
# Height of an end in inches, alone or with a text, or with images.
_HEIGHT, _HEIGHT_OF_IMAGES = 0.24, 0.42
# Width of a panel, and what lies above and below the ends.
_WIDTH, _MARGIN = 4.5, 0.9
# Of a panel of examples, what names of ends may take.
_BESIDE = 0.6
# Axes that are narrower than this have no room for examples.
_NARROWEST = 3.5


class ClusterTreeDisplay:
    """The upper part of a tree of clusters as a dendrogram, with sizes, and typical rows beside it.

    The root is on the left. Where a branch splits is Ward's distance between its two parts. The clusters of a cut have
    a colour and a number each, as in the other displays of the same labels, and the dashed line is the cut.

    The ends of the branches, on the right, are the clusters of the cut into 30, or into as many as there are leaves, or
    as given axes have room for. If the tree has more leaves, or noise, the picture says so. With fewer ends than
    clusters to colour, the ends have the colours, and no cut is drawn.

    Parameters
    ----------
    linkage : ndarray of shape (n_ends - 1, 4)
        The upper part of the tree in SciPy's linkage format.
    sizes : ndarray of int of shape (n_ends,)
        Number of training rows at every end.
    n_clusters : int
        Number of clusters of the cut.
    n_leaves : int
        Number of leaves of the whole tree.
    n_noise : int
        Number of training rows that are noise.
    images : list of ndarray of shape (n_images, height, width) or (n_images, height, width, 3), or None
        The most typical rows of every node of `linkage` as images, the nearest to its mean first.
    texts : list of str or None
        The most typical row of every node as a text.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn.
    axes_ : ndarray of matplotlib.axes.Axes
        A panel for the tree, and one for the examples, if they are drawn.
    figure_ : matplotlib.figure.Figure
        Their figure.

    See Also
    --------
    ClusterProfileDisplay : What sets the clusters of one level apart.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.clustering import ClusterTree
    >>> from skdeepcluster.plotting import ClusterTreeDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = SparseAutoencoderTransformer(16, max_iter=50, random_state=0)
    >>> tree = ClusterTree(n_clusters=10, random_state=0)
    >>> model = make_pipeline(StandardScaler(), autoencoder, tree).fit(X)
    >>> display = ClusterTreeDisplay.from_estimator(model, X, image_shape=(8, 8))
    >>> display.n_leaves, len(display.sizes)
    (60, 30)
    """

    ax_: "Axes"
    axes_: np.ndarray
    figure_: "Figure"

    def __init__(
        self,
        *,
        linkage: np.ndarray,
        sizes: np.ndarray,
        n_clusters: Int,
        n_leaves: Int,
        n_noise: Int = 0,
        images: list[np.ndarray] | None = None,
        texts: list[str] | None = None,
    ) -> None:
        self.linkage = linkage
        self.sizes = sizes
        self.n_clusters = n_clusters
        self.n_leaves = n_leaves
        self.n_noise = n_noise
        self.images = images
        self.texts = texts

    @classmethod
    @validate_params(
        {
            "estimator": [HasMethods("fit")],
            "X": "no_validation",
            "image_shape": ["array-like", None],
            "texts": ["array-like", None],
            "n_clusters": [Interval(Integral, 1, None, closed="left"), None],
            "ax": "no_validation",
        },
        prefer_skip_nested_validation=True,
    )
    def from_estimator(
        cls,
        estimator: Estimator,
        X: MatrixLike | None = None,
        *,
        image_shape: Ints | None = None,
        texts: Collection[str] | None = None,
        n_clusters: Int | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw a fitted tree.

        Parameters
        ----------
        estimator : estimator
            Fitted `skdeepcluster.clustering.ClusterTree`, or pipeline that ends in one.
        X : array-like or sparse matrix of shape (n_samples, n_features), default=None
            Rows to take examples from, as the estimator takes them. None draws no examples.
        image_shape : (int, int) or (int, int, 3), default=None
            Height and width of images, one of which is a row of X; with 3 colours of each pixel. Draws the rows nearest
            to the mean of every end as images.
        texts : array-like of str of shape (n_samples,), default=None
            A text for each row of X. Draws that of the row nearest to the mean of every end, in a line.
        n_clusters : int, default=None
            Number of clusters to colour; None is that of the fit.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure. Axes of less than 3.5 inches have no examples.

        Returns
        -------
        display : ClusterTreeDisplay

        Raises
        ------
        ValueError
            If the estimator does not end in a ClusterTree, the tree has one leaf or fewer than `n_clusters`, both
            `image_shape` and `texts` are given, or one of them without X, or X is not what the estimator takes, or
            lengths or shapes do not fit.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        """
        steps, tree = split_at_clusterer(estimator)
        _check_tree(tree)
        if image_shape is not None and texts is not None:
            raise ValueError("image_shape and texts are both given; rows are shown as images or as texts.")
        n_ends = min(tree.n_leaves_, _MOST_ENDS)
        n_clusters = tree.n_clusters_ if n_clusters is None else n_clusters
        tree.cut(n_clusters)  # raises if it cannot be
        display = cls(
            linkage=top_of(tree.linkage_, n_ends),
            sizes=np.bincount(tree.levels_[n_ends - 1], tree.node_sizes_[: tree.n_leaves_]).astype(int),
            n_clusters=n_clusters,
            n_leaves=tree.n_leaves_,
            n_noise=int(np.sum(tree.leaf_labels_ == NOISE)),
        )
        if image_shape is not None or texts is not None:
            if X is None:
                raise ValueError("image_shape and texts show rows of X, and X is None. Give X.")
            Z = check_table(transform_by([step for _, step in steps], X), "X", sparse=True)
            check_magnitude(Z, "X")
            ends = tree.predict(Z, n_clusters=n_ends)
            typical = _typical_of_nodes(Z, ends, display.linkage)
            if texts is None:
                display.images = _as_images(X, typical, image_shape)
            else:
                with about("texts"):
                    check_consistent_length(texts, ends)
                texts = list(texts)
                display.texts = [str(texts[rows[0]]) if len(rows) else "" for rows in typical]
        return display.plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the tree, and the examples beside it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : ClusterTreeDisplay
            With the attributes that end in ``_``.
        """
        has_examples = self.images is not None or self.texts is not None
        if ax is not None:
            has_examples = has_examples and room(axes_or_new(ax, None))[0] >= _NARROWEST
        height = _HEIGHT_OF_IMAGES if has_examples and self.images is not None else _HEIGHT
        n_ends = len(self.sizes)
        if ax is not None:
            n_ends = min(n_ends, max(int((room(ax)[1] - _MARGIN) // height), 2))
        size = (self._width(), _MARGIN + n_ends * height)
        if has_examples:
            self.ax_, self.axes_, _ = panels(ax, 2, 2, size)
        else:
            self.ax_ = axes_or_new(ax, size)
            self.axes_ = np.array([self.ax_], dtype=object)
        self.figure_ = self.ax_.figure
        nodes = nodes_at(self.linkage, n_ends)
        sizes = node_sums(self.linkage, self.sizes)[nodes]
        linkage = top_of(self.linkage, n_ends)
        order = _larger_first(linkage, sizes)
        places = np.empty(n_ends)
        if has_examples:
            places[order] = self._draw_examples(self.axes_[1], nodes[order])
            self.axes_[0].sharey(self.axes_[1])
        else:
            places[order] = np.arange(n_ends)
            self.axes_[0].set_ylim(n_ends - 0.5, -0.5)
        self._draw_tree(self.axes_[0], linkage, places)
        self._name_ends(self.axes_[0], sizes, places, order)
        return self

    def _width(self):
        """Width of each panel in a new figure: images need not be far from the names of ends."""
        if self.images is None:
            return _WIDTH
        height, width = self.images[0].shape[1:3]
        return np.clip(_N_IMAGES * _HEIGHT_OF_IMAGES * width / height + 1.0, 3.2, 8.0)

    def _draw_examples(self, ax, nodes):
        """Draw examples of nodes from top to bottom. Returns where they are on the y-axis."""
        n_ends = len(nodes)
        ax.set_axis_off()
        if self.images is None:
            ax.set_ylim(n_ends - 0.5, -0.5)
            width = room(ax)[0] - _BESIDE
            for place, node in enumerate(nodes):
                text = fitted(self.texts[node], width, "small")
                drawn = ax.text(0.0, place, text, va="center", fontsize="small", parse_math=False)
                # It is within the axes, and must not move their frame.
                drawn.set_in_layout(False)
            return np.arange(n_ends)
        images = [self.images[node] for node in nodes]
        present = [of_node for of_node in images if len(of_node)]
        height, width, *channels = images[0].shape[1:]
        # Pixels stay square where branches, which share the y-axis, say how high a row of images is.
        # An image that is cut off is worse than one too few, so rows count as higher than they may be.
        beside = np.array([_BESIDE, 0.5 if ax.figure.get_layout_engine() is not None else 0.0])
        across, down = np.maximum(room(ax) - beside, 0.1)
        # Above and below images that are too wide otherwise is nothing.
        padded = max(height, int(np.ceil((width * down / across + 1) / n_ends)) - 1)
        n_pixels = (n_ends * (padded + 1) - 1) * across / down
        n_columns = int(np.clip((n_pixels + 1) // (width + 1), 1, _N_IMAGES))
        tiles = np.full((n_ends, n_columns, padded, width, *channels), np.nan)
        top = (padded - height) // 2
        for row, of_node in zip(tiles, images):
            row[: len(of_node), top : top + height] = of_node[:n_columns]
        vmin, vmax = min(map(np.min, present)), max(map(np.max, present))
        show_images(ax, tiles.reshape(-1, padded, width, *channels), n_columns, vmin, vmax)
        ax.set_adjustable("datalim")
        return np.arange(n_ends) * (padded + 1) + (padded - 1) / 2

    def _draw_tree(self, ax, linkage, places):
        """Draw branches that end at these places, and the cut."""
        n_ends, children = len(places), linkage[:, :2].astype(np.intp)
        n_clusters = min(self.n_clusters, n_ends)
        distances = np.concatenate([np.zeros(n_ends), linkage[:, 2]])
        for pair in children:
            places = np.append(places, places[pair].mean())
        n_within, clusters = 2 * n_ends - n_clusters, levels_of(linkage)[n_clusters - 1][first_leaves(linkage)]
        colors = np.array([cluster_color(i) for i in clusters[:n_within]] + [INK] * (n_clusters - 1))
        ends = places[children]
        ax.vlines(distances[n_ends:], ends.min(axis=1), ends.max(axis=1), colors=colors[n_ends:])
        ax.hlines(
            ends.ravel(), distances[children].ravel(), np.repeat(linkage[:, 2], 2), colors=colors[children.ravel()]
        )
        ax.set_xlim(1.04 * (distances[-1] or 1.0), 0)
        ax.spines[["top", "left", "right"]].set_visible(False)
        if 1 < self.n_clusters <= n_ends:
            cut = distances[n_within - 1 : n_within + 1].mean() if n_clusters < n_ends else distances[n_ends] / 2
            ax.axvline(cut, color=PALE, linestyle="--", linewidth=0.8, zorder=0)
            for i, node in enumerate(nodes_at(linkage, n_clusters)):
                box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": cluster_color(i)}
                ax.text(cut, places[node], str(i), ha="center", va="center", fontsize="small", color=INK, bbox=box)

    def _name_ends(self, ax, sizes, places, order):
        n_ends = len(order)
        width = room(ax)[0]
        names = [f"{i}: {sizes[i]} rows" for i in order]
        if max(width_of(name, "small") for name in names) > SHARE_OF_NAMES * width:
            names = [f"{i}: {sizes[i]}" for i in order]
        ax.yaxis.tick_right()
        ax.tick_params(axis="y", length=0)
        name_y_ticks(ax, places[order], names, "small")
        name_axes(ax, "Ward's distance")
        said = []
        if n_ends < self.n_leaves:
            said.append(f"drawn down to {n_ends} clusters of {self.n_leaves} leaves")
        if self.n_noise:
            said.append(f"noise: {self.n_noise} rows")
        ax.set_title(fitted("; ".join(said), width - 0.2, "small", n_lines=2), fontsize="small", loc="left")


def _check_tree(tree):
    if not isinstance(tree, ClusterTree):
        raise ValueError(f"A ClusterTree, or a pipeline that ends in one, is needed, but got {type(tree).__name__}.")
    check_is_fitted(tree)
    if tree.n_leaves_ == 1:
        raise ValueError(f"{tree!r} has a single leaf: there is no tree to draw. Fit it with more leaves.")


def _typical_of_nodes(Z, ends, linkage):
    """The most typical rows of every node, given the end that every row of Z belongs to."""
    members = [np.flatnonzero(ends == i) for i in range(len(linkage) + 1)]
    for i, j in linkage[:, :2].astype(np.intp):
        members.append(np.sort(np.concatenate([members[i], members[j]])))
    return [_most_typical(Z, rows, _N_IMAGES) if len(rows) else rows for rows in members]


def _as_images(X, typical, image_shape):
    X = _check_pixels(X)
    shape = check_image_shape(image_shape, X.shape[1])
    images = [X[rows].toarray() if issparse(X) else X[rows] for rows in typical]
    return [of_node.reshape(-1, *shape) for of_node in images]


def _larger_first(linkage, sizes):
    """The ends from top to bottom: of two branches the larger is above."""
    n_ends, sizes, order, stack = len(sizes), node_sums(linkage, sizes), [], [2 * len(sizes) - 2]
    while stack:
        node = stack.pop()
        if node < n_ends:
            order.append(node)
        else:
            children = linkage[node - n_ends, :2].astype(np.intp)
            stack.extend(sorted(children, key=lambda child: sizes[child]))
    return np.array(order)
