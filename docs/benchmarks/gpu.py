"""What the Array API costs on a device, beside PyTorch with autograd and its fused Adam there, in one run.

    SCIPY_ARRAY_API=1 python docs/benchmarks/gpu.py [SECTION ...] [--data-dir DIR] [--device cuda] [--n-rows N]

Sections: agreement, epochs, fits, large; all of them by default, which is made for less than 8 minutes of a GPU. It
needs PyTorch (pip install torch==2.13.0). MNIST is read from --data-dir; without it scikit-learn fetches it. What the
tables say is in docs/array_api.md.
"""

import argparse
import os
import sys
import time
import warnings
from functools import partial

os.environ.setdefault("SCIPY_ARRAY_API", "1")

import _torch
import numpy as np
import torch
from _datasets import mnist
from _machine import describe_machine
from _problem import DEEP_LAYERS, DEEP_PROBLEM, DEEP_UNITS, AdamRun, NeighborRun, Problem
from _tables import print_table
from _timing import alternate
from sklearn import set_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_mutual_info_score

from skdeepcluster import DeepEmbeddedClustering, SparseAutoencoderTransformer
from skdeepcluster._arrays import concatenated, like, to_numpy
from skdeepcluster._joint._objective import EmbeddedClusteringObjective
from skdeepcluster._solvers import AdamState
from skdeepcluster.exceptions import InputScaleWarning

# Rows of which NumPy and the device are to say the same.
N_COMPARED = 5000

# Rows of the large fit, and of a table that is copied to make them.
N_LARGE = 1_000_000


def neighbor_code(**parameters):
    """The network that the guide recommends for images."""
    recommended = {"hidden_layer_sizes": (256, 256), "rho": 0.2, "lam": 1e-4, "corruption": 0.1, "n_neighbors": 7}
    return SparseAutoencoderTransformer(32, **recommended | {"random_state": 0} | parameters)


def agreement(X, y, arguments):
    """J and codes after the same short fits of NumPy's array and of the device's."""
    rows = []
    host = np.asarray(X[:N_COMPARED].cpu())
    models = {
        "L-BFGS": SparseAutoencoderTransformer(32, max_iter=5, random_state=0),
        "Adam, deep": neighbor_code(n_neighbors=None, max_iter=2),
        "neighbours": neighbor_code(max_iter=2),
        "joint": DeepEmbeddedClustering(10, encoder=neighbor_code(max_iter=2), n_init=2, random_state=0),
    }
    for name, model in models.items():
        expected = model.fit(host)
        of_numpy, J = expected.transform(host), expected.loss_
        moved = model.fit(X[:N_COMPARED])
        rows.append(
            {
                "fit": name,
                "J, relative difference": abs(moved.loss_ - J) / J,
                "largest difference of the code": np.abs(to_numpy(moved.transform(X[:N_COMPARED])) - of_numpy).max(),
            }
        )
    print_table(rows)


class JointRun(NeighborRun):
    """`NeighborRun` with the clustering term, its targets drawn at random."""

    def __init__(self, estimator, X, step_size):
        super().__init__(estimator, X, step_size)
        n_clusters, n_components = 10, self.objective.network.n_components
        rng = np.random.RandomState(0)
        self.centers = like(rng.uniform(0, 3, size=(n_clusters, n_components)).astype(np.float32), X)
        self.targets = like(rng.dirichlet(np.ones(n_clusters), size=X.shape[0]).astype(np.float32), X)
        self.clustering_weight = 0.1 * self.objective.weight
        self.objective = EmbeddedClusteringObjective(
            self.objective, n_clusters, gamma=self.clustering_weight, alpha=1.0, unit=0.3, reconstructs=True
        )
        self.state = AdamState.start(concatenated([self.theta, self.centers.reshape(-1)]))

    def torch_objective(self, X, parameters, *hyperparameters, rows):
        neighbors = self.objective.autoencoder
        own = {name: getattr(neighbors, name) for name in ("weight", "unit", "group_size")}
        clusters = {"weight": self.clustering_weight, "unit": self.objective.unit}

        def of_code(code):
            centers = parameters[-1].view(-1, code.shape[1])
            term = _torch.clustering_term(code, centers, self.targets[rows], **clusters)
            return term + _torch.neighbor_term(code, **own)

        activations = self.objective.network.activations
        return _torch.objective(X, parameters[:-1], activations, *hyperparameters, of_code=of_code)


def epochs(X, y, arguments):
    """Epochs of Adam: a deep stack, and with neighbours, and clusters; the best of several rounds in turn."""

    def waited_for(epoch):
        def call():
            epoch()
            synchronize(X.device)

        return call

    contestants = {}
    deep = Problem(X, DEEP_UNITS, DEEP_PROBLEM, DEEP_LAYERS)
    options = {"batch_size": 256, "step_size": 1e-3, "n_epochs": 10**6}

    def of_deep(**others):
        return _torch.Adam(deep.torch_objective, *deep.torch_arguments(), DEEP_PROBLEM, **options, **others).epoch

    contestants["784-500-500-2000-10"] = AdamRun(deep, **options).epoch, of_deep
    for name, kind in (("neighbours, 784-256-256-32", NeighborRun), ("joint, the same", JointRun)):
        ours = kind(neighbor_code(corruption=0.0), X, step_size=1e-3)
        contestants[name] = ours.epoch, partial(torch_epoch, ours)
    rows = []
    for name, (ours, theirs) in contestants.items():
        calls = {
            "ours": ours,
            "PyTorch": theirs(),
            "PyTorch, decay in the optimiser": theirs(decay_in_optimizer=True),
        }
        seconds = alternate({name: waited_for(call) for name, call in calls.items()}, arguments.n_runs, of=min)
        row = {"epoch": name} | {f"{name}, s": value for name, value in seconds.items()}
        row |= {f"ours / {name}": seconds["ours"] / value for name, value in seconds.items() if name != "ours"}
        rows.append(row)
    print_table(rows)


def torch_epoch(ours, **others):
    """A function that goes through an epoch of PyTorch's fused Adam, on the batches of a run of ours."""
    X, parameters = _torch.tensors(ours.X, *ours.objective.network.layout.unpack(ours.theta))
    with_clusters = isinstance(ours, JointRun)
    if with_clusters:
        parameters.append(ours.centers.reshape(-1).clone().requires_grad_())
    batches = [torch.as_tensor(batch.rows, device=X.device) for batch in ours.batches]
    options = {"batch_size": len(batches[0]), "step_size": 1e-3, "n_epochs": 10**6}
    run = _torch.Adam(ours.torch_objective, X, parameters, ours.hyperparameters, **options, **others)
    if not with_clusters:
        return partial(run.epoch, batches)

    def epoch():
        for rows in batches:
            run.function = partial(ours.torch_objective, rows=rows)
            run.epoch([rows])

    return epoch


def fits(X, y, arguments):
    """Whole fits, and how well KMeans, or the joint clustering, finds the digits."""
    from sklearn.cluster import KMeans

    rows = []
    for name, model in (
        ("code with neighbours", neighbor_code()),
        ("joint clustering", DeepEmbeddedClustering(10, encoder=neighbor_code(), random_state=0)),
    ):
        start = time.perf_counter()
        model.fit(X)
        synchronize(X.device)
        seconds = time.perf_counter() - start
        labels = to_numpy(model.labels_) if hasattr(model, "labels_") else None
        if labels is None:
            labels = KMeans(10, n_init=10, random_state=0).fit_predict(to_numpy(model.transform(X)))
        rows.append({"fit": name, "s": seconds, "AMI": adjusted_mutual_info_score(y, labels)})
    print_table(rows)


def large(X, y, arguments):
    """A fit of 1,000,000 x 784: 32 units, 20 iterations of L-BFGS, and 2 epochs of Adam with two hidden layers."""
    generator = torch.Generator(device=X.device).manual_seed(0)
    drawn = torch.randint(len(X), (arguments.n_large,), generator=generator, device=X.device)
    many = X[drawn]
    rows = []
    for name, options in (
        ("L-BFGS, 20 iterations", {"solver": "lbfgs", "max_iter": 20, "tol": 0}),
        ("Adam, 2 epochs, 784-256-256-32", {"solver": "adam", "max_iter": 2, "hidden_layer_sizes": (256, 256)}),
    ):
        model = SparseAutoencoderTransformer(32, **options, batch_size=1024, random_state=0)
        start = time.perf_counter()
        model.fit(many)
        synchronize(X.device)
        rows.append({"fit": name, "s": time.perf_counter() - start, "J": model.loss_})
    print_table(rows)


def synchronize(device):
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


SECTIONS = {"agreement": agreement, "epochs": epochs, "fits": fits, "large": large}


def default_device():
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--data-dir", help="folder with mnist.npz")
    parser.add_argument("--device", default=default_device())
    parser.add_argument("--n-rows", type=int, default=70_000, help="rows of MNIST")
    parser.add_argument("--n-large", type=int, default=N_LARGE, help="rows of the large fit")
    parser.add_argument("--n-runs", type=int, default=5, help="rounds")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        sys.exit(f"There is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}.")
    return arguments


def main():
    arguments = parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", InputScaleWarning)
    set_config(array_api_dispatch=True)
    print(describe_machine())
    device = torch.device(arguments.device)
    if device.type == "cuda":
        print(torch.cuda.get_device_name(device))
    images, y = mnist(arguments.data_dir)
    X, y = torch.tensor(images[: arguments.n_rows], device=device), y[: arguments.n_rows]
    for name in arguments.sections or SECTIONS:
        print(f"\n## {name}\n\n{SECTIONS[name].__doc__}\n")
        SECTIONS[name](X, y, arguments)


if __name__ == "__main__":
    main()
