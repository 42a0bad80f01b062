"""What is special to joint clustering: the autoencoder and clusters it begins with, its objective, its targets."""

from ._assignments import assign_rows
from ._encoder import fitted_encoder
from ._fit import JointFit, JointOptions, degenerate_clusters, engine_options
from ._number import number_in_code

__all__ = [
    "JointFit",
    "JointOptions",
    "assign_rows",
    "degenerate_clusters",
    "engine_options",
    "fitted_encoder",
    "number_in_code",
]
