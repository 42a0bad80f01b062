"""Whether NeighborAssigner gives new rows the clusters that the clusterer itself would give them.

    python docs/benchmarks/assigner.py centres [--data-dir DIR] [--seeds 0 1 2]
    python docs/benchmarks/assigner.py density [--data-dir DIR] [--seeds 0 1 2]

All on the neighbour code of the training rows. centres: digits and all of pendigits, standardised, a quarter of the
rows unseen: KMeans, which has a `predict` of its own to agree with. density: all of MNIST, pixels in [0, 1], 10,000
rows unseen: HDBSCAN, which has none, so that its clusters of the training rows are compared with those that it finds
when it is fitted to the code of all rows. Clusters are matched one to one, by the training rows, so that as many of
these as possible have the same, and noise is noise.

Without --data-dir scikit-learn fetches mnist and pendigits.
"""

import argparse

import numpy as np
from _contestants import hierarchy, neighbor_code, of_number
from _datasets import load, mnist, pendigits
from _machine import describe_machine
from _tables import print_table
from _timing import timed
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster.clustering import NeighborAssigner

N_CLASSES = 10


def centres(arguments):
    """KMeans, which assigns rows to the nearest centre."""
    sets = {"digits": load("digits")[0], "pendigits": pendigits(arguments.data_dir)[0]}
    for name, X in sets.items():
        for seed in arguments.seeds:
            train, unseen = train_test_split(X, test_size=0.25, random_state=seed)
            assigner = NeighborAssigner(of_number(N_CLASSES, seed)[0])
            model = make_pipeline(StandardScaler(), neighbor_code(seed), assigner).fit(train)
            code = model[:-1].transform(unseen)
            labels, seconds = timed(assigner.predict, code)
            row = {"training": share_equal(model.predict(train), assigner.labels_)}
            row |= {"unseen": share_equal(labels, assigner.clusterer_.predict(code)), "s": seconds}
            yield {"": f"{name}, seed {seed}"} | row


def density(arguments):
    """HDBSCAN, which has to be fitted anew to see other rows."""
    X, _ = mnist(arguments.data_dir)
    train, unseen = train_test_split(np.arange(len(X)), test_size=10_000, random_state=0)
    for seed in arguments.seeds:
        autoencoder = neighbor_code(seed, output_activation="logistic").fit(X[train])
        code = autoencoder.transform(X)
        assigner, seconds_of_fit = timed(NeighborAssigner(hierarchy(len(train))).fit, code[train])
        labels, seconds = timed(assigner.predict, code[unseen])
        refitted = hierarchy(len(X)).fit_predict(code)
        expected = renamed(refitted, refitted[train], assigner.labels_)
        row = {"training": share_equal(assigner.predict(code[train]), assigner.labels_)}
        row |= {"training, refit": share_equal(assigner.labels_, expected[train])}
        row |= {"unseen": share_equal(labels, expected[unseen])}
        row |= {"clusters": assigner.n_clusters_, "refit": len(np.unique(refitted[refitted >= 0]))}
        row |= {"noise": share_equal(labels, -1), "noise, refit": share_equal(expected[unseen], -1)}
        row |= {"of that, found": share_equal(labels[expected[unseen] == -1], -1)}
        yield {"": f"seed {seed}"} | row | {"s": seconds, "s of fit": seconds_of_fit}


def share_equal(labels, others):
    """The share of the rows with equal labels, in points."""
    return 100 * float(np.mean(labels == others))


def renamed(labels, of_rows, names_of_rows):
    """Labels by the names of the clusters that they match; those that match none are -2."""
    is_cluster = (of_rows >= 0) & (names_of_rows >= 0)
    counts = contingency_matrix(of_rows[is_cluster], names_of_rows[is_cluster])
    clusters, names = np.unique(of_rows[is_cluster]), np.unique(names_of_rows[is_cluster])
    matched = {-1: -1} | {clusters[i]: names[j] for i, j in zip(*linear_sum_assignment(-counts))}
    return np.array([matched.get(label, -2) for label in labels])


SECTIONS = {"centres": centres, "density": density}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = parser.add_subparsers(dest="section", required=True)
    for name, section in SECTIONS.items():
        options = sections.add_parser(name, help=section.__doc__)
        options.add_argument("--data-dir", help="folder with mnist and pendigits")
        options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    rows = []
    for row in SECTIONS[arguments.section](arguments):
        print(row, flush=True)
        rows.append(row)
    print()
    print_table(rows)
    print(describe_machine())
