"""A fit from its first iteration to its last: what it is to do, its stages, its record, its checkpoints."""

from ._autoencoder_fit import AutoencoderFit, check_batches_of_neighbors, with_neighbor_term
from ._fit import Fit, FitState, run_fit
from ._outcome import fit_and_keep, fit_chunk_and_keep
from ._plan import (
    Stage,
    TrainingOptions,
    check_chunk_options,
    check_options,
    check_sparsity,
    default_batch_size,
    learns_from_batches,
    network_of,
    option,
)
from ._problem import Problem
from ._report import Curve, Log, explained_overflow, has_collapsed
from ._state_fields import Field, are_between, up_to

__all__ = [
    "AutoencoderFit",
    "Curve",
    "Field",
    "Fit",
    "FitState",
    "Log",
    "Problem",
    "Stage",
    "TrainingOptions",
    "are_between",
    "check_batches_of_neighbors",
    "check_chunk_options",
    "check_options",
    "check_sparsity",
    "default_batch_size",
    "explained_overflow",
    "fit_and_keep",
    "fit_chunk_and_keep",
    "has_collapsed",
    "learns_from_batches",
    "network_of",
    "option",
    "run_fit",
    "up_to",
    "with_neighbor_term",
]
