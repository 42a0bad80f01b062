"""Clusterers: an autoencoder and clusters refined together, and what makes clusters usable."""

from ._assigner import NeighborAssigner
from ._embedded import DeepEmbeddedClustering

__all__ = ["DeepEmbeddedClustering", "NeighborAssigner"]
