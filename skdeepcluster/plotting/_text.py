"""Texts that keep to the room there is: names cut short, labels left out, legends in columns. Lengths are in inches."""

import numpy as np

# Text on a screen is up to a tenth wider than its outlines, as its letters begin on whole pixels.
_HINTING = 1.1
# Of the width or height of a panel, the share that names beside what is drawn may take.
SHARE_OF_NAMES = 0.45
# They may take more of a panel where that much is left, with what else lies around it.
LEAST_DRAWN = 2.2
# What lies beside what is drawn apart from names: ticks and numbers, and above and below also a label and a title.
_MARGIN = np.array([0.5, 0.9])
# Legends of axes that are narrower than this have a small font.
_NARROW = 4.0


def width_of(text, size="medium"):
    """Width of a text in one line, in a font of that size."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    return _HINTING * text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)[0] / 72


def height_of_lines(n_lines=1, size="medium"):
    """Height of as many lines of text."""
    from matplotlib.font_manager import FontProperties

    return 1.25 * n_lines * FontProperties(size=size).get_size_in_points() / 72


def size_of(text, size="medium"):
    """Width and height of a text of several lines."""
    lines = text.split("\n")
    return max(width_of(line, size) for line in lines), height_of_lines(len(lines), size)


def room(ax):
    """Width and height that axes have together with their ticks, labels and title."""
    figure, place = ax.figure, ax.get_subplotspec()
    box = ax.get_window_extent()
    width, height = box.width, box.height
    if place is not None and figure.get_layout_engine() is not None:
        # A layout engine sets the axes when the figure is drawn. Until then they are at a place that is not theirs.
        top = place.get_topmost_subplotspec()
        of_figure = _shares(top)
        width, height = figure.bbox.width * of_figure[0], figure.bbox.height * of_figure[1]
        if place is not top:
            grid, whole, of_grid = (
                place.get_gridspec()[:, :].get_position(figure),
                top.get_position(figure),
                _shares(place),
            )
            width *= of_grid[0] * grid.width / whole.width
            height *= of_grid[1] * grid.height / whole.height
    return width / figure.dpi, height / figure.dpi


def _shares(place):
    """The shares of the columns and rows of its grid that a place has."""
    grid = place.get_gridspec()
    return len(place.colspan) / grid.ncols, len(place.rowspan) / grid.nrows


def room_of_names(length):
    """Of a panel with that width or height, what names may take and leave enough for what is drawn."""
    return max(SHARE_OF_NAMES * length, length - LEAST_DRAWN)


def room_inside(ax):
    """Width and height that are left to axes without names beside them."""
    return np.maximum(np.array(room(ax)) - _MARGIN, 0.1)


def one_line(text):
    """The text without line breaks."""
    return " ".join(str(text).split())


def shortened(text, length, share=0.5):
    """The text in at most that many characters: what is in its middle is left out, or after that share of the rest."""
    if len(text) <= length:
        return text
    head = round(share * (length - 1))
    return f"{text[:head].rstrip()}…{text[len(text) - (length - 1 - head) :].lstrip()}"


def fitted(text, width, size="medium", n_lines=1, share=0.5):
    """The text in at most that many lines of that width, shortened as little as this takes."""
    text = one_line(text)
    widths = {}

    def lines_of(text):
        """Lines that are filled word by word, or None if they are too wide or too many."""
        lines, used = [], np.inf
        for word in text.split(" ") if n_lines > 1 else [text]:
            if word not in widths:
                widths[word] = width_of(word, size)
            if used + space + widths[word] <= width:
                lines[-1] += " " + word
                used += space + widths[word]
            else:
                lines.append(word)
                used = widths[word]
            if used > width or len(lines) > n_lines:
                return None
        return lines

    space = width_of("a a", size) - width_of("aa", size)
    # No letter is narrower than a point.
    low, high = 1, min(len(text), max(int(72 * width * n_lines), 1))
    if high == len(text) and (lines := lines_of(text)):
        return "\n".join(lines)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if lines_of(shortened(text, middle, share)) else (low, middle - 1)
    short = shortened(text, low, share)
    return "\n".join(lines_of(short) or [short])


def all_fitted(texts, width, size="medium", n_lines=1):
    """The texts, each fitted. They are cut where they can still be told apart, if there is such a place."""
    texts = [one_line(text) for text in texts]
    choices = ([fitted(text, width, size, n_lines, share) for text in texts] for share in (0.5, 0.25, 0.75, 0.0, 1.0))
    first = next(choices)
    n_distinct = len(set(texts))
    if len(set(first)) == n_distinct:
        return first
    return next((choice for choice in choices if len(set(choice)) == n_distinct), first)


def thinned(centres, extents, order):
    """Indices of the labels to show, ascending: taken in that order, those that overlap no earlier one."""
    kept = []
    centres, extents = np.asarray(centres), np.asarray(extents)
    for i in order:
        if np.all(np.abs(centres[i] - centres[kept]) >= (extents[i] + extents[kept]) / 2):
            kept.append(i)
    return sorted(kept)


def name_axes(ax, x="", y=""):
    """Label both axes, in two lines where one is too short."""
    width, height = room_inside(ax)
    ax.set_xlabel(fitted(x, width, n_lines=2))
    ax.set_ylabel(fitted(y, height, n_lines=2))


def name_x_ticks(ax, places, names, first=0, are_numbers=False, size="medium"):
    """Name places on the x-axis of what is drawn: level if there is room, or aslant, or upright.

    Names that would overlap another are left out, but not that of index `first`. Numbers stay level.
    """
    ax.set_xticks(places)
    ax.autoscale_view()
    to_axes = ax.transData + ax.transAxes.inverted()
    at = room_inside(ax)[0] * to_axes.transform([(place, 0.5) for place in places])[:, 0]
    height = room(ax)[1]
    short = all_fitted(names, max(0.3 * height, height - LEAST_DRAWN), size)
    widths, line = np.array([width_of(name, size) for name in short]), height_of_lines(1, size)
    angle, extents = 0, widths + line / 2
    step = np.diff(np.sort(at)).min(initial=np.inf)
    if not are_numbers and step < extents.max():
        angle = 30 if step >= 2 * line and widths.max() <= 1.0 else 90
        extents = np.full(len(at), line / np.sin(np.deg2rad(angle)))
    kept = thinned(at, extents, [first, *range(len(at))])
    style = {"rotation": angle, "ha": "right" if angle == 30 else "center"}
    ax.set_xticks(np.asarray(places)[kept], [short[i] for i in kept], fontsize=size, parse_math=False, **style)
    ax.minorticks_off()


def name_y_ticks(ax, places, names, size="medium"):
    """Name places on the y-axis of what is drawn. Names that would overlap another are left out."""
    to_axes = ax.transData + ax.transAxes.inverted()
    at = room_inside(ax)[1] * to_axes.transform([(0, place) for place in places])[:, 1]
    line = height_of_lines(1, size)
    n_lines = int(np.clip(np.abs(np.diff(at)).min(initial=np.inf) / line, 1, 3))
    short = all_fitted(names, SHARE_OF_NAMES * room(ax)[0], size, n_lines)
    # Between lines there is space, which labels need not have between them.
    kept = thinned(at, [0.85 * size_of(name, size)[1] for name in short], range(len(at)))
    ax.set_yticks(np.asarray(places)[kept], [short[i] for i in kept], fontsize=size, parse_math=False)


def width_of_names(ax):
    """Width of the names at the y-axis."""
    return max((size_of(name.get_text(), name.get_fontsize())[0] for name in ax.get_yticklabels()), default=0.0)


def title_panels(axes, word, titles):
    """Titles of the form (name, rest), of which only the name may be shortened. The word before them goes first.

    They are above what is drawn, or all from the left edge of the names beside it, if one would not fit otherwise.
    """
    from matplotlib.transforms import ScaledTranslation

    columns = [ax.get_subplotspec().colspan.start for ax in axes]
    beside = [max(width_of_names(ax) for ax, of in zip(axes, columns) if of == column) for column in columns]
    width = room(axes[0])[0] - 0.3
    widest = max(width_of(name + rest) for name, rest in titles)
    is_too_wide = widest + width_of(word) > width - max(beside)
    if widest + width_of(word) > width:
        word = ""
    for ax, shift, (name, rest) in zip(axes, beside, titles):
        text = word + name + rest
        if width_of(text) > width:
            text = fitted(name, width - width_of(rest), n_lines=2) + rest
        title = ax.set_title(text, fontsize="medium", loc="left", parse_math=False)
        if is_too_wide:
            title.set_transform(
                title.get_transform() + ScaledTranslation(-shift / _HINTING, 0, ax.figure.dpi_scale_trans)
            )


def legend_above(ax, of=None, title=None):
    """A legend above the axes, of what is in them or in others, in as many columns as there is room for."""
    width = room(ax)[0] - 0.2 if of else room_inside(ax)[0]
    size = "medium" if width > _NARROW else "x-small"
    handles, labels = (of or ax).get_legend_handles_labels()
    em = height_of_lines(1, size) / 1.25
    style = {"handlelength": 1.5, "handletextpad": 0.5, "columnspacing": 1.5, "fontsize": size, "frameon": False}
    labels = [fitted(label, width - 2 * em, size, n_lines=3) for label in labels]
    widths = [2 * em + size_of(label, size)[0] for label in labels]
    n_columns = next(
        n
        for n in range(max(len(labels), 1), 0, -1)
        if n == 1 or sum(max(column) + 1.5 * em for column in np.array_split(widths, n)) - 1.5 * em <= width
    )
    ax.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=n_columns, title=title, **style)
