"""Solvers: they see arrays and a function that returns value and gradient, and import nothing of the package."""

from ._adam import AdamState, adam_epoch, minimize_adam
from ._lbfgs import minimize_lbfgs

__all__ = ["AdamState", "adam_epoch", "minimize_adam", "minimize_lbfgs"]
