"""A fit from its first iteration to its last: what it is to do, its stages, its record, its checkpoints."""

from ._autoencoder_fit import AutoencoderFit
from ._fit import Fit, FitState, run_fit
from ._outcome import fit_and_keep, fit_chunk_and_keep
from ._plan import (
    Stage,
    TrainingOptions,
    check_options,
    check_sparsity,
    network_of,
    option,
)
from ._problem import Problem
from ._report import Log, explained_overflow, has_collapsed, records
from ._state_fields import Field, are_between, up_to

__all__ = [
    "AutoencoderFit",
    "Field",
    "Fit",
    "FitState",
    "Log",
    "Problem",
    "Stage",
    "TrainingOptions",
    "are_between",
    "check_options",
    "check_sparsity",
    "explained_overflow",
    "fit_and_keep",
    "fit_chunk_and_keep",
    "has_collapsed",
    "network_of",
    "option",
    "records",
    "run_fit",
    "up_to",
]
