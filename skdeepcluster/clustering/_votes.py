"""Votes of neighbours for the cluster of a row, and when these are so far away that it is noise."""

import numpy as np


def vote_shares(distances, codes, n_codes):
    """The share of the votes of neighbours that each of their clusters gets, weighed by one over the distance.

    Neighbours at distance 0 leave the others no vote.

    Parameters
    ----------
    distances : ndarray of shape (n_rows, n_neighbors)
        Ascending.
    codes : ndarray of int of shape (n_rows, n_neighbors)
        The cluster of each neighbour, from 0 to n_codes - 1.
    n_codes : int

    Returns
    -------
    rows, clusters : ndarrays of int of shape (n_shares,)
        Every row with every cluster among its neighbours, ascending.
    shares : ndarray of shape (n_shares,)
        Those of a row sum to 1.
    """
    nearest = distances[:, :1]
    # Relative to the nearest, since one over a small distance may be infinite.
    weights = np.divide(nearest, distances, out=(distances == 0).astype(np.float64), where=distances > 0)
    weights /= weights.sum(axis=1, keepdims=True)
    pairs, places = np.unique(np.arange(len(codes))[:, np.newaxis] * n_codes + codes, return_inverse=True)
    rows, clusters = np.divmod(pairs, n_codes)
    return rows, clusters, np.bincount(places.ravel(), weights.ravel())


def winners(rows, shares):
    """Where the largest share of each row is, the first of equal ones; rows and shares as `vote_shares` returns."""
    order = np.lexsort([np.arange(len(rows)), -shares, rows])
    return order[np.flatnonzero(np.diff(rows[order], prepend=-1))]


def most_voted(rows, clusters, shares, are_clusters):
    """The cluster with the most votes, noise aside, of every row, or -1 if all its neighbours are noise.

    Parameters
    ----------
    rows, clusters, shares : ndarrays
        As `vote_shares` returns them.
    are_clusters : ndarray of bool of shape (n_codes,)
        False for noise.

    Returns
    -------
    codes : ndarray of int of shape (n_rows,)
    """
    codes = np.full(rows[-1] + 1, -1)
    kept = np.flatnonzero(are_clusters[clusters])
    best = kept[winners(rows[kept], shares[kept])]
    codes[rows[best]] = clusters[best]
    return codes


def noise_limits(reaches, clusters, are_noise, n_clusters):
    """For every cluster the mean distance of neighbours beyond which a row is noise.

    It errs for the fewest of the rows, of equal limits the highest, halfway between the rows on its two sides.

    Parameters
    ----------
    reaches : ndarray of shape (n_rows,)
        Mean distances of the neighbours.
    clusters : ndarray of int of shape (n_rows,)
        The cluster of each row or, of noise, the one that its neighbours vote for. -1 is none.
    are_noise : ndarray of bool of shape (n_rows,)
    n_clusters : int

    Returns
    -------
    limits : ndarray of shape (n_clusters,)
        Infinite where no limit is better.
    """
    limits = np.full(n_clusters, np.inf)
    for cluster in np.unique(clusters[are_noise & (clusters >= 0)]):
        rows = np.flatnonzero(clusters == cluster)
        rows = rows[np.argsort(reaches[rows], kind="stable")]
        # How many errors more than above no row, if the limit is above the first 0, 1, ... rows.
        errors = np.concatenate([[0], np.cumsum(np.where(are_noise[rows], 1, -1))])
        # No limit parts equal rows.
        errors[1:-1][np.diff(reaches[rows]) == 0] = len(rows)
        n_below = len(rows) - np.argmin(errors[::-1])
        below, above = np.concatenate([[0.0], reaches[rows], [np.inf]])[n_below : n_below + 2]
        limits[cluster] = (below + above) / 2
    return limits
