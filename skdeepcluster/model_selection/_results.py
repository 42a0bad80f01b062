"""The outcome of a search: which candidates cannot be judged, and a table of all candidates."""

import warnings

import numpy as np
from scipy.stats import rankdata
from sklearn.exceptions import FitFailedWarning

from ..exceptions import DegenerateClusteringWarning


def judgeable(settings, spaces, partitions, n, max_noise):
    """Which candidates have a partition to judge. Warns about the others, and raises a ValueError if there is none.

    Parameters
    ----------
    settings : list of dict
        Parameters of the candidates.
    spaces, partitions : list of Features, list of Partition
        What came of each candidate.
    n : int
        Number of rows.
    max_noise : float
        Largest share of noise.

    Returns
    -------
    is_judged : ndarray of bool of shape (n_candidates,)
    """
    failed, degenerate, first_traceback = {}, {}, []
    for i, (space, partition) in enumerate(zip(spaces, partitions)):
        if partition.failure is not None:
            failed[i] = f"candidate {i}, {settings[i]}: {partition.failure.error}"
            first_traceback = first_traceback or [f"Candidate {i} failed with:\n{partition.failure.traceback}"]
        elif reason := _why_degenerate(space, partition, n, max_noise):
            degenerate[i] = f"candidate {i}, {settings[i]}: {reason}"
    bad = failed | degenerate
    if len(bad) == len(settings):
        title = f"None of the {len(settings)} candidates found clusters."
        raise ValueError("\n".join([title, *(bad[i] for i in sorted(bad)), *first_traceback]))
    for lines, more, category in (
        (failed, first_traceback, FitFailedWarning),
        (degenerate, [], DegenerateClusteringWarning),
    ):
        if lines:
            title = f"{len(lines)} of {len(settings)} candidates are ranked last, with score NaN."
            warnings.warn("\n".join([title, *lines.values(), *more]), category)
    return np.array([i not in bad for i in range(len(settings))])


def _why_degenerate(space, partition, n, max_noise):
    """Why a partition cannot be judged, and what may help; None if it can."""
    n_sampled_clusters = len(np.unique(partition.labels))
    if space.collapsed:
        return "its space has collapsed, rows hardly differ in it; with an autoencoder, lower lam or beta"
    if partition.n_clusters == 0:
        return "it found no clusters, only noise; raise eps or lower min_samples"
    if partition.n_clusters == 1:
        return "it found 1 cluster; ask for more, or a smaller eps"
    if partition.n_noise > max_noise * n:
        return f"it called {partition.n_noise} of {n} rows noise, more than max_noise={max_noise} allows"
    if n_sampled_clusters < 2:
        return "the rows scored on are all in one cluster; raise sample_size"
    if n_sampled_clusters == len(partition.labels):
        return "every row scored on is a cluster of its own; ask for fewer clusters, or raise sample_size"
    return None


def tabulate(settings, spaces, space_of, partitions, scores, score):
    """``cv_results_`` of a `ClusteringSearch`."""
    names = sorted({name for setting in settings for name in setting})
    columns = {}
    for name in names:
        column = np.ma.masked_all(len(settings), dtype=object)
        for i, setting in enumerate(settings):
            if name in setting:
                column[i] = setting[name]
        columns[f"param_{name}"] = column
    return {
        "params": settings,
        **columns,
        "score": score,
        "rank": rankdata(np.where(np.isnan(score), np.inf, -score), method="min").astype(np.int32),
        **{f"score_{metric}": values for metric, values in scores.items()},
        "n_clusters": np.array([partition.n_clusters for partition in partitions]),
        "n_noise": np.array([partition.n_noise for partition in partitions]),
        "reconstruction_error": np.array([space.reconstruction_error for space in spaces]),
        "collapsed": np.array([space.collapsed for space in spaces]),
        "fit_time": np.array([space.seconds + partition.seconds for space, partition in zip(spaces, partitions)]),
        "space": space_of,
    }
