"""What is special to joint clustering: its objective, its start, its targets."""

from ._assignments import assign_rows
from ._encoder import fitted_encoder
from ._fit import JointFit, JointOptions, degenerate_clusters, training_options

__all__ = ["JointFit", "JointOptions", "assign_rows", "degenerate_clusters", "fitted_encoder", "training_options"]
