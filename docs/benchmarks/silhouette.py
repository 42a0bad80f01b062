"""How much faster is the silhouette of the reports and scorers than scikit-learn's, and how equal?

    python docs/benchmarks/silhouette.py [--n-runs 5]

Clusters of unit variance, 64 columns, 10 clusters. scikit-learn's and ours alternate, after one run of each that is not
counted. Seconds are medians over the runs, and the ratio is the median of the ratios of neighbouring runs. The last
column is the difference of the two scores, relative to scikit-learn's. For 30,000 rows there are at most 2 runs.
"""

import argparse
from time import perf_counter

import numpy as np
import pandas as pd
import sklearn.metrics
from _machine import describe_machine

from skdeepcluster.metrics._points import points_of
from skdeepcluster.metrics._silhouette import silhouette_score

N_ROWS = [2000, 10_000, 30_000]
N_COLUMNS, N_CLUSTERS = 64, 10


def make_clusters(n, dtype):
    rng = np.random.RandomState(0)
    labels = rng.randint(N_CLUSTERS, size=n)
    centres = 0.5 * rng.normal(size=(N_CLUSTERS, N_COLUMNS))
    return (centres[labels] + rng.normal(size=(n, N_COLUMNS))).astype(dtype), labels


def seconds_of(function, *arguments):
    start = perf_counter()
    function(*arguments)
    return perf_counter() - start


def ours(Z, labels):
    return silhouette_score(points_of(Z, "euclidean"), labels)


def compare(n, dtype, n_runs):
    """One row of the table."""
    Z, labels = make_clusters(n, dtype)
    contestants = sklearn.metrics.silhouette_score, ours
    expected, score = (contestant(Z, labels) for contestant in contestants)
    seconds = np.array([[seconds_of(contestant, Z, labels) for contestant in contestants] for _ in range(n_runs)])
    return {
        "rows": n,
        "dtype": dtype,
        "runs": n_runs,
        "scikit-learn (s)": np.median(seconds[:, 0]),
        "ours (s)": np.median(seconds[:, 1]),
        "ratio": np.median(seconds[:, 0] / seconds[:, 1]),
        "relative difference": f"{abs(score / expected - 1):.1e}",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-runs", type=int, default=5)
    arguments = parser.parse_args()
    print(describe_machine() + "\n")
    rows = [
        compare(n, dtype, arguments.n_runs if n < 30_000 else min(arguments.n_runs, 2))
        for n in N_ROWS
        for dtype in ("float64", "float32")
    ]
    print(pd.DataFrame(rows).round({"scikit-learn (s)": 3, "ours (s)": 3, "ratio": 1}).to_string(index=False))
