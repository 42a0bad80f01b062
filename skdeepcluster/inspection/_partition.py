"""The clusters that are to be explained, and rows drawn of them."""

from typing import NamedTuple

import numpy as np

from ..metrics._labels import check_clusters, is_noise

# A small cluster has so many of the rows that are drawn, if it has them, and all clusters together at most half.
_LEAST_DRAWN = 200


class Partition(NamedTuple):
    """Clusters of rows.

    Attributes
    ----------
    clusters : ndarray of shape (n_clusters,)
        Their labels.
    sizes : ndarray of int of shape (n_clusters,)
    groups : ndarray of int of shape (n_samples,)
        Cluster of every row, from 0; n_clusters for noise.
    """

    clusters: np.ndarray
    sizes: np.ndarray
    groups: np.ndarray

    @property
    def sizes_of_groups(self):
        """Sizes of the clusters, and the number of rows that are noise."""
        return np.append(self.sizes, len(self.groups) - self.sizes.sum())


def check_partition(labels, X):
    """The `Partition` of labels, one for each row of X. A ValueError if there are no clusters."""
    labels = check_clusters(labels, X)
    is_in = ~is_noise(labels)
    clusters, codes, sizes = np.unique(labels[is_in], return_inverse=True, return_counts=True)
    if len(clusters) == 0:
        raise ValueError(
            "Every row is noise, with a negative label: there are no clusters. Raise eps or lower min_samples."
        )
    groups = np.full(len(labels), len(clusters))
    groups[is_in] = codes
    return Partition(clusters, sizes, groups)


def check_several(partition):
    """Raise a ValueError if all rows are in one cluster."""
    if partition.sizes[0] == len(partition.groups):
        raise ValueError("All rows are in one cluster, which no feature sets apart; ask for more clusters.")


def draw_rows(partition, sample_size, random_state):
    """Rows of every group, and weights with which they stand for all of it.

    Parameters
    ----------
    partition : Partition
    sample_size : int or None
        None, or a number that is not below that of the rows, draws all rows.
    random_state : RandomState

    Returns
    -------
    rows : ndarray of int of shape (n_drawn,)
        Ascending.
    weights : ndarray of shape (n_drawn,)
        In each group, their sum is the size of the group.
    """
    n = len(partition.groups)
    if sample_size is None or sample_size >= n:
        return np.arange(n), np.ones(n)
    sizes = partition.sizes_of_groups
    least = max(min(_LEAST_DRAWN, sample_size // (2 * len(sizes))), 1)
    shared_out = max(sample_size - least * len(sizes), 0)
    n_drawn = np.minimum(sizes, least + (sizes * (shared_out / n)).astype(int))
    order = random_state.permutation(n)
    of_groups = np.split(order[np.argsort(partition.groups[order], kind="stable")], np.cumsum(sizes)[:-1])
    rows = np.sort(np.concatenate([rows[:size] for rows, size in zip(of_groups, n_drawn)]))
    return rows, (sizes / np.maximum(n_drawn, 1))[partition.groups[rows]]
