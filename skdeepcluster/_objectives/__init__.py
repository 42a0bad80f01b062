"""Objectives: J in parts that add up over blocks of rows; see `SparseAutoencoderObjective`."""

from ._assignments import soft_assignments, target_distribution
from ._block import Block, total, without_sums
from ._embedded_clustering import EmbeddedClusteringObjective
from ._linear_decoder import LinearDecoderObjective
from ._sparse_autoencoder import SparseAutoencoderObjective
from ._terms import half_squared_error

__all__ = [
    "Block",
    "EmbeddedClusteringObjective",
    "LinearDecoderObjective",
    "SparseAutoencoderObjective",
    "half_squared_error",
    "soft_assignments",
    "target_distribution",
    "total",
    "without_sums",
]
