"""Results as tables in Markdown."""

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from skdeepcluster.metrics import clustering_accuracy


def agreement(y, labels):
    """Agreement of clusters with classes, in points."""
    return {
        "accuracy": 100 * clustering_accuracy(y, labels),
        "NMI": 100 * normalized_mutual_info_score(y, labels),
        "ARI": 100 * adjusted_rand_score(y, labels),
    }


def spread(values):
    """Median and range of the values of several seeds."""
    return f"{np.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def print_table(rows):
    """Dictionaries with the same keys as a Markdown table."""
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        cells = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()]
        print("| " + " | ".join(cells) + " |")
    print()
