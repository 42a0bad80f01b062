"""Choosing parameters of a clustering without labels."""

from ._estimates import estimate_eps, estimate_n_clusters
from ._search import ClusteringSearch

__all__ = ["ClusteringSearch", "estimate_eps", "estimate_n_clusters"]
