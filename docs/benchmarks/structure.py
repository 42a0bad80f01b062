"""Whether structure_test keeps its level, and what it and cluster_stability find.

    python docs/benchmarks/structure.py level --out FILE [--data-dir DIR]
    python docs/benchmarks/structure.py power --out FILE [--data-dir DIR]
    python docs/benchmarks/structure.py shapes --out FILE [--n-tables 50]
    python docs/benchmarks/structure.py clusterers --out FILE [--n-tables 50]
    python docs/benchmarks/structure.py stability [--data-dir DIR]

level: 100 tables without structure: 50 Gaussian ones with random correlations, and 50 of real sets, each column
shuffled by itself. 100 to 500 rows, 2 to 120 columns, KMeans with 2 to 10 clusters; eight of them by the neighbour code
instead, in few epochs. Of these at most nine should have p < .05. power: real sets of 2,000 rows at most, with their
number of classes. shapes: tables that are no Gaussian copula, or are one with ties, tails or collinear columns, and
some with clusters. clusterers: clusterers other than KMeans, on tables with and without clusters. What is done is kept
in FILE, so that a study can be taken up where it was left. What came out is in docs/studies/model_selection.md.
"""

import argparse
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from _contestants import neighbor_code
from _datasets import KEEL, load
from _machine import describe_machine
from _results import keep, kept
from _tables import print_table
from _timing import timed
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.datasets import make_blobs, make_swiss_roll
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster.model_selection import cluster_stability, structure_test

N_TABLES = 100
# So many of them are clustered by the neighbour code, in so many epochs.
N_BY_CODE, N_EPOCHS = 8, 60
SHUFFLED = ("digits", "wine", "breast_cancer", *KEEL)

SETS = ("digits", "wine", "breast_cancer", "iris", "segment", "texture", "vehicle", "vowel", "satimage", "optdigits")
SETS += ("letter", "movement_libras", "led7digit", "wisconsin", "australian", "heart", "ionosphere", "sonar")
SETS += ("contraceptive", "marketing", "spambase", "twonorm", "ring")


def kmeans(n_clusters, seed):
    return make_pipeline(StandardScaler(), KMeans(n_clusters, n_init=3, random_state=seed))


def by_code(n_clusters, seed, **others):
    return make_pipeline(
        StandardScaler(), neighbor_code(seed, **others), KMeans(n_clusters, n_init=3, random_state=seed)
    )


def with_correlations(n_rows, n_columns, rng):
    """Rows of a Gaussian with random correlations: all alike, of two factors, or nearly singular."""
    kind = rng.randint(3)
    if kind == 0:
        A = rng.normal(size=(n_columns, n_columns + 2))
    elif kind == 1:
        A = np.column_stack([2 * rng.normal(size=(n_columns, 2)), np.eye(n_columns)])
    else:
        A = np.linalg.qr(rng.normal(size=(n_columns, n_columns)))[0] * np.geomspace(1, 0.05, n_columns)
    A /= np.linalg.norm(A, axis=1, keepdims=True)
    return rng.normal(size=(n_rows, A.shape[1])) @ A.T


def without_structure(i, data_dir):
    """A name of table i of the 100, the table and its number of clusters."""
    rng = np.random.RandomState(i)
    n_rows, n_clusters = rng.choice([100, 200, 300, 500]), rng.choice([2, 3, 5, 10])
    if i % 2 == 0:
        n_columns = rng.choice([2, 4, 8, 16, 40, 120])
        return f"Gaussian, {n_columns} columns", with_correlations(n_rows, n_columns, rng), n_clusters
    name = SHUFFLED[i // 2 % len(SHUFFLED)]
    X = load(name, data_dir)[0]
    X = X[rng.permutation(len(X))[:n_rows]]
    # Columns that are constant among the rows drawn are in no table.
    shuffled = [rng.permutation(column) for column in X.T if np.ptp(column) > 0]
    return f"{name}, shuffled", np.column_stack(shuffled), n_clusters


def level(arguments):
    """Tables without structure."""
    done = kept(arguments.out)
    for i in range(len(done), N_TABLES):
        name, X, n_clusters = without_structure(i, arguments.data_dir)
        is_by_code = i < 2 * N_BY_CODE and i % 2 == i // 2 % 2
        model = by_code(n_clusters, i, max_iter=N_EPOCHS) if is_by_code else kmeans(n_clusters, i)
        result, seconds = timed(lambda X, model=model, i=i: structure_test(model, X, random_state=i), X)
        run = {"table": name, "rows": len(X), "clusters": int(n_clusters), "code": is_by_code}
        run |= {"p": result.p_value, "seconds": seconds}
        print(run, flush=True)
        keep(arguments.out, run)
        done.append(run)
    kinds = {"all": done, "Gaussian": done[::2], "shuffled": done[1::2], "code": [run for run in done if run["code"]]}
    print_table([{"tables": kind} | rejections([run["p"] for run in runs]) for kind, runs in kinds.items()])


def rejections(p_values):
    p = np.array(p_values)
    return {"number": len(p), "p < .05": int(np.sum(p < 0.05)), "p < .01": int(np.sum(p < 0.01)), "mean p": p.mean()}


def power(arguments):
    """Real sets."""
    done = kept(arguments.out)
    sets = [*SETS, *(["pendigits"] if arguments.data_dir is not None else [])]
    tasks = [(name, "KMeans", kmeans) for name in sets]
    tasks += [(name, "neighbour code", by_code) for name in ("digits", "pendigits") if name in sets]
    for name, method, make in tasks:
        if any((run["set"], run["method"]) == (name, method) for run in done):
            continue
        X, y = load(name, arguments.data_dir)
        model = make(len(np.unique(y)), 0)
        result, seconds = timed(lambda X, model=model: structure_test(model, X, random_state=0), X)
        run = {"set": name, "method": method, "rows": len(X), "columns": X.shape[1], "p": result.p_value}
        run |= {"score": result.score, "without structure": result.null_scores.mean()}
        run |= {"largest without": result.null_scores.max(), "seconds": seconds}
        print(run, flush=True)
        keep(arguments.out, run)
        done.append(run)
    print_table(done)


def on_sphere(n_rows, n_columns, rng):
    X = rng.normal(size=(n_rows, n_columns))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def gaussian(rng, n_rows=200, n_columns=8):
    return with_correlations(n_rows, n_columns, rng)


def filament(rng):
    t = np.linspace(0, 1, 300)
    return np.column_stack([t, np.sin(6 * t), np.cos(4 * t)]) + 0.05 * rng.normal(size=(300, 3))


def ring(rng):
    return on_sphere(300, 2, rng) + 0.1 * rng.normal(size=(300, 2))


def doubled(X, rng):
    return np.hstack([X, X])


def blobs(rng, n_clusters=3, n_columns=5, distance=4.0, n_rows=200):
    """Clusters whose centres are so far from the middle, in standard deviations, in random directions."""
    return make_blobs(n_rows, centers=distance * on_sphere(n_clusters, n_columns, rng), random_state=rng)[0]


# Without clusters, and a Gaussian copula; without clusters, and none; with clusters.
SHAPES = {
    "Gaussian": gaussian,
    "logarithmic normal": lambda rng: np.exp(gaussian(rng)),
    "five steps": lambda rng: np.digitize(gaussian(rng), [-1.2, -0.4, 0.4, 1.2]),
    "binary": lambda rng: (gaussian(rng) > 0.7 * rng.normal(size=8)).astype(int),
    "mostly zeros": lambda rng: np.maximum(gaussian(rng) - 0.5, 0),
    "each column twice": lambda rng: doubled(gaussian(rng, n_columns=4), rng),
    "nearly collinear": lambda rng: rng.normal(size=(200, 1)) + 0.01 * rng.normal(size=(200, 8)),
    "50 rows, 200 columns": partial(gaussian, n_rows=50, n_columns=200),
    "50 rows, 200 binary columns": lambda rng: (gaussian(rng, 50, 200) > 0).astype(int),
    "square": lambda rng: rng.uniform(size=(300, 2)),
    "independent, heavy tails": lambda rng: rng.standard_t(2, size=(200, 8)),
    "a column of two groups": lambda rng: np.column_stack([rng.normal(size=(200, 4)), 8 * rng.randint(2, size=200)]),
    "heavy tails together": lambda rng: gaussian(rng) / np.sqrt(rng.chisquare(3, size=(200, 1)) / 3),
    "disc": lambda rng: on_sphere(300, 2, rng) * np.sqrt(rng.uniform(size=(300, 1))),
    "ball of 8 dimensions": lambda rng: on_sphere(200, 8, rng) * rng.uniform(size=(200, 1)) ** (1 / 8),
    "sphere": lambda rng: on_sphere(300, 3, rng),
    "ring": ring,
    "filament": filament,
    "Swiss roll": lambda rng: make_swiss_roll(300, random_state=rng)[0],
    "2 clusters, 5 columns, distance 2": partial(blobs, n_clusters=2, distance=2.0),
    "3 clusters, 5 columns, distance 2": partial(blobs, distance=2.0),
    "3 clusters, 5 columns, distance 3": partial(blobs, distance=3.0),
    "3 clusters, 5 columns, distance 4": blobs,
    "3 clusters, 5 columns, distance 4, 60 rows": partial(blobs, n_rows=60),
    "3 clusters, 50 columns, distance 4": partial(blobs, n_columns=50),
    "2 clusters, 2 columns, distance 4": partial(blobs, n_clusters=2, n_columns=2),
    "50 rows, 200 columns, 3 clusters, distance 8": partial(blobs, n_columns=200, n_rows=50, distance=8.0),
}


def shapes(arguments):
    """Tables of many shapes, by KMeans with three clusters."""
    study(arguments, {name: (make, partial(kmeans, 3)) for name, make in SHAPES.items()})


CLUSTERERS = {
    "KMeans(3)": lambda: KMeans(3, n_init=3, random_state=0),
    "KMeans(10)": lambda: KMeans(10, n_init=3, random_state=0),
    "Ward(3)": lambda: AgglomerativeClustering(3),
    "single linkage(3)": lambda: AgglomerativeClustering(3, linkage="single"),
    "mixture(3)": lambda: GaussianMixture(3, random_state=0),
    "DBSCAN(0.5)": lambda: DBSCAN(0.5),
    "DBSCAN(1)": lambda: DBSCAN(1.0),
    "DBSCAN(1.5)": lambda: DBSCAN(1.5),
    "HDBSCAN(5)": lambda: HDBSCAN(min_cluster_size=5, copy=True),
    "HDBSCAN(15)": lambda: HDBSCAN(min_cluster_size=15, copy=True),
}
TABLES = {
    "Gaussian": partial(gaussian, n_columns=4),
    "two groups in each of 3 columns": lambda rng: 6.0 * rng.randint(2, size=(300, 3)) + rng.normal(size=(300, 3)),
    "3 clusters": partial(blobs, distance=6.0),
}


def clusterers(arguments):
    """Clusterers on tables with and without clusters."""
    cases = {
        f"{name}, {of}": (make_table, lambda seed, make=make: make_pipeline(StandardScaler(), make()))
        for of, make_table in TABLES.items()
        for name, make in CLUSTERERS.items()
    }
    study(arguments, cases)


def study(arguments, cases):
    """How often p is at most .05 in tables of each case: a function that makes a table, and one that makes a model."""
    done = kept(arguments.out)
    for name, (make_table, make_model) in cases.items():
        for i in range(sum(run["case"] == name for run in done), arguments.n_tables):
            X = make_table(np.random.RandomState(i))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = structure_test(make_model(i), X, n_repeats=39, random_state=i)
            run = {"case": name, "p": result.p_value}
            keep(arguments.out, run)
            done.append(run)
        p = np.array([run["p"] for run in done if run["case"] == name])
        print(f"{name}: p <= .05 in {np.mean(p <= 0.05):.2f} of {len(p)} tables, mean {p.mean():.2f}", flush=True)


def stability(arguments):
    """Clusters that come back, of real sets."""
    rows = []
    for name in ("digits", *(["pendigits"] if arguments.data_dir is not None else [])):
        X, y = load(name, arguments.data_dir)
        for method, make in (("KMeans", kmeans), ("neighbour code", by_code)):
            for n_clusters in (10, 15):
                model = make(n_clusters, 0)
                result, seconds = timed(lambda X, model=model: cluster_stability(model, X, random_state=0), X)
                purity = [np.bincount(y[result.labels == cluster]).max() for cluster in result.clusters] / result.sizes
                row = {"set": name, "method": method, "clusters": n_clusters, "stable": int(result.stable.sum())}
                row |= {"mean Jaccard": result.jaccard.mean(), "Rand": result.rand_scores.mean()}
                for word, of in (("purity of stable", result.stable), ("of others", ~result.stable)):
                    row[word] = purity[of].mean() if of.any() else np.nan
                rows.append(row | {"seconds": seconds})
                print(rows[-1], flush=True)
    print_table(rows)


SECTIONS = {"level": level, "power": power, "shapes": shapes, "clusterers": clusterers, "stability": stability}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = parser.add_subparsers(dest="section", required=True)
    of = {name: sections.add_parser(name, help=section.__doc__) for name, section in SECTIONS.items()}
    for name, options in of.items():
        options.add_argument("--data-dir", help="folder with the sets that do not come with a package")
        if name != "stability":
            options.add_argument("--out", type=Path, required=True, help="file of results")
    for name in ("shapes", "clusterers"):
        of[name].add_argument("--n-tables", type=int, default=50, help="of each case")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    SECTIONS[arguments.section](arguments)
    print(describe_machine())
