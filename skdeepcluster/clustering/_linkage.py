"""Trees of clusters in SciPy's linkage format: Ward's merges of clusters of any sizes, and cuts.

A tree of n leaves has 2 n - 1 nodes: the leaves 0 to n - 1, and n + i, what row i of the linkage merges. `split_order`
says how leaves are numbered, so that the number of a cluster is that of its first leaf.
"""

import numpy as np
from scipy.spatial.distance import cdist


def ward_linkage(centers, sizes):
    """The merges of clusters with these means and numbers of rows, each the one that raises the variance within least.

    It needs n_leaves^2 numbers of memory, and time for n_leaves^3 comparisons.

    Parameters
    ----------
    centers : ndarray of shape (n_leaves, n_features)
    sizes : ndarray of shape (n_leaves,)

    Returns
    -------
    linkage : ndarray of shape (n_leaves - 1, 4)
        Two nodes, the distance between them, and the number of leaves in both. The distance is
        sqrt(2 n_a n_b / (n_a + n_b)) times that of the means. If every leaf is a row, this is what
        `scipy.cluster.hierarchy.ward` returns.
    """
    n_leaves = len(sizes)
    centers, sizes = centers.astype(np.float64), sizes.astype(np.float64)

    def distances_from(i):
        # By differences: products would lose their digits where two means are far from the others.
        squares = 2 * sizes[i] * sizes / (sizes[i] + sizes)
        distances = np.sqrt(squares) * cdist(centers[[i]], centers)[0]
        distances[(sizes == 0) | (np.arange(n_leaves) == i)] = np.inf
        return distances

    distances = np.array([distances_from(i) for i in range(n_leaves)])
    nodes, linkage = np.arange(n_leaves), np.empty((n_leaves - 1, 4))
    for step in range(n_leaves - 1):
        i, j = np.unravel_index(np.argmin(distances), distances.shape)
        linkage[step, :3] = *np.sort(nodes[[i, j]]), distances[i, j]
        # The first has both from now on, and the second no rows.
        centers[i] += sizes[j] / (sizes[i] + sizes[j]) * (centers[j] - centers[i])
        nodes[i], sizes[i], sizes[j] = n_leaves + step, sizes[i] + sizes[j], 0
        distances[j] = distances[:, j] = np.inf
        distances[i] = distances[:, i] = distances_from(i)
    # Ward's distances never fall but by rounding.
    linkage[:, 2] = np.maximum.accumulate(linkage[:, 2])
    linkage[:, 3] = node_sums(linkage, np.ones(n_leaves))[n_leaves:]
    return linkage


def node_sums(linkage, values):
    """The sums of the values of the leaves in every node, shape (2 n_leaves - 1,)."""
    sums = list(values)
    for i, j in linkage[:, :2].astype(np.intp):
        sums.append(sums[i] + sums[j])
    return np.array(sums)


def split_order(linkage, sizes):
    """Numbers for the leaves: of a cluster that splits, the larger part keeps its number, and the other gets the next.

    Returns
    -------
    numbers : ndarray of int of shape (n_leaves,)
        The clusters of a cut into k then have the numbers 0 to k - 1, each that of the first leaf in it.
    linkage : ndarray of shape (n_leaves - 1, 4)
        That of the leaves by these numbers.
    """
    n_leaves, children = len(sizes), linkage[:, :2].astype(np.intp)
    sizes = node_sums(linkage, sizes)
    numbers = np.zeros(2 * n_leaves - 1, dtype=np.intp)
    for step in reversed(range(n_leaves - 1)):
        first, second = children[step]
        larger, smaller = (first, second) if sizes[first] >= sizes[second] else (second, first)
        numbers[larger], numbers[smaller] = numbers[n_leaves + step], n_leaves - 1 - step
    renumbered = linkage.copy()
    renumbered[:, :2] = np.sort(np.where(children < n_leaves, numbers[children], children), axis=1)
    return numbers[:n_leaves], renumbered


def levels_of(linkage):
    """The cluster of every leaf at every level, shape (n_leaves, n_leaves): row k - 1 is the cut into k clusters."""
    n_leaves = len(linkage) + 1
    firsts = first_leaves(linkage)
    levels = np.empty((n_leaves, n_leaves), dtype=np.intp)
    levels[-1] = np.arange(n_leaves)
    for step, (i, j) in enumerate(linkage[:, :2].astype(np.intp)):
        n_clusters = n_leaves - 1 - step
        kept = min(firsts[i], firsts[j])
        levels[n_clusters - 1] = np.where(levels[n_clusters] == n_clusters, kept, levels[n_clusters])
    return levels


def first_leaves(linkage):
    """The first leaf in every node, shape (2 n_leaves - 1,)."""
    firsts = list(range(len(linkage) + 1))
    for i, j in linkage[:, :2].astype(np.intp):
        firsts.append(min(firsts[i], firsts[j]))
    return np.array(firsts, dtype=np.intp)


def top_of(linkage, n_ends):
    """The upper part of a tree: the linkage in which the clusters of the cut into n_ends are the leaves."""
    n_leaves = len(linkage) + 1
    n_below = n_leaves - n_ends
    top = linkage[n_below:].copy()
    children = top[:, :2].astype(np.intp)
    is_above = children >= n_leaves + n_below
    top[:, :2] = np.sort(np.where(is_above, children - 2 * n_below, first_leaves(linkage)[children]), axis=1)
    top[:, 3] = node_sums(top, np.ones(n_ends))[n_ends:]
    return top


def nodes_at(linkage, n_clusters):
    """The nodes that are the clusters of the cut into n_clusters, in the order of their numbers."""
    n_leaves, firsts = len(linkage) + 1, first_leaves(linkage)
    nodes = np.arange(n_leaves)
    for node in range(n_leaves, 2 * n_leaves - n_clusters):
        nodes[firsts[node]] = node
    return nodes[:n_clusters]
