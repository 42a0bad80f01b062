"""From the scores of every partition in every space to one score for each candidate."""

import numpy as np
from scipy.stats import rankdata
from sklearn.utils.parallel import delayed

from ..metrics._internal import internal_scores
from ..metrics._points import points_of

RECONSTRUCTION = "reconstruction"

# Share of the spaces in which partitions are scored. They are the ones with the lowest reconstruction errors.
YARDSTICK_SHARE = 0.5


def find_yardsticks(spaces):
    """Indices of the spaces to score partitions in.

    Spaces that failed or collapsed are left out. Of the others, the half with the lowest reconstruction errors is
    taken. If one of them has no autoencoder, and so no error, all are taken.

    Parameters
    ----------
    spaces : list of Features
        What the clusterers received.

    Returns
    -------
    yardsticks : ndarray of int
        In ascending order.
    """
    sound = np.array([i for i, space in enumerate(spaces) if space.failure is None and not space.collapsed], dtype=int)
    errors = np.array([spaces[i].reconstruction_error for i in sound])
    if np.isnan(errors).any():
        return sound
    best = np.argsort(errors, kind="stable")[: int(np.ceil(YARDSTICK_SHARE * len(sound)))]
    return np.sort(sound[best])


def score_matrix(spaces, yardsticks, partitions, is_judged, metrics, distance, parallel):
    """Every partition scored in every space that is a yardstick.

    Parameters
    ----------
    spaces : list of Features
        The spaces, at the sampled rows.
    yardsticks : ndarray of int
        Those to score in.
    partitions : list of Partition
        With the labels of the sampled rows.
    is_judged : ndarray of bool of shape (n_partitions,)
        Whether a partition can be scored.
    metrics : list of str
        Names of internal metrics.
    distance : {"euclidean", "cosine"}
    parallel : joblib.Parallel
        Scores the spaces.

    Returns
    -------
    matrices : dict of ndarray of shape (n_spaces, n_partitions)
        Higher is better; NaN where there is no score.
    """
    judged = [partition for partition, is_one in zip(partitions, is_judged) if is_one]
    labelings = [np.unique(partition.labels, return_inverse=True)[1] for partition in judged]
    rows = parallel(delayed(_score_space)(spaces[i].Z, labelings, metrics, distance) for i in yardsticks)
    matrices = {metric: np.full((len(spaces), len(partitions)), np.nan) for metric in metrics}
    for i, row in zip(yardsticks, rows):
        for metric, scores in zip(metrics, row):
            matrices[metric][i, is_judged] = scores
    return matrices


def _score_space(Z, labelings, metrics, distance):
    points = points_of(Z, distance)
    return [internal_scores(metric, points, labelings) for metric in metrics]


def pooled_scores(S):
    """Mean over spaces of the rank of a partition within the space.

    A space ranks the partitions by its own yardstick, so scores of different spaces are never compared. It is the
    pooled score of Wang and Ye, with ranks in place of values.

    Parameters
    ----------
    S : ndarray of shape (n_spaces, n_partitions)
        Scores, higher is better; NaN is the worst of its space.

    Returns
    -------
    scores : ndarray of shape (n_partitions,)
        In (0, 1], 1 for a partition that every space ranks first.

    References
    ----------
    Z. Wang, C. Ye, "Deep clustering evaluation: how to validate internal clustering validation measures", 2024,
    arXiv:2403.14830, section 4.
    """
    return (rankdata(np.where(np.isnan(S), -np.inf, S), axis=1) / S.shape[1]).mean(axis=0)


def candidate_scores(matrices, yardsticks, reconstruction_errors, is_judged, weights):
    """The scores of candidates by each metric, and their weighted mean.

    Parameters
    ----------
    matrices : dict of ndarray of shape (n_spaces, n_candidates)
        As `score_matrix` returns them.
    yardsticks : ndarray of int
        The spaces that count.
    reconstruction_errors : ndarray of shape (n_candidates,)
        Lower is better.
    is_judged : ndarray of bool of shape (n_candidates,)
        Which candidates take part; the others have NaN.
    weights : dict of float
        Of the metrics in `matrices` and of "reconstruction", the rank by the reconstruction error. That counts only if
        all candidates that take part have an error.

    Returns
    -------
    scores : dict of ndarray of shape (n_candidates,)
        By metric, in (0, 1], for those that count.
    score : ndarray of shape (n_candidates,)
        Their weighted mean.
    """
    found = {metric: pooled_scores(S[np.ix_(yardsticks, is_judged)]) for metric, S in matrices.items()}
    errors = reconstruction_errors[is_judged]
    if RECONSTRUCTION in weights and not np.isnan(errors).any():
        found[RECONSTRUCTION] = rankdata(-errors) / len(errors)
    if not found:
        raise ValueError(
            f"metric={RECONSTRUCTION!r} needs an autoencoder among the steps of every candidate; add another metric."
        )
    scores = {metric: np.full(len(is_judged), np.nan) for metric in found}
    for metric, values in found.items():
        scores[metric][is_judged] = values
    w = np.array([weights[metric] for metric in scores], dtype=np.float64)
    # Divide the weights by the largest one, as the sum of very large ones would overflow.
    return scores, np.average(list(scores.values()), axis=0, weights=w / w.max())
