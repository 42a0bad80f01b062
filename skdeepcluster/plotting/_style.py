"""What the displays share: the import of matplotlib, colours, panels, images side by side."""

import math
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._support._checks import shown
from ._text import LEAST_DRAWN, all_fitted, fitted, room, room_of_names, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as OwnFigure

    # The axes that a user gives may lie in a SubFigure instead, which has fewer methods.
    Figure: TypeAlias = OwnFigure | Any

# Everybody can tell these apart, also with colour blindness: the "muted" scheme of P. Tol, "Colour schemes", SRON
# technical note, 2021.
CLUSTER_COLORS = ("#332288", "#CC6677", "#117733", "#88CCEE", "#DDCC77", "#AA4499", "#44AA99", "#882255", "#999933")
# When all colours are used, the next clusters have the same colours with the next marker.
CLUSTER_MARKERS = "osD^vP"
# What has no markers has a hatching instead.
CLUSTER_HATCHES = ("", "////", "xxxx", "....", "||||", "----")
NOISE_COLOR = "#BBBBBB"
# Colours of lines, for all kinds of colour vision as well: M. Okabe and K. Ito, "Color universal design", 2008.
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, PALE = "#222222", "#AAAAAA"

# With more panels or images than this, drawing takes minutes and nobody looks at them all.
MOST_SHOWN = 64

# New figures of panels are at most that many inches wide.
_WIDEST = 17.0
# Panels within given axes are at least that wide.
_NARROWEST = 1.5

# Height of a bar whose name can be read, in inches.
HEIGHT_OF_BAR = 0.12

# Larger numbers are not drawn, as their squares are too large for an axis.
LARGEST_DRAWN = 2.0**504


def pyplot():
    """`matplotlib.pyplot`, imported when something is drawn."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(
            "The displays of skdeepcluster.plotting draw with matplotlib, which is not installed: "
            "pip install 'skdeepcluster[plot]'."
        ) from error
    return matplotlib.pyplot


def axes_or_new(ax, figsize):
    """The given axes, or those of a new figure of figsize inches.

    Raises
    ------
    TypeError
        If ax is not an Axes, or has another projection, such as polar axes.
    """
    if ax is not None:
        if not isinstance(ax, pyplot().Axes) or ax.name != "rectilinear":
            raise TypeError(
                f"ax={ax!r} must be the axes of a flat plot, such as plt.subplots() returns beside the figure."
            )
        return ax
    figure, ax = pyplot().subplots(figsize=figsize, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)
    return ax


def panels(ax, n_panels, n_columns, panel_size, *, header=False):
    """Replace the given axes, or those of a new figure, by a grid of panels.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        Its frame is removed.
    n_panels, n_columns : int
    panel_size : (float, float)
        Width and height of a panel in inches, in a new figure.
    header : bool
        Whether something is to be written above all panels.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The one given, or the new one.
    axes : ndarray of matplotlib.axes.Axes of shape (n_panels,)
    header : matplotlib.axes.Axes or None
        Axes without height, on top of which a title or a legend is above the panels.
    """
    if ax is not None:
        n_columns = min(n_columns, _columns_within(ax))
    n_columns = min(n_columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    ax = axes_or_new(ax, (n_columns * panel_size[0], n_rows * panel_size[1] + (0.3 if header else 0.0)))
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax has no place in a grid, which a display of several panels divides: make it with plt.subplots or "
            "figure.add_subplot."
        )
    ax.set_axis_off()
    top = None
    if header:
        above, place = place.subgridspec(2, 1, height_ratios=(1e-3, 1), hspace=0)
        top = ax.figure.add_subplot(above)
        top.set_axis_off()
    grid = place.subgridspec(n_rows, n_columns)
    places = [grid[divmod(i, n_columns)] for i in range(n_panels)]
    return ax, np.array([ax.figure.add_subplot(place) for place in places], dtype=object), top


def _columns_within(ax):
    """How many panels are side by side in axes that were given."""
    return max(int(room(axes_or_new(ax, None))[0] // _NARROWEST), 1)


def most_panels(ax, height):
    """How many panels are drawn at most, in axes that were given only as many of that height as there is room for."""
    if ax is None:
        return MOST_SHOWN
    n_columns = _columns_within(ax)
    return min(MOST_SHOWN, n_columns * max(int(room(ax)[1] // height), 1))


def length_with_names(names, length):
    """Width or height in inches of panels of that length, with more for long names, of up to some 40 characters."""
    widths = (width_of(fitted(name, 2.6, "small"), "small") for name in names)
    return max(length, LEAST_DRAWN + max(widths, default=0.0))


def columns_of(most, width):
    """How many panels of that width are side by side in a new figure."""
    return int(np.clip(_WIDEST // width, 1, most))


def cluster_color(i):
    """Colour of the i-th cluster."""
    return CLUSTER_COLORS[i % len(CLUSTER_COLORS)]


def cluster_style(i):
    """Colour and marker of the i-th cluster."""
    return {"color": cluster_color(i), "marker": CLUSTER_MARKERS[i // len(CLUSTER_COLORS) % len(CLUSTER_MARKERS)]}


def cluster_filling(i):
    """Colour and hatching of areas of the i-th cluster."""
    hatch = CLUSTER_HATCHES[i // len(CLUSTER_COLORS) % len(CLUSTER_HATCHES)]
    return {"facecolor": cluster_color(i), "edgecolor": "white", "hatch": hatch, "linewidth": 0}


def check_image_shape(image_shape, n_features):
    """The shape as a tuple, (height, width) or (height, width, 3).

    Raises a ValueError if it is neither, or if its product is not n_features.
    """
    shape = tuple(np.atleast_1d(np.asarray(image_shape, dtype=object)).tolist())
    are_sizes = len(shape) in (2, 3) and all(isinstance(size, Integral) and size > 0 for size in shape)
    if not are_sizes or shape[2:] not in ((), (3,)) or math.prod(map(int, shape)) != n_features:
        raise ValueError(
            f"image_shape={shown(image_shape)} must be (height, width), or (height, width, 3) for colours, with a "
            f"product of {n_features}, the number of features."
        )
    return shape


def tile(images, n_columns):
    """One image that shows all images, of shape (n, height, width) or (n, height, width, 3), side by side.

    They are in rows of n_columns. Between them is a line of one pixel. Pixels that belong to no image are NaN.
    """
    n_images, height, width, *channels = images.shape
    n_rows = -(-n_images // n_columns)
    tiles = np.full((n_rows * (height + 1) - 1, n_columns * (width + 1) - 1, *channels), np.nan)
    for i, image in enumerate(images):
        row, column = divmod(i, n_columns)
        top, left = row * (height + 1), column * (width + 1)
        tiles[top : top + height, left : left + width] = image
    return tiles


def show_images(ax, images, n_columns, vmin, vmax):
    """Draw images side by side, values from vmin to vmax."""
    span = vmax - vmin if vmax > vmin else 1.0
    tiles = (np.clip(tile(np.asarray(images, dtype=np.float64), n_columns), vmin, vmin + span) - vmin) / span
    if tiles.ndim == 3:
        # Pixels with colours cannot be masked, so those without a value become white.
        tiles = np.where(np.isnan(tiles), 1.0, np.clip(tiles, 0, 1))
    ax.imshow(np.ma.masked_invalid(tiles), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def horizontal_bars(ax, values, names):
    """Bars from top to bottom, positive and negative ones in two colours."""
    places = np.arange(len(values))
    ax.barh(places, values, color=np.where(np.asarray(values) >= 0, LINE_COLORS[0], LINE_COLORS[1]))
    short = all_fitted(names, room_of_names(room(ax)[0]), "small")
    # With parse_math, matplotlib would take a name with two dollar signs for a formula.
    ax.set_yticks(places, short, fontsize="small", parse_math=False)
    ax.invert_yaxis()
    ax.axvline(0, color=INK, linewidth=0.8)
