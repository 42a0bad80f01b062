"""Clusters in a code that has gaps: of several partitions, the one that parts the fewest neighbours."""

import math
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from .._data import nearest_rows

# Neighbours are looked for among so many rows at most, as it takes time with the square of them; so many of each row.
_N_ROWS, _N_NEIGHBORS = 10_000, 10

# So many times the number of clusters are found, each time by a few runs, and merged until the number is right; not
# above so many, as merging takes time with their cube.
_FINER, _N_INIT_OF_FINER, _LARGEST_N_MERGED = (1.25, 1.5), 3, 400

# Partitions take part whose inertia is no more than so many times the least: a few rows far from all others, as a
# cluster of their own, part no neighbours.
_LARGEST_INERTIA = 1.05


class Sample(NamedTuple):
    """Rows that are looked at, with weights that sum to one, and indices, among them, of the nearest of each."""

    rows: np.ndarray
    weights: np.ndarray
    neighbors: np.ndarray

    @classmethod
    def of(cls, code, weights, random_state):
        """Rows drawn by random_state, all if they are few."""
        rows = np.arange(len(code))
        if len(code) > _N_ROWS:
            rows = np.sort(random_state.choice(len(code), _N_ROWS, replace=False))
        neighbors = nearest_rows(code[rows], min(_N_NEIGHBORS, len(rows) - 1))[1]
        return cls(rows, weights[rows] / weights[rows].sum(), neighbors)

    def links(self, labels, n_clusters):
        """Between every two clusters: the sum of the products of the weights of neighbours; symmetric."""
        pairs = np.repeat(labels, self.neighbors.shape[1]) * n_clusters + labels[self.neighbors].ravel()
        products = (self.weights[:, np.newaxis] * self.weights[self.neighbors]).ravel()
        links = np.bincount(pairs, weights=products, minlength=n_clusters**2).reshape(n_clusters, n_clusters)
        return links + links.T

    def normalized_cut(self, labels, n_clusters):
        """The sum over clusters of the share of their links that leads to other clusters; 1 without a link."""
        links = self.links(labels, n_clusters)
        volumes = links.sum(axis=1)
        within = np.divide(np.diag(links), volumes, out=np.zeros(n_clusters), where=volumes > 0)
        return float(np.sum(1 - within))


def least_cut_labels(code, sample_weight, n_clusters, *, n_init, random_state):
    """Labels of KMeans, of that run whose clusters part the fewest neighbours, by the normalised cut.

    A run begins with its own centres, n_init times, or with those of more clusters than are wanted, of which those
    with the most links for their size were merged. Where classes have several dense parts each, the least inertia
    often merges two classes and splits a third, and so does Ward's tree of a sample.

    Parameters
    ----------
    code : ndarray of shape (n_rows, n_components), float64
    sample_weight : ndarray of shape (n_rows,) or None
    n_clusters : int
    n_init : int
    random_state : numpy.random.RandomState

    References
    ----------
    J. Shi, J. Malik, "Normalized cuts and image segmentation", 2000, equation 2.
    """
    if n_clusters == 1:
        return np.zeros(len(code), dtype=np.int32)
    sample = Sample.of(code, np.ones(len(code)) if sample_weight is None else sample_weight, random_state)
    starts = ["k-means++"] * n_init
    for n_finer in (math.ceil(factor * n_clusters) for factor in _FINER):
        if n_finer > _LARGEST_N_MERGED:
            continue
        centers = _merged_centers(code, sample, n_clusters, n_finer, random_state)
        if len(centers) == n_clusters:
            starts.append(centers)
    runs = [
        KMeans(n_clusters, init=start, n_init=1, random_state=random_state).fit(code, sample_weight=sample_weight)
        for start in starts
    ]
    largest = _LARGEST_INERTIA * min(run.inertia_ for run in runs)
    runs = [run for run in runs if run.inertia_ <= largest]

    def cut_and_inertia(run):
        return sample.normalized_cut(run.labels_[sample.rows], n_clusters), run.inertia_

    return min(runs, key=cut_and_inertia).labels_


def _merged_centers(code, sample, n_clusters, n_finer, random_state):
    """Means of n_clusters groups of finer clusters of the sample; of fewer, if there are not so many distinct rows."""
    points, w = code[sample.rows], sample.weights
    kmeans = KMeans(min(n_finer, len(points)), n_init=_N_INIT_OF_FINER, random_state=random_state)
    labels = np.unique(kmeans.fit_predict(points, sample_weight=w), return_inverse=True)[1]
    n_found = labels.max() + 1
    sizes, links = np.bincount(labels, weights=w), sample.links(labels, n_found)
    groups = np.arange(n_found)
    for _ in range(n_found - n_clusters):
        left = np.unique(groups)
        densities = links[np.ix_(left, left)] / np.outer(sizes[left], sizes[left])
        np.fill_diagonal(densities, -np.inf)
        kept, merged = left[list(np.unravel_index(densities.argmax(), densities.shape))]
        links[kept] += links[merged]
        links[:, kept] += links[:, merged]
        sizes[kept] += sizes[merged]
        groups[groups == merged] = kept
    members = [groups[labels] == group for group in np.unique(groups)]
    return np.array([np.average(points[rows], axis=0, weights=w[rows]) for rows in members])
