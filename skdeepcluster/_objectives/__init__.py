"""Objectives: J in parts that add up over blocks of rows; see `SparseAutoencoderObjective`."""

from ._block import total, without_sums
from ._linear_decoder import LinearDecoderObjective
from ._sparse_autoencoder import SparseAutoencoderObjective
from ._terms import half_squared_error

__all__ = ["LinearDecoderObjective", "SparseAutoencoderObjective", "half_squared_error", "total", "without_sums"]
