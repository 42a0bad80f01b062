"""Digests of fits of every kind: whether a change of the code has changed a result.

Run it before the change and after it, on one machine:

    python tests/helpers/digests.py --save before.npz
    python tests/helpers/digests.py --against before.npz

It prints a digest of every result: that of coefficients, biases, curves and J of an autoencoder, of labels and centres
of a clustering. With --against, results have to be equal to the last bit, but for joint clustering (J within 1e-12 of
itself, labels equal) and Dask (everything within 1e-8).
"""

import argparse
import sys
import tempfile
import warnings
from hashlib import sha256
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering
from skdeepcluster.model_selection import ClusteringSearch

JOINT_TOLERANCE, DASK_TOLERANCE = 1e-12, 1e-8

FITS = {}


def fit(function):
    """Take a function of the data, which returns a fitted estimator, in among the fits."""
    FITS[function.__name__.replace("_", " ")] = function
    return function


class Data:
    """Digits in the forms that the fits need."""

    def __init__(self, folder):
        X, _ = load_digits(return_X_y=True)
        self.folder = Path(folder)
        self.X = np.ascontiguousarray(StandardScaler().fit_transform(X)[:900])
        self.float32 = self.X.astype(np.float32)
        self.unit = MinMaxScaler().fit_transform(X)[:900]
        self.sparse = csr_matrix(StandardScaler(with_mean=False).fit_transform(X)[:900])
        random_state = np.random.RandomState(0)
        self.weights = random_state.randint(0, 4, size=900).astype(float)
        self.wide = random_state.normal(size=(25_000, 100)).astype(np.float32)

    def mapped(self, X):
        path = self.folder / "X.dat"
        X.tofile(path)
        return np.memmap(path, dtype=X.dtype, mode="r", shape=X.shape)


def autoencoder(n_components=8, **parameters):
    return SparseAutoencoderTransformer(n_components, **{"max_iter": 12, "random_state": 0, **parameters})


def shifted(X, random_state):
    return X + X.dtype.type(0.05) * random_state.normal(size=X.shape).astype(X.dtype)


ADAM = {"solver": "adam", "max_iter": 5}
DEEP = {"hidden_layer_sizes": (24, 16)}


@fit
def lbfgs(data):
    return autoencoder().fit(data.X)


@fit
def lbfgs_in_float32(data):
    return autoencoder().fit(data.float32)


@fit
def lbfgs_to_its_end(data):
    return autoencoder(max_iter=300, tol=1e-2).fit(data.X)


@fit
def lbfgs_tied(data):
    return autoencoder(tied_weights=True).fit(data.X)


@fit
def lbfgs_with_logistic_output(data):
    return autoencoder(output_activation="logistic").fit(data.unit)


@fit
def lbfgs_sparse(data):
    return autoencoder().fit(data.sparse)


@fit
def lbfgs_sparse_deep(data):
    return autoencoder(**DEEP).fit(data.sparse)


@fit
def lbfgs_deep_pretrained(data):
    return autoencoder(**DEEP, pretrain="layerwise").fit(data.X)


@fit
def lbfgs_deep_tied_logistic_layers(data):
    return autoencoder(**DEEP, activation="logistic", tied_weights=True).fit(data.X)


@fit
def lbfgs_weighted(data):
    return autoencoder().fit(data.X, sample_weight=data.weights)


@fit
def lbfgs_with_early_stopping(data):
    return autoencoder(early_stopping=True, max_iter=30, n_iter_no_change=3).fit(data.X)


@fit
def lbfgs_mapped(data):
    return autoencoder().fit(data.mapped(data.X))


@fit
def lbfgs_warm(data):
    return autoencoder(warm_start=True, max_iter=5).fit(data.X).fit(data.X)


@fit
def adam(data):
    return autoencoder(**ADAM).fit(data.X)


@fit
def adam_deep_in_float32(data):
    return autoencoder(**ADAM, **DEEP).fit(data.float32)


@fit
def adam_tied_with_logistic_output(data):
    return autoencoder(**ADAM, tied_weights=True, output_activation="logistic").fit(data.unit)


@fit
def adam_with_corruption(data):
    return autoencoder(**ADAM, corruption=0.3).fit(data.X)


@fit
def adam_with_augment(data):
    return autoencoder(**ADAM, augment=shifted).fit(data.X)


@fit
def adam_sparse_with_corruption(data):
    return autoencoder(**ADAM, corruption=0.3).fit(data.sparse)


@fit
def adam_weighted_with_early_stopping(data):
    estimator = autoencoder(solver="adam", max_iter=20, early_stopping=True, n_iter_no_change=2)
    return estimator.fit(data.X, sample_weight=data.weights)


@fit
def adam_mapped_in_order(data):
    return autoencoder(**ADAM, shuffle=False, batch_size=100).fit(data.mapped(data.float32))


@fit
def adam_deep_pretrained_with_corruption(data):
    return autoencoder(**ADAM, **DEEP, corruption=0.2, pretrain="layerwise").fit(data.X)


@fit
def adam_before_lbfgs(data):
    return autoencoder(100, max_iter=3).fit(data.wide)


@fit
def adam_with_neighbors(data):
    return autoencoder(n_neighbors=10, max_iter=4, early_stopping=True).fit(data.X)


@fit
def adam_with_neighbors_deep_weighted_in_float32(data):
    options = {"max_iter": 3, "pretrain": "layerwise", "metric": "cosine", "corruption": 0.1}
    return autoencoder(n_neighbors=5, **DEEP, **options).fit(data.float32, sample_weight=data.weights)


@fit
def chunks(data):
    estimator = autoencoder(batch_size=64)
    for start in range(0, 900, 300):
        estimator.partial_fit(data.X[start : start + 300])
    return estimator


@fit
def chunks_after_a_fit(data):
    return autoencoder(**ADAM).fit(data.X).partial_fit(data.X[:200], sample_weight=data.weights[:200])


def joint(encoder=None, **parameters):
    encoder = encoder or autoencoder(4, **ADAM, **DEEP, code_activation="identity", beta=0)
    quick = {"max_iter": 5, "update_interval": 8, "n_init": 2, "random_state": 0}
    return DeepEmbeddedClustering(6, encoder=encoder, **{**quick, **parameters})


@fit
def joint_clustering(data):
    return joint().fit(data.X)


@fit
def joint_clustering_weighted_of_a_frozen_logistic_code(data):
    encoder = autoencoder(6).fit(data.X)
    return joint(FrozenEstimator(encoder), init="kmeans").fit(data.X, sample_weight=data.weights)


@fit
def joint_clustering_without_reconstruction(data):
    return joint(reconstruction_weight=0).fit(data.X)


@fit
def joint_clustering_sparse(data):
    return joint().fit(data.sparse)


@fit
def joint_clustering_mapped_in_float32(data):
    return joint(batch_size=100, learning_rate_init=0.01).fit(data.mapped(data.float32))


@fit
def joint_clustering_with_augment_and_corruption(data):
    return joint(autoencoder(4, **ADAM, augment=shifted, corruption=0.1)).fit(data.X)


@fit
def joint_clustering_until_labels_stay(data):
    return joint(max_iter=50, tol=0.01).fit(data.X)


@fit
def search(data):
    model = make_pipeline(autoencoder(), KMeans(6, n_init=2))
    grid = {"sparseautoencodertransformer__rho": [0.1, 0.5], "kmeans__n_clusters": [4, 8]}
    return ClusteringSearch(model, grid, random_state=0).fit(data.X[:300])


def dask_autoencoder(**parameters):
    from skdeepcluster.dask import DaskSparseAutoencoderTransformer

    return DaskSparseAutoencoderTransformer(8, **{"max_iter": 5, "random_state": 0, **parameters})


def chunked(X, n_rows=250):
    import dask.array as da

    return da.from_array(X, chunks=(n_rows, X.shape[1]))


@fit
def dask_lbfgs_weighted(data):
    return dask_autoencoder().fit(chunked(data.X), sample_weight=data.weights)


@fit
def dask_adam_deep_pretrained(data):
    return dask_autoencoder(solver="adam", **DEEP, pretrain="layerwise").fit(chunked(data.X))


@fit
def dask_lbfgs_with_early_stopping(data):
    return dask_autoencoder(early_stopping=True).fit(chunked(data.X))


def results(estimator):
    """The arrays that a fit has left, by name."""
    if hasattr(estimator, "best_estimator_"):
        scores = {name: np.array(values) for name, values in estimator.cv_results_.items() if name.startswith("score")}
        steps = estimator.best_estimator_.steps
        return (
            {"best_index": np.array(estimator.best_index_), "labels": steps[-1][1].labels_}
            | scores
            | results(steps[-2][1])
        )
    found = {}
    for name in ("coefs_", "intercepts_", "pretraining_loss_curves_"):
        found |= {f"{name}[{i}]": np.ascontiguousarray(array) for i, array in enumerate(getattr(estimator, name, ()))}
    for name in (
        "loss_",
        "loss_curve_",
        "validation_scores_",
        "mean_activation_",
        "n_iter_",
        "labels_",
        "initial_labels_",
        "cluster_centers_",
        "distance_unit_",
        "label_change_",
    ):
        if hasattr(estimator, name):
            found[name] = np.asarray(getattr(estimator, name))
    return found


def digest(arrays):
    total = sha256()
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        total.update(np.ascontiguousarray(arrays[name]).tobytes())
    return total.hexdigest()[:16]


def numbers(array):
    """An array without fields, as float64."""
    return np.asarray(array.tolist() if array.dtype.names else array, dtype=np.float64)


def difference(name, arrays, before):
    """What is not as it has to be, or None."""
    if sorted(arrays) != sorted(before):
        return f"has {sorted(arrays)} and had {sorted(before)}"
    if name.startswith("joint"):
        same = arrays["loss_"] - before["loss_"] if np.isnan(before["loss_"]) else None
        error = abs(arrays["loss_"] - before["loss_"]) / abs(before["loss_"])
        if same is None and not error <= JOINT_TOLERANCE:
            return f"J differs by {error:.1e}"
        return None if np.array_equal(arrays["labels_"], before["labels_"]) else "labels differ"
    if name.startswith("dask"):
        for key in arrays:
            new, old = numbers(arrays[key]), numbers(before[key])
            if not np.allclose(new, old, rtol=DASK_TOLERANCE, atol=DASK_TOLERANCE):
                return f"{key} differs by {np.abs(new - old).max():.1e}"
        return None
    return None if digest(arrays) == digest(before) else "differs"


def run(names):
    """{name: arrays} of the fits."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Data(folder)
        for name in names:
            found[name] = results(FITS[name](data))
            print(f"{digest(found[name])}  {name}", flush=True)
    return found


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--save", type=Path, help="file for the results")
    parser.add_argument("--against", type=Path, help="results to compare with")
    parser.add_argument("--only", default="", help="fits whose name begins so")
    return parser.parse_args()


def main():
    args = parse_args()
    warnings.simplefilter("ignore")
    names = [name for name in FITS if name.startswith(args.only)]
    if any(name.startswith("dask") for name in names):
        from distributed import Client, LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
            found = run(names)
    else:
        found = run(names)
    if args.save:
        np.savez(args.save, **{f"{name}|{key}": array for name, fit in found.items() for key, array in fit.items()})
    if args.against:
        before = {name: {} for name in names}
        for key, array in np.load(args.against).items():
            name, _, attribute = key.partition("|")
            if name in before:
                before[name][attribute] = array
        wrong = {name: reason for name in names if (reason := difference(name, found[name], before[name]))}
        exact = sum(digest(found[name]) == digest(before[name]) for name in names)
        print(f"{len(names)} fits, {exact} equal to the last bit, {len(wrong)} not as they have to be")
        for name, reason in wrong.items():
            print(f"    {name}: {reason}")
        sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
