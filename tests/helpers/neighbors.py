"""The neighbour term of an estimator, from the formula."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from helpers.formula import neighbor_term

UNITS = {"logistic": 0.3, "tanh": 0.6, "relu": 1.0, "identity": 1.0}


def mean_term(model, X, w=None):
    """The mean of T over the batches of an epoch, drawn by RandomState(0), from the formula."""
    generator, n_rows = np.random.RandomState(0), len(X)
    neighbors = NearestNeighbors(n_neighbors=model.n_neighbors).fit(X).kneighbors(return_distance=False)
    group_size = min(8, model.n_neighbors + 1)
    rows = np.arange(n_rows)
    generator.shuffle(rows)
    n_batches = -(-n_rows // (model.batch_size // group_size))
    ends = np.linspace(0, n_rows, n_batches + 1).astype(int)
    code, unit = model.transform(X), UNITS[model.code_activation]
    values, n_in_batches = [], []
    for first in np.split(rows, ends[1:-1])[: -(-n_rows // model.batch_size)]:
        places = np.argsort(generator.uniform(size=neighbors[first].shape), axis=1)[:, : group_size - 1]
        batch = np.column_stack([first, np.take_along_axis(neighbors[first], places, axis=1)]).ravel()
        values.append(neighbor_term(code[batch], group_size, unit, None if w is None else w[batch]))
        n_in_batches.append(len(batch))
    return np.average(values, weights=n_in_batches)


def half_variance(X, w=None):
    return 0.5 * np.average((X - np.average(X, axis=0, weights=w)) ** 2, axis=0, weights=w).sum()


def activations(model):
    n_hidden = np.size(model.hidden_layer_sizes)
    hidden = [model.activation] * n_hidden
    return [*hidden, model.code_activation, *hidden, model.output_activation], n_hidden + 1
