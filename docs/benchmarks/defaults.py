"""How the defaults of SparseAutoencoderTransformer were chosen, and what they do.

    python docs/benchmarks/defaults.py [--data-dir DIR]            the table of the defaults
    python docs/benchmarks/defaults.py --search [--data-dir DIR]   the search that they come from

Every figure is the normalised mutual information (NMI) with the known classes, in points (1 = 100), of a clusterer that
is given the true number of clusters, in float32. Baseline: StandardScaler -> clusterer. Ours: StandardScaler ->
autoencoder -> clusterer. The search reads the labels of the tuning sets only, and judges by KMeans; the held-out sets
were looked at after the defaults were fixed.
"""

import argparse
import itertools

import numpy as np
import pandas as pd
from _datasets import load
from _machine import describe_machine
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel, delayed

from skdeepcluster import SparseAutoencoderTransformer

TUNING = ["digits", "pendigits", "mnist", "wine", "breast_cancer", "satimage", "segment"]
HELD_OUT = ["texture", "movement_libras", "vehicle", "fsdd"]
GRID = {
    "n_components": [32, 64, 128],
    "rho": [0.1, 0.3, 0.4, 0.5],
    "beta": [0.3, 1.0, 3.0],
    "lam": [3e-4, 1e-3, 3e-3, 1e-2],
}
TOLERANCES = [1e-2, 1e-3, 1e-4]
CLUSTERERS = ["KMeans", "Ward"]


def run(name, data_dir, seed, parameters, clusterer_names):
    """One row: the NMI of the baseline (parameters None) or of the autoencoder with these parameters."""
    X, y = load(name, data_dir)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    row = {"data set": name, **(parameters or {})}
    if parameters is not None:
        autoencoder = SparseAutoencoderTransformer(**parameters, random_state=seed).fit(X)
        X, row["iterations"] = autoencoder.transform(X), autoencoder.n_iter_
    n_clusters = len(np.unique(y))
    clusterers = {
        "KMeans": KMeans(n_clusters, n_init=10, random_state=seed),
        "Ward": AgglomerativeClustering(n_clusters),
    }
    for clusterer_name in clusterer_names:
        row[clusterer_name] = 100 * normalized_mutual_info_score(y, clusterers[clusterer_name].fit_predict(X))
    return row


def run_all(names, parameter_sets, arguments, clusterer_names=("KMeans",)):
    """The mean over seeds of every data set (and parameter set)."""
    tasks = itertools.product(names, range(arguments.n_seeds), parameter_sets)
    rows = Parallel(n_jobs=arguments.n_jobs)(
        delayed(run)(name, arguments.data_dir, seed, parameters, clusterer_names) for name, seed, parameters in tasks
    )
    return pd.DataFrame(rows).groupby([*(parameter_sets[0] or {}), "data set"]).mean()


def search(arguments):
    """Every setting of the grid by its mean gain on the tuning sets, those that lose over 2 points on one set last."""
    parameter_sets = [dict(zip(GRID, values)) for values in itertools.product(*GRID.values())]
    gains = run_all(TUNING, parameter_sets, arguments)["KMeans"].unstack()[TUNING]
    gains -= run_all(TUNING, [None], arguments)["KMeans"]
    gains = gains.assign(mean=gains.mean(axis=1), worst=gains.min(axis=1))
    gains = gains.assign(eligible=gains["worst"] >= -2).sort_values(["eligible", "mean"], ascending=False)
    print(gains.head(arguments.n_shown).round(1).to_string())
    for name in GRID:
        print("\nmean over all other parameters\n" + gains.groupby(name)[["mean", "worst"]].mean().round(1).to_string())


def tolerances(arguments):
    """The mean gain of the defaults on the tuning sets if training goes on for longer or shorter."""
    parameter_sets = [{"tol": tol, "max_iter": 5000} for tol in TOLERANCES]
    means = run_all(TUNING, parameter_sets, arguments)[["KMeans", "iterations"]].unstack()
    gains = means["KMeans"] - run_all(TUNING, [None], arguments)["KMeans"]
    print(
        "\n" + gains.assign(mean=gains.mean(axis=1), iterations=means["iterations"].mean(axis=1)).round(1).to_string()
    )


def table(arguments):
    """The defaults against the baseline, set by set."""
    names = TUNING + HELD_OUT
    if arguments.data_dir is None:
        names.remove("fsdd")
        print("fsdd is left out: it needs --data-dir.\n")
    baseline, ours = (run_all(names, [parameters], arguments, CLUSTERERS).loc[names] for parameters in (None, {}))
    frame = pd.DataFrame(index=pd.Index(names, name="data set"))
    for clusterer in CLUSTERERS:
        frame[clusterer] = baseline[clusterer]
        frame[f"autoencoder + {clusterer}"] = ours[clusterer]
        frame[f"gain of {clusterer}"] = ours[clusterer] - baseline[clusterer]
    print(frame.assign(iterations=ours["iterations"].round()).round(1).to_string())
    for title, part in (("tuning", frame.loc[TUNING]), ("held out", frame.drop(TUNING))):
        for clusterer in CLUSTERERS:
            gain = part[f"gain of {clusterer}"]
            print(
                f"{title}, {clusterer}: mean gain {gain.mean():.1f}, median {gain.median():.1f}, worst {gain.min():.1f}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz, pendigits.npz and fsdd.npz")
    parser.add_argument("--search", action="store_true", help="run the grid on the tuning sets")
    parser.add_argument("--n-seeds", type=int, default=3)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--n-shown", type=int, default=15, help="settings that the search prints")
    arguments = parser.parse_args()
    print(describe_machine() + "\n")
    if arguments.search:
        search(arguments)
        tolerances(arguments)
    else:
        table(arguments)
