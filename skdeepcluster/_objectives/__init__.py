"""Objectives: J in parts that add up over blocks of rows; `BatchObjective` and `Objective` say which."""

from ._block import Block, RowSums, Sums, row_sums, total
from ._choice import Objectives, choose_objectives
from ._gradients import ErrorSignals, GradientSums, gradient_pieces, gradient_sums
from ._linear_decoder import LinearDecoderObjective
from ._neighbors import NeighborObjective
from ._protocol import BatchObjective, Objective
from ._sparse_autoencoder import SparseAutoencoderObjective
from ._terms import half_squared_error

__all__ = [
    "BatchObjective",
    "Block",
    "ErrorSignals",
    "GradientSums",
    "LinearDecoderObjective",
    "NeighborObjective",
    "Objective",
    "Objectives",
    "RowSums",
    "SparseAutoencoderObjective",
    "Sums",
    "choose_objectives",
    "gradient_pieces",
    "gradient_sums",
    "half_squared_error",
    "row_sums",
    "total",
]
