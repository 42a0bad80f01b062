"""Draw the pictures of the landing page, light and dark: python docs/images/draw_landing.py --data-dir DIR

One has images of MNIST, placed by the code and coloured by their cluster, the other figures of the study of neighbours,
as they stand on its page. Two minutes on two cores.
"""

import argparse
import itertools
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from sklearn.datasets import fetch_openml
from sklearn.manifold import TSNE

from skdeepcluster import DeepEmbeddedClustering, SparseAutoencoderTransformer

IMAGES = Path(__file__).parent
STUDY = IMAGES.parent / "studies" / "neighbors.md"

# The rows of the study's table that are drawn, and what they are called.
METHODS = {
    "KMeans": "KMeans on the data",
    "UMAP, KMeans": "KMeans on UMAP",
    "neighbour code, KMeans": "KMeans on the code",
}
# So many images are placed, and of those that would cover each other one is drawn.
N_PLACED, LEAST_DISTANCE = 6000, 2.6

INK = {"light": "#2b2f33", "dark": "#ced6dd"}
BARS = {
    "light": ["#b9c0c7", "#7d8893", "#1f6feb"],
    "dark": ["#59636e", "#8d98a3", "#58a6ff"],
}


def mnist(data_dir):
    """All images as rows of pixels in [0, 1]."""
    if data_dir:
        with np.load(data_dir / "mnist.npz", allow_pickle=False) as archive:
            X = archive["X"]
    else:
        X, _ = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
    return X.astype(np.float32) / 255


def clustered(X):
    """Of some images drawn at random: their places in two dimensions, by the code, and their clusters."""
    encoder = SparseAutoencoderTransformer(
        32,
        hidden_layer_sizes=(256, 256),
        output_activation="logistic",
        rho=0.2,
        beta=1,
        lam=1e-4,
        corruption=0.1,
        n_neighbors=7,
        random_state=0,
    )
    model = DeepEmbeddedClustering(10, encoder=encoder, random_state=0).fit(X)
    shown = np.random.RandomState(0).permutation(len(X))[:N_PLACED]
    return (
        shown,
        TSNE(random_state=0).fit_transform(model.transform(X[shown])),
        model.labels_[shown],
    )


def study():
    """Data sets, and the scores of each method on them, from the table of the sets that nobody had looked at."""
    lines = STUDY.read_text().splitlines()
    start = next(
        i for i, line in enumerate(lines) if line.startswith("| NMI | cardiotocography")
    )
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    header, _, *cells = (
        [cell.strip() for cell in row.strip("|").split("|")] for row in rows
    )
    scores = {name: [float(score) for score in of_sets] for name, *of_sets in cells}
    return header[1:], {name: scores[name] for name in METHODS}


def apart(places):
    """Which places are kept if each has to be at some distance from those before it."""
    kept = []
    for i, place in enumerate(places):
        if all(np.hypot(*(place - places[j])) > LEAST_DISTANCE for j in kept):
            kept.append(i)
    return kept


def draw_images(ax, images, places, labels):
    for i in apart(places):
        image, place, label = images[i], places[i], labels[i]
        colour = np.array(to_rgb(f"C{label}"))
        drawn = np.concatenate(
            [np.broadcast_to(colour, (28, 28, 3)), image.reshape(28, 28, 1)], axis=2
        )
        ax.add_artist(
            AnnotationBbox(OffsetImage(drawn, zoom=0.5), place, frameon=False, pad=0)
        )
    margin = 3
    (left, bottom), (right, top) = (
        places.min(axis=0) - margin,
        places.max(axis=0) + margin,
    )
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.set_axis_off()


def draw_bars(ax, names, scores, colours, ink):
    names = [name.replace("_", " ") for name in names]
    width = 0.8 / len(scores)
    for k, (method, values) in enumerate(scores.items()):
        places = np.arange(len(names)) + (k - (len(scores) - 1) / 2) * width
        ax.barh(places, values, width, color=colours[k], label=METHODS[method])
        for place, value in zip(places, values):
            ax.text(
                value + 0.8, place, f"{value:.0f}", va="center", fontsize=7.5, color=ink
            )
    ax.set_yticks(range(len(names)), names, fontsize=10)
    ax.get_yticklabels()[-1].set_fontweight("bold")
    ax.set(xlim=(0, 86), ylim=(len(names) - 0.5, -0.55), xticks=[])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.legend(frameon=False, fontsize=10, loc="lower right", labelcolor=ink)


def draw(theme, images, places, labels):
    ink = INK[theme]
    plt.rcParams.update(
        {"text.color": ink, "ytick.color": ink, "axes.titlecolor": ink, "font.size": 11}
    )
    parts = {
        "images": (
            lambda ax: draw_images(ax, images, places, labels),
            "Images in ten clusters, found without labels",
        ),
        "scores": (
            lambda ax: draw_bars(ax, *study(), BARS[theme], ink),
            "Agreement with the classes of six sets (NMI, %)",
        ),
    }
    for part, (draw_part, title) in parts.items():
        figure, ax = plt.subplots(figsize=(6, 5.6), layout="constrained")
        draw_part(ax)
        ax.set_title(title)
        figure.savefig(
            IMAGES / f"landing_{part}_{theme}.png", dpi=110, transparent=True
        )
        plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Draw the pictures of the landing page."
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        help="folder with mnist.npz; otherwise scikit-learn fetches it",
    )
    X = mnist(parser.parse_args().data_dir)
    shown, places, labels = clustered(X)
    for theme in INK:
        draw(theme, X[shown], places, labels)
