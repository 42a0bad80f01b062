"""What the candidates of a search are ranked by."""

from numbers import Integral

from .._pipelines import flat_steps
from .._support._checks import POSITIVE, shown
from ..metrics._internal import INTERNAL_METRICS
from ._pooling import RECONSTRUCTION

METRICS = [*INTERNAL_METRICS, RECONSTRUCTION]

# The weights of metric="auto", for a given number of clusters, and where the grid has that number. Both were chosen by
# docs/benchmarks/model_selection.py; the first takes the largest number that there is.
AUTO = {"neighbor_information": 1.0, "davies_bouldin": 0.3, RECONSTRUCTION: 0.4}
AUTO_OF_NUMBERS = {"neighbor_information": 1.0, "davies_bouldin": 1.0, "silhouette": 1.0}


def metric_weights(metric, candidates):
    """The metrics to rank candidates by, as {metric: weight}; ``metric`` as `ClusteringSearch` takes it."""
    if isinstance(metric, str) and metric == "auto":
        return AUTO_OF_NUMBERS if len({*map(asked_number, candidates)} - {None}) > 1 else AUTO
    names = [metric] if isinstance(metric, str) else list(metric)
    weights = list(metric.values()) if isinstance(metric, dict) else [1.0] * len(names)
    are_metrics = all(isinstance(name, str) and name in METRICS for name in names)
    if not names or not are_metrics or not all(map(POSITIVE.is_satisfied_by, weights)):
        raise ValueError(
            f"metric={shown(metric)} must be 'auto', one or more of {METRICS}, or a dict of their positive weights."
        )
    return dict(zip(names, weights))


def asked_number(candidate):
    """The number of clusters that a candidate asks for; None if it finds their number, as DBSCAN does."""
    steps = flat_steps(candidate)
    # A search, or another estimator around a clusterer.
    while steps and hasattr(inner := _inner(steps[-1][1]), "get_params"):
        steps = flat_steps(inner)
    params = steps[-1][1].get_params(deep=False) if steps else {}
    # Mixtures have components; in a spectral clustering, these are dimensions of its embedding.
    number = params.get("n_clusters", params.get("n_components"))
    return number if isinstance(number, Integral) else None


def _inner(estimator):
    return getattr(estimator, "estimator", getattr(estimator, "clusterer", None))
