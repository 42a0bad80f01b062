"""Does GridSearchCV over rho, beta and lam pick a good candidate, with no labels?

    python docs/benchmarks/grid_search.py

Digits, 3 x 3 x 3 candidates, StandardScaler -> autoencoder -> KMeans(10), each scorer in the autoencoder's input space.
Judged by the normalised mutual information with the true digits (NMI, in points) of the candidates fitted to all rows,
which the search does not see. Two ways to score a candidate: on all rows, to which it was fitted, or by 3-fold
cross-validation.
"""

import argparse

import numpy as np
import pandas as pd
from _machine import describe_machine
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.metrics import (
    calinski_harabasz_scorer,
    davies_bouldin_scorer,
    neighbor_information_scorer,
    silhouette_scorer,
)

GRIDS = {
    "around the defaults": {"rho": [0.3, 0.4, 0.5], "beta": [0.3, 1.0, 3.0], "lam": [3e-4, 1e-3, 3e-3]},
    "wide": {"rho": [0.1, 0.3, 0.5], "beta": [0.1, 1.0, 3.0], "lam": [1e-3, 1e-2, 1e-1]},
}
SCORERS = {
    "silhouette": silhouette_scorer,
    "calinski_harabasz": calinski_harabasz_scorer,
    "davies_bouldin": davies_bouldin_scorer,
    "neighbor_information": neighbor_information_scorer,
}


def nmi_scorer(model, X, y):
    return 100 * normalized_mutual_info_score(y, model.predict(X))


def judge(X, y, grid, seed, n_jobs):
    """One row for every way of scoring and every scorer: what the search picks."""
    model = Pipeline(
        [
            ("scale", StandardScaler()),
            ("code", SparseAutoencoderTransformer(random_state=seed)),
            ("cluster", KMeans(10, n_init=10, random_state=seed)),
        ]
    )
    every_row = np.arange(len(X))
    splits = {"all rows": [(every_row, every_row)], "3 folds": 3}
    searches = {
        scored_on: GridSearchCV(
            model,
            {f"code__{name}": values for name, values in grid.items()},
            scoring={**SCORERS, "nmi": nmi_scorer},
            refit=False,
            cv=cv,
            n_jobs=n_jobs,
        ).fit(X, y)
        for scored_on, cv in splits.items()
    }
    nmi = searches["all rows"].cv_results_["mean_test_nmi"]
    for scored_on, search in searches.items():
        for name in SCORERS:
            scores = search.cv_results_[f"mean_test_{name}"]
            picked = nmi[np.argmax(scores)]
            yield {
                "scored on": scored_on,
                "scorer": name,
                "seed": seed,
                "picked": picked,
                "median": np.median(nmi),
                "best": nmi.max(),
                "at least median": picked >= np.median(nmi),
                "rank correlation": spearmanr(scores, nmi).statistic,
            }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--n-seeds", type=int, default=5)
    arguments = parser.parse_args()
    print(describe_machine() + "\n")
    X, y = load_digits(return_X_y=True)
    for title, grid in GRIDS.items():
        rows = [row for seed in range(arguments.n_seeds) for row in judge(X, y, grid, seed, arguments.n_jobs)]
        summary = pd.DataFrame(rows).groupby(["scored on", "scorer"], sort=False).mean().drop(columns="seed")
        print(f"{title}: {grid}\nmeans over {arguments.n_seeds} seeds\n{summary.round(2).to_string()}\n")
