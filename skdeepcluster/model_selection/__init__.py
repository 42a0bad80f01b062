"""Choosing parameters of a clustering without labels."""

from ._estimates import estimate_eps, estimate_n_clusters
from ._search import ClusteringSearch
from ._stability import cluster_stability
from ._structure import structure_test

__all__ = ["ClusteringSearch", "cluster_stability", "estimate_eps", "estimate_n_clusters", "structure_test"]
