"""The number of clusters in a code, where it is not given."""

import warnings

import numpy as np

from .._arrays import rows_of, to_numpy
from .._data import outputs_of
from .._support._checks import finite_outputs
from .._support._threads import with_workers
from ..exceptions import GridEdgeWarning
from ..metrics._modularity import sampled_rows
from ..metrics._number import default_numbers, number_of_clusters
from ..metrics._points import n_distinct, points_of


def number_in_code(encoder, X):
    """The number of clusters in the code of X by a fitted encoder, by modularity.

    It depends on the encoder and X alone, so that a fit that goes on from a checkpoint finds the same.
    """
    X = rows_of(X, sampled_rows(X.shape[0]))
    code = to_numpy(finite_outputs(lambda: outputs_of(X, encoder._encoder_layers), X, "code"))
    code, X = points_of(code, "euclidean"), to_numpy(X)
    numbers = default_numbers(X.shape[0])
    numbers = numbers[numbers <= n_distinct(code)]
    if len(numbers) == 0:
        return 1
    # BLAS has one thread within this, wherever the rows come from.
    best, _ = with_workers(
        lambda workers: number_of_clusters(code, X, numbers, encoder.metric, np.random.RandomState(0))
    )
    if len(numbers) > 1 and best == len(numbers) - 1:
        warnings.warn(
            f"n_clusters='auto' found {numbers[best]} clusters, the most that it looks for: there may be more. See "
            "skdeepcluster.model_selection.estimate_n_clusters, and give n_clusters.",
            GridEdgeWarning,
        )
    return int(numbers[best])
