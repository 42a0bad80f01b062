"""Solvers: they see arrays and a function that returns value and gradient, and import nothing of the package.

A solver is a generator of iterations. It yields its state, from which it could go on, and the terms whose sum is the
value of the function; `minimize` runs it until it should stop.
"""

from ._adam import AdamState, adam, falling_step
from ._errors import NotFiniteError
from ._lbfgs import LBFGSState, lbfgs
from ._minimize import TOL_ON_PLATEAU, Status, minimize

__all__ = [
    "TOL_ON_PLATEAU",
    "AdamState",
    "LBFGSState",
    "NotFiniteError",
    "Status",
    "adam",
    "falling_step",
    "lbfgs",
    "minimize",
]
