"""How many clusters: what each method finds on public sets, and what it says where there are none.

    python docs/benchmarks/number.py sets [seen] [unseen] --out FILE [--data-dir DIR] [--seeds 0 1]
    python docs/benchmarks/number.py shuffled [--data-dir DIR] [--seeds 0 1]

sets: up to 2,000 rows of sets with three classes or more, standardised. The code is that of the encoder that
DeepEmbeddedClustering begins with, and the clusters are those of KMeans in it, so that all methods are judged by the
same partitions: adjusted mutual information (AMI) with the classes at the method's number, less that at the number of
classes. HDBSCAN has clusters of its own, and its noise counts as one of them. The method was chosen on the seen sets.
The unseen ones were fixed before. Gap and stability take minutes, and are given 1,000 rows, five repeats, and seed 0.
What is done is kept in FILE, so that a study can be taken up where it was left. shuffled: joint clustering that looks
for the number, on sets, and on the same with every column shuffled by itself. What came out is in
docs/studies/number.md.
"""

import argparse
import warnings
from collections import defaultdict
from itertools import product
from pathlib import Path

import numpy as np
from _contestants import by_hierarchy
from _datasets import FROM_FOLDER, load
from _machine import describe_machine
from _results import keep, kept
from _tables import print_table
from scipy.stats import rankdata
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.preprocessing import StandardScaler

from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import NoStructureWarning
from skdeepcluster.metrics._internal import internal_scores
from skdeepcluster.metrics._points import points_of
from skdeepcluster.model_selection import estimate_n_clusters

SEEN = ("mnist", "pendigits", "digits", "fsdd", "letter", "segment", "satimage", "wine", "iris", "movement_libras")
SEEN += ("newsgroups", "vehicle")
UNSEEN = ("optdigits", "texture", "vowel", "semeion", "mice_protein", "led7digit", "anuran", "dermatology", "ecoli")
UNSEEN += ("penguins", "seeds", "waveform", "pbmc")
SETS = {"seen": SEEN, "unseen": UNSEEN}
SHUFFLED = ("pendigits", "digits", "segment", "satimage", "mnist")

K_RANGE = np.arange(2, 31)

# What gap and stability are given.
N_SLOW_ROWS, N_REPEATS = 1000, 5

# A number is near that of the classes if it is within this factor of it.
NEAR = 1.5


def sets(arguments):
    """A table of numbers for each group of sets, and what they come to."""
    done = kept(arguments.out)
    for group in arguments.groups:
        names = of_folder(SETS[group], arguments.data_dir)
        for seed, name in product(arguments.seeds, names):
            if not any((run["set"], run["seed"]) == (name, seed) for run in done):
                run = {"set": name, "seed": seed, **found_in(name, seed, arguments.data_dir)}
                print(run, flush=True)
                keep(arguments.out, run)
                done.append(run)
        print(f"\n{group}:\n")
        print_numbers([run for run in done if run["set"] in names])


def of_folder(names, data_dir):
    return [name for name in names if name not in FROM_FOLDER or data_dir is not None]


def standardised(name, data_dir):
    X, y = load(name, data_dir)
    return StandardScaler().fit_transform(X).astype(np.float32), y


def found_in(name, seed, data_dir):
    """The number of classes, and of each method its number and its AMI, less that at the number of classes."""
    X, y = standardised(name, data_dir)
    n_classes = len(np.unique(y))
    Z = DeepEmbeddedClustering(2, max_iter=1, random_state=seed).fit(X).encoder_.transform(X)
    labelings = {k: KMeans(k, n_init=5, random_state=seed).fit_predict(Z) for k in {*K_RANGE, n_classes}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers = numbers_in(Z, labelings, seed)
    with_classes = {k: 100 * adjusted_mutual_info_score(y, labels) for k, labels in labelings.items()}
    methods = {method: (int(k), with_classes[k] - with_classes[n_classes]) for method, k in numbers.items()}
    labels = by_hierarchy(Z)
    k = len(np.unique(labels[labels >= 0]))
    methods["HDBSCAN"] = k, 100 * adjusted_mutual_info_score(y, labels) - with_classes[n_classes]
    return {"classes": n_classes, "AMI": with_classes[n_classes], "methods": methods}


def numbers_in(Z, labelings, seed):
    """The number of clusters by every method, and by the ranks of three scores."""
    found = {
        method: estimate_n_clusters(Z, K_RANGE, method=method, random_state=seed).n_clusters
        for method in ("modularity", "silhouette")
    }
    points, codes = points_of(Z, "euclidean"), [np.unique(labelings[k], return_inverse=True)[1] for k in K_RANGE]
    names = ("neighbor_information", "davies_bouldin", "silhouette")
    ranks = sum(rankdata(internal_scores(name, points, codes)) for name in names)
    found["ranks of three"] = K_RANGE[np.argmax(ranks)]
    if seed == 0:
        rows = np.random.RandomState(0).permutation(len(Z))[:N_SLOW_ROWS]
        for method in ("gap", "stability"):
            few = estimate_n_clusters(Z[rows], K_RANGE, method=method, n_repeats=N_REPEATS, random_state=seed)
            found[method] = few.n_clusters
    return found


def print_numbers(runs):
    """The numbers of every method, a row for each set, and the means of what they come to."""
    methods = list(dict.fromkeys(method for run in runs for method in run["methods"]))
    by_set = defaultdict(list)
    for run in runs:
        by_set[run["set"], run["classes"]].append(run)
    rows = []
    for (name, n_classes), of_set in by_set.items():
        numbers = {
            method: ", ".join(str(run["methods"][method][0]) for run in of_set if method in run["methods"])
            for method in methods
        }
        rows.append({"set": name, "classes": n_classes} | numbers)
    print_table(rows)
    rows = []
    for method in methods:
        found = [(run["classes"], *run["methods"][method]) for run in runs if method in run["methods"]]
        n_classes, numbers, differences = map(np.array, zip(*found))
        factors = np.maximum(numbers, 1) / n_classes
        are_near = np.maximum(factors, 1 / factors) <= NEAR + 1e-9
        rows.append(
            {
                "method": method,
                f"within {NEAR}": f"{np.mean(are_near):.2f}",
                "mean factor": f"{np.exp(np.mean(np.abs(np.log(factors)))):.2f}",
                "AMI, less that at the number of classes": f"{np.mean(differences):.1f}",
                "worst": f"{np.min(differences):.1f}",
            }
        )
    print_table(rows)


def shuffled(arguments):
    """What joint clustering says of sets, and of the same with their columns shuffled."""
    rows = []
    for name, seed in product(SHUFFLED, arguments.seeds):
        X, _ = standardised(name, arguments.data_dir)
        random_state = np.random.RandomState(seed)
        parted = np.column_stack([random_state.permutation(column) for column in X.T])
        for table, of_table in {"as it is": X, "columns shuffled": parted}.items():
            model, is_structured = fitted(of_table, seed)
            rows.append({"set": name, "seed": seed, "table": table, "clusters": model.n_clusters_})
            rows[-1]["warned"] = "no" if is_structured else "yes"
            print(rows[-1], flush=True)
    print()
    print_table(rows)


def fitted(X, seed):
    """Joint clustering that looks for the number, and whether it says that there is structure."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = DeepEmbeddedClustering("auto", random_state=seed).fit(X)
    return model, not any(issubclass(warning.category, NoStructureWarning) for warning in caught)


SECTIONS = {"sets": sets, "shuffled": shuffled}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = parser.add_subparsers(dest="section", required=True)
    of = {name: sections.add_parser(name, help=section.__doc__) for name, section in SECTIONS.items()}
    for options in of.values():
        options.add_argument("--data-dir", help="folder with the sets that do not come with a package")
        options.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    of["sets"].add_argument("groups", nargs="*", default=[*SETS], metavar="GROUP", help=", ".join(SETS))
    of["sets"].add_argument("--out", type=Path, required=True, help="file of results")
    arguments = parser.parse_args()
    SECTIONS[arguments.section](arguments)
    print(describe_machine())
