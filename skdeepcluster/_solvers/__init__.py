"""Solvers: they see arrays and a function that returns value and gradient, and import nothing of the package."""

from ._lbfgs import minimize_lbfgs

__all__ = ["minimize_lbfgs"]
