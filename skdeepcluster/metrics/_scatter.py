"""Where clusters lie, and how far their rows are from their centroids."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse, vstack

from ._distances import squared_distances_to


class Clusters(NamedTuple):
    """Where clusters lie, in float64."""

    codes: np.ndarray  # the cluster of each row, numbered from 0
    sizes: np.ndarray
    centroids: np.ndarray | csr_array  # seen from the first row of Z
    squared_deviations: np.ndarray  # squares of the distances of the rows to the centroid of their cluster


def located(Z, labels):
    """The `Clusters`. Rows that are equal have no deviations, whatever the unit of length and the origin."""
    _, first, codes, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    return (_located_sparse if issparse(Z) else _located_dense)(Z, first, codes, sizes)


def _located_dense(Z, first, codes, sizes):
    # Seen from a row of the cluster, equal rows are exactly 0, and so is their mean. Otherwise it would be rounded.
    deviations = np.subtract(Z, Z[first][codes], dtype=np.float64)
    indicators = csr_array((np.ones(len(Z)), codes, np.arange(len(Z) + 1)))
    means = (indicators.T @ deviations) / sizes[:, np.newaxis]
    deviations -= means[codes]
    squared = np.einsum("ij,ij->i", deviations, deviations)
    return Clusters(codes, sizes, np.subtract(Z[first], Z[0], dtype=np.float64) + means, squared)


def _located_sparse(Z, first, codes, sizes):
    Z = Z.astype(np.float64)
    order = np.argsort(codes, kind="stable")
    deviations = Z[order] - Z[first[codes[order]]]
    squared, means, stops = np.empty(Z.shape[0]), [], np.cumsum(sizes)
    for size, stop in zip(sizes, stops):
        own = deviations[stop - size : stop]
        mean = np.asarray(own.sum(axis=0)).ravel() / size
        squared[order[stop - size : stop]] = squared_distances_to(own, mean)
        means.append(csr_array(mean[np.newaxis]))
    from_first = Z[first] - Z[np.zeros(len(first), dtype=int)]
    return Clusters(codes, sizes, csr_array(from_first + vstack(means, format="csr")), squared)
