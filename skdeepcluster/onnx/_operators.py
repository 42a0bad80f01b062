"""What the estimators of this package compute for new rows, as operators of ONNX.

The functions that add an estimator take a `Graph`, the name of the rows, the fitted estimator, the precision of what it
returns, and the names of that.
"""

import numpy as np
from scipy.sparse import issparse

from ..clustering._nearest import RowsByDifferences, RowsByDirections

_ACTIVATIONS = {"identity": "Identity", "logistic": "Sigmoid", "relu": "Relu", "tanh": "Tanh"}


def add_encoder(graph, X, model, dtype, code):
    """The code, as ``transform`` of what has an encoder."""
    *first, last = zip(*model._encoder_layers)
    for W, b, activation in first:
        X = _add_layer(graph, X, W, b, activation, dtype)
    _add_layer(graph, X, *last, dtype, code)


def _add_layer(graph, X, W, b, activation, dtype, output=None):
    Z = graph.add("Gemm", X, np.ascontiguousarray(W, dtype=dtype), b.astype(dtype))
    return graph.add(_ACTIVATIONS[activation], Z, output=output)


def add_joint(graph, X, model, dtype, label, probabilities, code):
    """Joint clustering: code, and `soft_assignments`, in float64 and seen from the middle."""
    add_encoder(graph, X, model, dtype, code)
    unit, alpha = float(model.distance_unit_), float(model._alpha)
    centers = model.cluster_centers_.astype(np.float64) / unit
    middle = centers.mean(axis=0)
    Z = graph.add("Sub", graph.add("Div", graph.cast(code, float), np.array(unit)), middle)
    squares = graph.add("Max", _add_squared_distances(graph, Z, centers - middle), np.array(0.0))
    log_kernel = graph.add("Log", graph.add("Add", graph.add("Div", squares, np.array(alpha)), np.array(1.0)))
    shares = graph.add("LogSoftmax", graph.add("Mul", log_kernel, np.array(-(alpha + 1) / 2)), axis=1)
    shares = graph.add("Exp", shares)
    graph.add("ArgMax", shares, axis=1, keepdims=0, output=label)
    graph.cast(shares, dtype, output=probabilities)


def add_tree(graph, X, model, dtype, label):
    """The labels of a `ClusterTree`: those of the nearest leaf, by distances in float64, whatever dtype is."""
    middle = model.leaf_centers_.mean(axis=0)
    X = graph.add("Sub", graph.cast(X, float), middle)
    leaves = graph.add("ArgMin", _add_squared_distances(graph, X, model.leaf_centers_ - middle), axis=1, keepdims=0)
    graph.add("Gather", model.levels_[model.n_clusters_ - 1], leaves, output=label)


def add_assigner(graph, X, model, dtype, label, probabilities):
    """The labels of a `NeighborAssigner`, and the shares of the votes, in float64 until the end."""
    _check_assigner(model)
    values, are_clusters = model._values, model._are_clusters
    distances, neighbors = _add_neighbors(graph, graph.cast(X, float), model)
    nearest = graph.add("Slice", distances, np.array([0]), np.array([1]), np.array([1]))
    shares = _add_shares(graph, distances, nearest, graph.add("Gather", model._codes, neighbors), len(values))
    if not are_clusters.all():
        shares = _add_noise(graph, shares, distances, nearest, are_clusters, model._limits)
    names = values.astype(np.int64) if values.dtype.kind in "bf" else values
    graph.add("Gather", names, graph.add("ArgMax", shares, axis=1, keepdims=0), output=label)
    graph.cast(graph.add("Gather", shares, np.flatnonzero(are_clusters), axis=1), dtype, output=probabilities)


def _check_assigner(model):
    """Raise a ValueError for an assigner whose votes are not exported."""
    if not isinstance(model._known, (RowsByDifferences, RowsByDirections)):
        raise ValueError(
            f"metric={model.clusterer_.metric!r} of {model.clusterer_!r} cannot be exported to ONNX. Give the "
            "NeighborAssigner a clusterer that compares rows by Euclidean distances or by cosine."
        )
    if not model.n_clusters_:
        raise ValueError(f"{model!r} took all rows for noise, so there is nothing to export. Change its parameters.")


def _add_neighbors(graph, X, model):
    """Distances of the nearest training rows, ascending, and their places, as ``model._known.nearest``."""
    rows = model._known.rows.astype(np.float64)
    known = rows.toarray() if issparse(rows) else rows
    if isinstance(model._known, RowsByDifferences):
        unit = 2.0**-model._known.exponent
        return _add_nearest(graph, graph.add("Mul", X, np.array(unit)), known * unit, model._n_neighbors)
    distances, neighbors = _add_nearest(graph, _add_unit_rows(graph, X), known, model._n_neighbors)
    return graph.add("Mul", graph.add("Mul", distances, distances), np.array(0.5)), neighbors


def _add_unit_rows(graph, X):
    """Rows of length one, of which those of zeros get a dimension of their own."""
    largest = graph.add("ReduceMax", graph.add("Abs", X), np.array([1]))
    is_zero = graph.cast(graph.add("Equal", largest, np.array(0.0)), float)
    units = graph.add("Concat", graph.add("Div", X, graph.add("Add", largest, is_zero)), is_zero, axis=1)
    return graph.add("Div", units, graph.add("Sqrt", graph.add("ReduceSumSquare", units, np.array([1]))))


def _add_nearest(graph, X, known, n_neighbors):
    """Euclidean distances and places of the nearest known rows, of equal distances the first row."""
    middle = known.mean(axis=0)
    squares = _add_squared_distances(graph, graph.add("Sub", X, middle), known - middle)
    # Products mistake rows that rounding cannot tell apart. Differences of twice as many tell the nearest.
    _, candidates = graph.smallest(squares, min(2 * n_neighbors, len(known)))
    candidates, _ = graph.smallest(candidates, min(2 * n_neighbors, len(known)))
    differences = graph.add("Sub", graph.add("Gather", known, candidates), graph.add("Unsqueeze", X, np.array([1])))
    exact = graph.add("ReduceSumSquare", differences, np.array([2]), keepdims=0)
    squares, places = graph.smallest(exact, n_neighbors)
    return graph.add("Sqrt", squares), graph.add("GatherElements", candidates, places, axis=1)


def _add_squared_distances(graph, X, centers):
    """||x||^2 - 2 x.c + ||c||^2 of every row and every centre, which rounding may take below 0."""
    squares = graph.add("ReduceSumSquare", X, np.array([1]))
    products = graph.add("Gemm", X, np.ascontiguousarray(-2 * centers.T), np.einsum("ij,ij->i", centers, centers))
    return graph.add("Add", squares, products)


def _add_shares(graph, distances, nearest, codes, n_codes):
    """The shares of the votes for every label, shape (n_rows, n_codes); see `vote_shares`."""
    are_equal = graph.add("Equal", distances, np.array(0.0))
    divisors = graph.add("Where", are_equal, np.array(1.0), distances)
    weights = graph.add("Where", are_equal, np.array(1.0), graph.add("Div", nearest, divisors))
    weights = graph.add("Div", weights, graph.add("ReduceSum", weights, np.array([1])))
    weights, codes = (graph.add("Unsqueeze", of_neighbors, np.array([2])) for of_neighbors in (weights, codes))
    votes = graph.add("Where", graph.add("Equal", codes, np.arange(n_codes)), weights, np.array(0.0))
    return graph.add("ReduceSum", votes, np.array([1]), keepdims=0)


def _add_noise(graph, shares, distances, nearest, are_clusters, limits):
    """The shares, with all of them for noise where the neighbours are too far for the cluster that they vote for."""
    of_clusters = graph.add("Where", are_clusters, shares, np.array(-1.0))
    limit = graph.add("Gather", limits, graph.add("ArgMax", of_clusters, axis=1))
    # All neighbours may be noise: then it is that already.
    reach = graph.add("ReduceMean", distances, np.array([1]))
    is_far = graph.add("And", graph.add("Greater", reach, limit), graph.add("Greater", nearest, np.array(0.0)))
    return graph.add("Where", is_far, (~are_clusters).astype(np.float64), shares)
