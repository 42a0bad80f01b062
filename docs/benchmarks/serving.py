"""How long new rows take: one row, as a service gets them, and 100,000, beside what else one could use, in one run.

    python docs/benchmarks/serving.py [SECTION ...] [--n-runs N]

Sections: one_row, frames, many_rows, clusters; all of them by default. The contestants of a table take turns, and the
figures are medians. onnxruntime takes part if it and the extra skdeepcluster[onnx] are installed, PyTorch if it is
(pip install torch==2.13.0). The data is random: no figure depends on it. What the tables say is in
docs/studies/performance.md.
"""

import argparse
import warnings
from importlib.util import find_spec

import numpy as np
import pandas as pd
from _machine import describe_machine
from _tables import print_table
from _timing import alternate
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering, NeighborAssigner
from skdeepcluster.exceptions import TrivialReconstructionWarning

HAS_ONNX = find_spec("onnxruntime") is not None and find_spec("skl2onnx") is not None
HAS_TORCH = find_spec("torch") is not None

N_FITTED, N_MANY = 2000, 100_000
SHAPES = [(64, ()), (64, (256, 256)), (784, ()), (784, (256, 256))]


def data(n_rows, n_features):
    return np.random.RandomState(0).normal(size=(n_rows, n_features)).astype(np.float32)


def fitted_encoder(X, hidden_layer_sizes):
    model = SparseAutoencoderTransformer(hidden_layer_sizes=hidden_layer_sizes, max_iter=2, random_state=0)
    return model.fit(X[:N_FITTED])


def onnx_call(model, X, name):
    """A function that computes a result of a model, by its name, in onnxruntime with its own settings."""
    from onnxruntime import InferenceSession

    from skdeepcluster.onnx import to_onnx

    session = InferenceSession(to_onnx(model, X[:1]).SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda rows: session.run([name], {"X": rows})[0]


def torch_call(model):
    """The encoder of default activations in PyTorch, from NumPy to NumPy."""
    import torch

    layers = []
    encoder = model._encoder_layers
    for W, b, activation in zip(*encoder):
        linear = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T.astype(np.float32)))
            linear.bias.copy_(torch.from_numpy(b.astype(np.float32)))
        layers += [linear, {"relu": torch.nn.ReLU, "logistic": torch.nn.Sigmoid}[activation]()]
    network = torch.nn.Sequential(*layers).eval()

    @torch.inference_mode()
    def call(rows):
        return network(torch.from_numpy(rows)).numpy()

    return call


def seconds_of(calls, rows, n_repeats, n_runs):
    """Median seconds of a call of each with the rows; a turn has n_repeats calls."""

    def repeated(call):
        def run():
            for _ in range(n_repeats):
                call(rows)

        return run

    seconds = alternate({name: repeated(call) for name, call in calls.items()}, n_runs)
    return {name: value / n_repeats for name, value in seconds.items()}


def codes_of(n_rows, n_repeats, unit, arguments):
    """A table of codes of some rows; unit is (its name, how many of it a second has)."""
    table = []
    for n_features, hidden_layer_sizes in SHAPES:
        X = data(max(n_rows, N_FITTED), n_features)
        model = fitted_encoder(X, hidden_layer_sizes)
        calls = {"PCA.transform": PCA(32).fit(X[:N_FITTED]).transform, "transform": model.transform}
        if HAS_ONNX:
            calls["onnxruntime"] = onnx_call(model, X, "code")
        if HAS_TORCH:
            calls["PyTorch"] = torch_call(model)
        for call in calls.values():
            assert len(call(X[:n_rows])) == n_rows
        for name in set(calls) - {"PCA.transform"}:
            np.testing.assert_allclose(calls[name](X[:n_rows]), model.transform(X[:n_rows]), atol=1e-5)
        seconds = seconds_of(calls, X[:n_rows], n_repeats, arguments.n_runs)
        row = {"network": "-".join(map(str, (n_features, *hidden_layer_sizes, 32)))}
        row |= {f"{name}, {unit[0]}": value * unit[1] for name, value in seconds.items()}
        row["transform / PCA"] = seconds["transform"] / seconds["PCA.transform"]
        table.append(row)
    print_table(table)


def one_row(arguments):
    """The code of one row of float32, beside that of PCA with as many columns."""
    codes_of(1, 300, ("us", 1e6), arguments)


def many_rows(arguments):
    """The code of 100,000 rows of float32."""
    codes_of(N_MANY, 1, ("ms", 1e3), arguments)


def frames(arguments):
    """The code of one row in a frame of pandas of float64, beside that of PCA."""
    table = []
    for n_features in (13, 64):
        X = pd.DataFrame(data(N_FITTED, n_features).astype(float)).rename(columns=str)
        calls = {"PCA.transform": PCA(8).fit(X).transform, "transform": fitted_encoder(X, ()).transform}
        seconds = seconds_of(calls, X[:1], 100, arguments.n_runs)
        row = {"columns": n_features} | {f"{name}, us": 1e6 * value for name, value in seconds.items()}
        table.append(row | {"transform / PCA": seconds["transform"] / seconds["PCA.transform"]})
    print_table(table)


def clusters(arguments):
    """The cluster of one row of float32; 64 columns, but for some assigners."""
    X = data(60_000, 64)
    few = X[:N_FITTED]
    encoder = fitted_encoder(X, ())
    kmeans = make_pipeline(StandardScaler(), encoder, KMeans(10, n_init=1, random_state=0)).fit(few)
    joint = DeepEmbeddedClustering(10, encoder=encoder, max_iter=1, random_state=0).fit(few)
    table = [cluster_row("scaler, code, KMeans", kmeans, X, arguments)]
    table.append(cluster_row("joint clustering", joint, X, arguments))
    for n_rows, n_features in ((N_FITTED, 64), (len(X), 64), (len(X), 32), (len(X), 10)):
        rows, labels = X[:n_rows, :n_features], np.random.RandomState(0).randint(10, size=n_rows)
        assigner = NeighborAssigner(Labels(labels)).fit(rows)
        others = {"KNeighborsClassifier": KNeighborsClassifier(15, weights="distance").fit(rows, labels).predict}
        table.append(cluster_row(f"NeighborAssigner of {n_rows} x {n_features}", assigner, rows, arguments, others))
    columns = dict.fromkeys(name for row in table for name in row)
    print_table([{name: row.get(name, "") for name in columns} for row in table])


class Labels(ClusterMixin, BaseEstimator):
    """Stands for a clusterer, with labels that are given: no figure depends on them."""

    def __init__(self, labels):
        self.labels = labels

    def fit_predict(self, X, y=None):
        return self.labels


def cluster_row(model_name, model, X, arguments, others=()):
    calls = {"predict": model.predict, **dict(others)}
    if HAS_ONNX:
        calls["onnxruntime"] = onnx_call(model, X, "label")
        np.testing.assert_array_equal(calls["onnxruntime"](X[-100:]), model.predict(X[-100:]))
    seconds = seconds_of(calls, X[-1:], 20, arguments.n_runs)
    return {"model": model_name} | {f"{name}, us": 1e6 * value for name, value in seconds.items()}


SECTIONS = {section.__name__: section for section in (one_row, frames, many_rows, clusters)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--n-runs", type=int, default=11, help="rounds of a table")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"unknown section: {', '.join(sorted(unknown))}")
    for warning in (ConvergenceWarning, TrivialReconstructionWarning):
        warnings.simplefilter("ignore", warning)
    for name in arguments.sections or SECTIONS:
        print(f"## {name}\n\n{SECTIONS[name].__doc__}\n")
        SECTIONS[name](arguments)
    print(describe_machine())
