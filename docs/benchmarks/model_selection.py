"""How well do rankings that see no labels choose rho, beta and lam?

    python docs/benchmarks/model_selection.py [fixed] [neighbors] [layers] [varied] [eps] [--data-dir DIR]
        [--seeds 0 1 2]

Data sets of up to 2,000 rows, 32 settings of (n_components, rho, beta, lam), StandardScaler -> autoencoder ->
KMeans with n_init=10. The judge is the normalised mutual information (NMI) of a partition with the known classes.
"fixed" gives KMeans the true number of clusters K. For each way to rank the 32 partitions it prints means over sets and
seeds: the Spearman correlation with NMI and, in points, the NMI of the partition ranked first minus that of the best
("to the best") and minus that of KMeans without an autoencoder ("gain"). "neighbors" and "layers" are the same with 32
other settings, without and with neighbours, of three weights: the first of one layer, the second of one and three.
"varied" has 4 settings times 7 numbers of clusters from 0.4 K to 2.5 K and is judged by the adjusted mutual
information, since NMI favours many clusters. "eps" has the adjusted mutual information of DBSCAN on the code of the
default autoencoder with eps from the knee, and from 18 heights of the distance curve: the best of them, and those that
ClusteringSearch chooses.

Nothing was chosen by the sets held out, which were drawn at random before any was looked at, nor by the unseen ones,
which were added after those held out had been looked at. Without --data-dir, fsdd is left out.
"""

import argparse
import itertools
import warnings
from functools import partial

import numpy as np
import pandas as pd
from _datasets import load
from _machine import describe_machine
from scipy.stats import rankdata, spearmanr, t
from sklearn.cluster import DBSCAN, HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._support._callbacks import SearchTasks
from skdeepcluster.exceptions import DegenerateClusteringWarning
from skdeepcluster.metrics._internal import INTERNAL_METRICS, internal_scores
from skdeepcluster.metrics._points import points_of
from skdeepcluster.model_selection import ClusteringSearch, estimate_eps
from skdeepcluster.model_selection._candidates import fit_candidates
from skdeepcluster.model_selection._metrics import AUTO, AUTO_OF_NUMBERS
from skdeepcluster.model_selection._pooling import (
    RECONSTRUCTION,
    candidate_scores,
    find_yardsticks,
    pooled_scores,
    score_matrix,
)

CHOOSING = [
    *("digits", "mnist", "fsdd", "newsgroups", "breast_cancer"),
    *("movement_libras", "satimage", "segment", "texture", "vehicle"),
]
HELD_OUT = ["pendigits", "wine"]
UNSEEN = [
    *("australian", "heart", "ionosphere", "iris", "led7digit", "letter", "marketing"),
    *("ring", "sonar", "spambase", "twonorm", "vowel", "wisconsin"),
]
GROUPS = {"chosen-on": CHOOSING, "held-out": HELD_OUT, "unseen": UNSEEN}
GRID = {"n_components": [16, 64], "rho": [0.1, 0.5], "beta": [0.3, 3.0], "lam": [1e-4, 1e-3, 1e-2, 1e-1]}
# What "varied" combines with the numbers of clusters.
FEW = [
    {"n_components": 16, "rho": 0.5, "beta": 1.0, "lam": 1e-3},
    {"n_components": 64, "rho": 0.5, "beta": 1.0, "lam": 1e-3},
    {"n_components": 32, "rho": 0.1, "beta": 1.0, "lam": 1e-3},
    {"n_components": 32, "rho": 0.5, "beta": 1.0, "lam": 1e-2},
]
# Without and with neighbours.
TERMS = [{"n_neighbors": [None]}, {"n_neighbors": [7], "neighbor_weight": [0.3, 1.0, 3.0]}]
# What "neighbors" and "layers" combine with them.
ONE_LAYER = {"n_components": [32], "rho": [0.1, 0.5], "lam": [1e-4, 1e-3, 1e-2, 1e-1]}
LAYERS = {"n_components": [32], "rho": [0.1, 0.5], "lam": [1e-4, 1e-2], "hidden_layer_sizes": [(), (256, 256)]}
SHARES_OF_K = [0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.5]


STUDIES = ["fixed", "neighbors", "layers", "varied", "eps"]
TRUTH = "the classes, with another seed"
MIN_SAMPLES = 10  # of DBSCAN

# Weights of a mean of rankings.
WEIGHTS = {
    "auto": AUTO,
    "auto without reconstruction": {key: weight for key, weight in AUTO.items() if key != RECONSTRUCTION},
    "information, Davies-Bouldin, silhouette": AUTO_OF_NUMBERS,
    "the same and modularity": {**AUTO_OF_NUMBERS, "neighbor_modularity": 1.0},
    "modularity, silhouette": {"neighbor_modularity": 1.0, "silhouette": 1.0},
}

# Ways to rank. S has a row for each space and a column for each partition; every function returns a score for each
# partition, higher is better.


def ranks(S):
    return rankdata(S, axis=1) / S.shape[1]


def centrality(C):
    """The leading eigenvector of a non-negative symmetric matrix, as weights."""
    vector = np.abs(np.linalg.eigh(np.maximum(C, 0))[1][:, -1])
    return vector / vector.sum()


def by_agreement(S):
    """Ranks, the spaces weighted by how well their rankings agree with those of others."""
    return centrality(np.corrcoef(ranks(S))) @ ranks(S)


def consensus(labelings):
    """Mean adjusted Rand index with the other partitions."""
    A = np.array([[adjusted_rand_score(a, b) for b in labelings] for a in labelings])
    return (A.sum(axis=1) - 1) / (len(A) - 1)


def ace(S, p_values):
    """ACE (arXiv:2403.14830, algorithms 1 and 2), for metrics of which higher is better."""
    multimodal = holm(p_values, 0.05)
    S = S[multimodal] if multimodal.any() else S
    C = spearmanr(S, axis=1).statistic if len(S) > 2 else np.ones((len(S), len(S)))
    best = np.full(S.shape[1], -np.inf)
    for group in groups(1 - C, outliers_too=False) or [np.arange(len(S))]:
        scale = np.abs(S[group][:, np.newaxis] - S[group]).mean(axis=2)
        for subgroup in groups(scale, outliers_too=True):
            members = group[subgroup]
            score = page_rank(significant(C[np.ix_(members, members)], S.shape[1])) @ S[members]
            best = score if score.mean() > best.mean() else best
    return best


def holm(p_values, alpha):
    """Which hypotheses the Holm-Bonferroni procedure rejects."""
    order = np.argsort(p_values)
    passed = p_values[order] <= alpha / np.arange(len(order), 0, -1)
    rejected = np.zeros(len(order), dtype=bool)
    rejected[order[: len(order) if passed.all() else np.argmin(passed)]] = True
    return rejected


def groups(distances, outliers_too):
    """Groups of spaces by density; outliers are left out, or are groups of one."""
    if len(distances) < 4:
        return [np.arange(len(distances))]
    labels = HDBSCAN(min_cluster_size=2, metric="precomputed", copy=True).fit_predict(np.maximum(distances, 0))
    found = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    return found + [np.array([i]) for i in np.flatnonzero(labels == -1)] if outliers_too else found


def significant(C, n):
    """The correlations that are positive, by the Holm-Bonferroni procedure at 0.1; others are 0."""
    i, j = np.triu_indices(len(C), 1)
    statistic = C[i, j] * np.sqrt((n - 2) / np.maximum(1 - C[i, j] ** 2, 1e-12))
    rejected = holm(t.sf(statistic, n - 2), 0.1) if len(i) else np.zeros(0, dtype=bool)
    graph = np.zeros_like(C)
    graph[i[rejected], j[rejected]] = graph[j[rejected], i[rejected]] = C[i[rejected], j[rejected]]
    return graph


def page_rank(graph, damping=0.85):
    """Stationary shares of a walk along the edges that sometimes jumps."""
    n = len(graph)
    degree = graph.sum(axis=1, keepdims=True)
    P = np.where(degree > 0, graph / np.where(degree > 0, degree, 1), 1 / n)
    weights = np.full(n, 1 / n)
    for _ in range(200):
        weights = damping * weights @ P + (1 - damping) / n
    return weights


def dip_p_value(Z):
    """p-value of the dip test on the first principal component, as in the paper's own code."""
    from diptest import diptest

    return diptest(PCA(1).fit_transform(Z)[:, 0])[1]


# The study


def fit(name, settings, numbers_of_clusters, seed, arguments):
    """Spaces, the space of each partition, partitions, the scaled data and the classes."""
    X, y = load(name, arguments.data_dir)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    n_classes = len(np.unique(y))
    numbers = sorted({max(2, round(share * n_classes)) for share in numbers_of_clusters})
    candidates = [
        Pipeline(
            [
                ("code", SparseAutoencoderTransformer(**setting, random_state=seed)),
                ("cluster", KMeans(number, n_init=10, random_state=seed)),
            ]
        )
        for setting, number in itertools.product(settings, numbers)
    ]
    parallel = Parallel(n_jobs=arguments.n_jobs)
    rows = np.arange(len(X))
    spaces, *rest = fit_candidates(
        candidates,
        X,
        None,
        params={},
        rows=rows,
        parallel=parallel,
        reraise=True,
        distance="euclidean",
        tasks=SearchTasks(None, X, None, has_refit=False),
    )
    sound = np.flatnonzero([not space.collapsed for space in spaces])
    is_judged = np.ones(len(candidates), dtype=bool)
    matrices = score_matrix(spaces, sound, rest[-1], is_judged, list(INTERNAL_METRICS), "euclidean", parallel)
    return spaces, *rest, matrices, X, y, n_classes


def rankings(spaces, space_of, partitions, matrices, X, with_ace):
    """(way to rank, metric) -> a score for each partition."""
    labelings = [partition.labels for partition in partitions]
    yardsticks = find_yardsticks(spaces)
    p_values = np.array([dip_p_value(space.Z) for space in spaces]) if with_ace else None
    for metric, S in matrices.items():
        sound = ~np.isnan(S).all(axis=1)
        S = np.where(np.isnan(S), np.nanmin(S), S)
        yield ("code, each its own", metric), S[space_of, np.arange(S.shape[1])]
        yield ("input", metric), internal_scores(metric, points_of(X, "euclidean"), labelings)
        yield ("pooled, values", metric), S[sound].mean(axis=0)
        yield ("pooled, ranks", metric), pooled_scores(S[sound])
        yield ("pooled, ranks by agreement", metric), by_agreement(S[sound])
        yield ("pooled, ranks in the best half", metric), pooled_scores(S[yardsticks])
        if with_ace:
            yield ("ACE", metric), ace(S[sound], p_values[sound])
    yield ("consensus", ""), consensus(labelings)
    errors = np.array([spaces[i].reconstruction_error for i in space_of])
    yield ("reconstruction error", ""), -errors
    for title, weights in WEIGHTS.items():
        chosen = {metric: S for metric, S in matrices.items() if metric in weights}
        yield (title, ""), candidate_scores(chosen, yardsticks, errors, np.ones(len(labelings), dtype=bool), weights)[1]


def fixed(name, seed, arguments):
    return told_the_number({**GRID, "lam": arguments.lam}, True, name, seed, arguments)


def neighbors(name, seed, arguments):
    return told_the_number([{**ONE_LAYER, **term} for term in TERMS], False, name, seed, arguments)


def layers(name, seed, arguments):
    return told_the_number([{**LAYERS, **term} for term in TERMS], False, name, seed, arguments)


def told_the_number(grid, with_ace, name, seed, arguments):
    """The quality of the ways to rank the settings of a grid, for KMeans with the number of classes."""
    settings = list(ParameterGrid(grid))
    *fitted, X, y, n_classes = fit(name, settings, [1.0], seed, arguments)
    nmi = 100 * np.array([normalized_mutual_info_score(y, partition.labels) for partition in fitted[2]])
    baseline = 100 * normalized_mutual_info_score(y, KMeans(n_classes, n_init=10, random_state=seed).fit_predict(X))
    yield {"way": TRUTH, "metric": "", "NMI": nmi, "baseline": baseline}
    for (way, metric), score in rankings(*fitted, X, with_ace):
        chosen = nmi[np.argmax(score)]
        yield {
            "way": way,
            "metric": metric,
            "Spearman": spearmanr(score, nmi).statistic,
            "to the best": chosen - nmi.max(),
            "gain": chosen - baseline,
            "range": np.ptp(nmi),
        }


def by_other_seeds(truths):
    """What the ranking by the classes chooses for another seed, which is all that a ranking can be hoped to know."""
    for other, one in itertools.permutations(truths, 2):
        if other["set"] == one["set"]:
            chosen = one["NMI"][np.argmax(other["NMI"])]
            yield {
                "set": one["set"],
                "way": TRUTH,
                "metric": "",
                "Spearman": spearmanr(other["NMI"], one["NMI"]).statistic,
                "to the best": chosen - one["NMI"].max(),
                "gain": chosen - one["baseline"],
                "range": np.ptp(one["NMI"]),
            }


def varied(name, seed, arguments):
    *fitted, X, y, n_classes = fit(name, FEW, SHARES_OF_K, seed, arguments)
    ami = 100 * np.array([adjusted_mutual_info_score(y, partition.labels) for partition in fitted[2]])
    for (way, metric), score in rankings(*fitted, X, with_ace=False):
        best = np.argmax(score)
        yield {
            "way": way,
            "metric": metric,
            "Spearman": spearmanr(score, ami).statistic,
            "to the best": ami[best] - ami.max(),
            "chosen / K": fitted[2][best].n_clusters / n_classes,
        }


def eps(names, arguments):
    """DBSCAN with eps from the knee, and chosen by a search."""
    rows = []
    for name in names:
        X, y = load(name, arguments.data_dir)
        Z = SparseAutoencoderTransformer(random_state=0).fit_transform(StandardScaler().fit_transform(X))
        curve = estimate_eps(Z, MIN_SAMPLES)
        heights = np.quantile(curve.distances[curve.distances > 0], np.arange(0.1, 1, 0.05))
        partitions = {
            height: DBSCAN(height, min_samples=MIN_SAMPLES).fit_predict(Z) for height in [*heights, curve.eps]
        }
        ami = {height: 100 * adjusted_mutual_info_score(y, labels) for height, labels in partitions.items()}
        row = {"set": name, "best": max(ami[height] for height in heights), "knee": ami[curve.eps]}
        for metric in ("silhouette", "auto"):
            search = ClusteringSearch(DBSCAN(min_samples=MIN_SAMPLES), {"eps": heights}, metric=metric, max_noise=0.7)
            try:
                chosen = search.fit(Z).best_params_["eps"]
            except ValueError:
                # At no height are there two clusters and little enough noise.
                row |= {metric: np.nan, "clusters": np.nan, "noise, %": np.nan}
            else:
                noise = 100 * np.mean(partitions[chosen] == -1)
                row |= {metric: ami[chosen], "clusters": partitions[chosen].max() + 1, "noise, %": noise}
        rows.append(row)
    print(pd.DataFrame(rows).round(0).to_string(index=False) + "\n", flush=True)


def table(study, names, arguments):
    rows = [
        {"set": name, **row}
        for name, seed in itertools.product(names, arguments.seeds)
        for row in study(name, seed, arguments)
    ]
    rows = [row for row in rows if row["way"] != TRUTH] + [
        *by_other_seeds([row for row in rows if row["way"] == TRUTH])
    ]
    by_set = pd.DataFrame(rows).groupby(["way", "metric", "set"], sort=False).mean()
    spearman = by_set["Spearman"].unstack()[names]
    means = by_set.drop(columns="Spearman").groupby(["way", "metric"], sort=False).mean()
    frame = pd.concat(
        [spearman.mean(axis=1).rename("Spearman"), spearman.min(axis=1).rename("worst"), means, spearman], axis=1
    )
    print(frame.round(2).to_string() + "\n")
    for way in [*WEIGHTS, TRUTH]:
        if way in by_set.index:
            print(f"{way}, by set:\n{by_set.xs(way).droplevel('metric').round(2).to_string()}\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", default=STUDIES, metavar="STUDY")
    parser.add_argument("--data-dir", help="folder with mnist.npz, pendigits.npz, fsdd.npz and newsgroups20.npz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--lam", type=float, nargs="+", default=GRID["lam"])
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=[*GROUPS])
    parser.add_argument("--n-jobs", type=int, default=2)
    arguments = parser.parse_args()
    for category in (ConvergenceWarning, DegenerateClusteringWarning):
        warnings.simplefilter("ignore", category)
    print(describe_machine() + "\n")
    only_local = ["fsdd"] if arguments.data_dir is None else []
    studies = {study.__name__: partial(table, study) for study in (fixed, neighbors, layers, varied)}
    studies |= {"eps": eps}
    for study, group in itertools.product(arguments.studies, arguments.groups):
        print(f"{study}, {group}:")
        studies[study]([name for name in GROUPS[group] if name not in only_local], arguments)
