"""Deep clustering of images, pen strokes, sounds and texts, by every method at hand.

    python docs/benchmarks/joint.py SET --out FILE [--data-dir DIR] [--seeds 0 1 2] [--methods GROUP ...]

SET is mnist, pendigits, fsdd or newsgroups. Every result is added to FILE, as a line of JSON, when it is there, and
what FILE has is not computed again, nor are autoencoders, which are kept beside it: so a study of hours can be taken
up where it was left. Then the table of FILE is printed: medians over seeds, with the range, of the accuracy under the
best matching of clusters to classes, the normalised mutual information and the adjusted Rand index, in points, and the
median minutes of a fit, features included. All methods are told the number of classes. What came out is in
docs/studies/clustering.md.

umap-learn and clustpy are needed by some groups: pip install umap-learn clustpy
"""

import argparse
import json
import warnings
from functools import cached_property
from importlib import import_module
from pathlib import Path

import joblib
import numpy as np
from _datasets import fsdd_log_mel, mnist, newsgroups_bare_tfidf, pendigits
from _images import turn_and_shift
from _machine import describe_machine
from _results import keep, kept
from _tables import agreement, print_table, spread
from _timing import timed
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.model_selection import estimate_eps

# Methods that need all distances see so many rows at most, and are judged on these.
N_ROWS_OF_DISTANCES = 10_000

LINEAR_CODE = {"code_activation": "identity", "beta": 0.0, "lam": 3e-4, "solver": "adam", "tol": 0}
WIDE = {"hidden_layer_sizes": (500, 500, 2000), **LINEAR_CODE}
PIXELS = {"output_activation": "logistic", **WIDE}

# For each set: what reads it, what comes before the network, and the network.
SETS = {
    "mnist": (
        mnist,
        FunctionTransformer(),
        SparseAutoencoderTransformer(10, corruption=0.2, max_iter=60, **PIXELS),
    ),
    "pendigits": (
        pendigits,
        StandardScaler(),
        SparseAutoencoderTransformer(10, hidden_layer_sizes=(256, 256), corruption=0.1, max_iter=120, **LINEAR_CODE),
    ),
    "fsdd": (
        fsdd_log_mel,
        StandardScaler(),
        SparseAutoencoderTransformer(10, corruption=0.2, max_iter=200, **WIDE),
    ),
    "newsgroups": (
        newsgroups_bare_tfidf,
        # Rows of length 1 made rows of mean square 1, as in the experiments of Xie et al.
        FunctionTransformer(lambda X: X * np.sqrt(X.shape[1], dtype=X.dtype)),
        SparseAutoencoderTransformer(20, corruption=0.2, max_iter=40, **WIDE),
    ),
}
# Augmented rows are new rows: no other noise, and fewer epochs.
N_AUGMENTED_EPOCHS = 40

# What the authors of N2D (R. McConville et al., 2021) give UMAP.
MANIFOLD = {"n_components": 10, "n_neighbors": 20, "min_dist": 0.0}
# It gives float32, in which the covariances of dense clusters are not positive definite.
DOUBLE = FunctionTransformer(np.float64)

# Batches of 256 rows, of pretraining and again of clustering, when ClustPy is the yardstick: 20 epochs of MNIST.
N_BATCHES = 5480


def baselines(X, encoder, n_clusters, seed, out):
    """KMeans, alone and on principal components."""
    kmeans = KMeans(n_clusters, n_init=10, random_state=seed)
    components = (TruncatedSVD if issparse(X) else PCA)(encoder.n_components, random_state=seed)
    yield "KMeans", lambda: timed(kmeans.fit_predict, X)
    yield f"{type(components).__name__}, KMeans", lambda: timed(make_pipeline(components, kmeans).fit_predict, X)


class Pretrained:
    """An autoencoder, fitted when it is first asked for, and kept in a file beside the results."""

    def __init__(self, encoder, X, seed, out):
        self.encoder = clone(encoder).set_params(random_state=seed)
        self.X = X
        self.seed = seed
        self.file = out.with_name(f"{out.stem}-{joblib.hash((self.encoder, X.shape))}.joblib")

    @cached_property
    def fitted(self):
        """(autoencoder, seconds of its fit)"""
        if not self.file.exists():
            joblib.dump(timed(self.encoder.fit, self.X), self.file)
        return joblib.load(self.file)

    @cached_property
    def code(self):
        """The code of all rows."""
        starts = range(0, self.X.shape[0], 5000)
        return np.vstack([self.fitted[0].transform(self.X[start : start + 5000]) for start in starts])

    def cluster(self, clusterer):
        """Labels of all rows, from their code, and seconds."""
        return timed(clusterer.fit_predict, self.code, self.fitted[1])

    def cluster_some(self, make_clusterer):
        """Labels of some rows, from their code; seconds; and which rows."""
        rows = np.sort(np.random.RandomState(self.seed).permutation(len(self.code))[:N_ROWS_OF_DISTANCES])
        return *timed(lambda Z: make_clusterer(Z).fit_predict(Z), self.code[rows], self.fitted[1]), rows

    def refine(self, n_clusters, **parameters):
        """Labels of all rows, from code and clusters refined together, and seconds."""
        frozen = FrozenEstimator(self.fitted[0])
        model = DeepEmbeddedClustering(n_clusters, encoder=frozen, random_state=self.seed, **parameters)
        return timed(model.fit_predict, self.X, self.fitted[1])


def autoencoder(X, encoder, n_clusters, seed, out, title="autoencoder"):
    """Clusterers on the code, and the code and clusters refined together."""
    pretrained = Pretrained(encoder, X, seed, out)
    options = {"n_init": 10, "random_state": seed}
    mixture = GaussianMixture(n_clusters, **options)
    agglomerative = AgglomerativeClustering(n_clusters)
    yield f"{title}, DeepEmbeddedClustering", lambda: pretrained.refine(n_clusters)
    yield f"{title}, KMeans", lambda: pretrained.cluster(KMeans(n_clusters, **options))
    yield f"{title}, GaussianMixture", lambda: pretrained.cluster(mixture)
    yield f"{title}, AgglomerativeClustering", lambda: pretrained.cluster_some(lambda Z: agglomerative)
    yield f"{title}, DBSCAN", lambda: pretrained.cluster_some(lambda Z: DBSCAN(estimate_eps(Z).eps))
    if umap := optional("umap"):
        recipe = make_pipeline(umap.UMAP(**MANIFOLD, random_state=seed), DOUBLE, mixture)
        yield f"{title}, UMAP, GaussianMixture", lambda: pretrained.cluster(recipe)


def augmented(X, encoder, n_clusters, seed, out):
    """The same for images that are turned and shifted while the network learns."""
    parameters = {"corruption": 0.0, "augment": turn_and_shift, "max_iter": N_AUGMENTED_EPOCHS}
    yield from autoencoder(X, clone(encoder).set_params(**parameters), n_clusters, seed, out, "augmented autoencoder")


def variants(X, encoder, n_clusters, seed, out):
    """The refinement from the start of the papers, and without the reconstruction."""
    pretrained = Pretrained(encoder, X, seed, out)
    for parameters in ({"init": "kmeans"}, {"reconstruction_weight": 0.0}):
        (option,) = parameters.items()
        title = "autoencoder, DeepEmbeddedClustering, {}={!r}".format(*option)
        yield title, lambda parameters=parameters: pretrained.refine(n_clusters, **parameters)


def manifold(X, encoder, n_clusters, seed, out):
    """UMAP of the data themselves."""
    if umap := optional("umap"):
        mixture = GaussianMixture(n_clusters, n_init=10, random_state=seed)
        recipe = make_pipeline(umap.UMAP(**MANIFOLD, random_state=seed), DOUBLE, mixture)
        yield "UMAP, GaussianMixture", lambda: timed(recipe.fit_predict, X)


def idec(X, encoder, n_clusters, seed, out):
    """IDEC beside ClustPy's: the same layers, batches and numbers of epochs, no noise, one after the other."""
    yield from beside_clustpy("IDEC", {"reconstruction_weight": 1.0}, X, encoder, n_clusters, seed)


def dec(X, encoder, n_clusters, seed, out):
    """DEC beside ClustPy's."""
    yield from beside_clustpy("DEC", {"reconstruction_weight": 0.0}, X, encoder, n_clusters, seed)


def beside_clustpy(name, parameters, X, encoder, n_clusters, seed):
    """Ours, and ClustPy's estimator of that name with its own defaults."""
    if not optional("clustpy"):
        return
    from clustpy import deep
    from clustpy.deep.neural_networks import FeedforwardAutoencoder
    from torch import nn

    X = X.toarray() if issparse(X) else X
    batches_per_epoch = -(-len(X) // 256)
    n_epochs = max(1, round(N_BATCHES / batches_per_epoch))
    encoder = clone(encoder).set_params(corruption=0.0, max_iter=n_epochs, random_state=seed)
    ours = DeepEmbeddedClustering(
        n_clusters,
        encoder=encoder,
        # An iteration is an epoch.
        update_interval=batches_per_epoch,
        max_iter=n_epochs,
        tol=0,
        random_state=seed,
        **parameters,
    )
    network = FeedforwardAutoencoder(
        [X.shape[1], *encoder.hidden_layer_sizes, encoder.n_components],
        activation_fn=nn.ReLU,
        decoder_output_fn=nn.Sigmoid if encoder.output_activation == "logistic" else None,
        random_state=seed,
    )
    epochs = {"pretrain_epochs": n_epochs, "clustering_epochs": n_epochs}
    theirs = getattr(deep, name)(n_clusters, neural_network=network, **epochs, random_state=seed)
    title = f"{name}, {n_epochs} and {n_epochs} epochs"
    yield f"{title}: ours", lambda: timed(ours.fit_predict, X)
    yield f"{title}: ClustPy", lambda: timed(theirs.fit_predict, X)


GROUPS = {group.__name__: group for group in (baselines, autoencoder, augmented, variants, manifold, idec, dec)}


def optional(name):
    """A module, or None, said aloud, if it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        print(f"without {name}: {error}", flush=True)


def run(name, group, seed, data_dir, out, done):
    """The results of a group of methods that are not done yet, as dictionaries."""
    read, before, encoder = SETS[name]
    X, truths = read(data_dir)
    truths = truths if isinstance(truths, dict) else {"class": truths}
    X = before.fit_transform(X)
    n_clusters = len(np.unique(truths["class"]))
    for method, function in GROUPS[group](X, encoder, n_clusters, seed, out):
        if (name, method, seed) in done:
            continue
        labels, seconds, *rows = function()
        rows = rows[0] if rows else slice(None)
        result = {"set": name, "method": method, "seed": seed, "minutes": seconds / 60}
        for truth, y in truths.items():
            result[truth] = agreement(y[rows], labels)
        yield result


def print_results(results):
    """A table for each set."""
    for name in dict.fromkeys(result["set"] for result in results):
        rows = []
        for method in dict.fromkeys(result["method"] for result in results if result["set"] == name):
            found = [result for result in results if (result["set"], result["method"]) == (name, method)]
            row = {name: method}
            for score in ("accuracy", "NMI", "ARI"):
                row[score] = spread([result["class"][score] for result in found])
            for truth in [key for key in found[0] if isinstance(found[0][key], dict) and key != "class"]:
                row[f"NMI with the {truth}"] = spread([result[truth]["NMI"] for result in found])
            rows.append(row | {"minutes": float(np.median([result["minutes"] for result in found])), "n": len(found)})
        print_table(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--out", type=Path, required=True, help="file of results")
    parser.add_argument("--data-dir", help="folder with the sets; without it scikit-learn fetches all but fsdd")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", choices=GROUPS, default=["baselines", "autoencoder", "manifold"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(describe_machine() + "\n", flush=True)
    results = kept(arguments.out)
    done = {(result["set"], result["method"], result["seed"]) for result in results}
    for seed in arguments.seeds:
        for group in arguments.methods:
            for result in run(arguments.name, group, seed, arguments.data_dir, arguments.out, done):
                print(json.dumps(result), flush=True)
                keep(arguments.out, result)
                results.append(result)
    print_results(results)
