"""Clusterers: an autoencoder and clusters refined together, and what makes clusters usable."""

from ._assigner import NeighborAssigner
from ._embedded import DeepEmbeddedClustering
from ._tree import ClusterTree

__all__ = ["ClusterTree", "DeepEmbeddedClustering", "NeighborAssigner"]
