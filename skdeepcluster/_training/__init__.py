"""A fit from its first iteration to its last: what it is to do, its stages, its record, its checkpoints."""

from ._autoencoder_fit import AutoencoderFit, fitted_attributes
from ._fit import NO_FIT, Fit, FitState, in_progress
from ._plan import (
    Stage,
    TrainingOptions,
    adam_to_continue,
    check_options,
    check_sparsity,
    network_of,
    option,
)
from ._problem import Problem
from ._report import Log, explained_overflow, has_collapsed, records, warn_about_end, warn_if_collapsed

__all__ = [
    "NO_FIT",
    "AutoencoderFit",
    "Fit",
    "FitState",
    "Log",
    "Problem",
    "Stage",
    "TrainingOptions",
    "adam_to_continue",
    "check_options",
    "check_sparsity",
    "explained_overflow",
    "fitted_attributes",
    "has_collapsed",
    "in_progress",
    "network_of",
    "option",
    "records",
    "warn_about_end",
    "warn_if_collapsed",
]
