"""Marks of test modules."""

import pytest

# Fits of a few iterations, which is what most tests need, warn that they ended too soon, and that they learned little.
FEW_ITERATIONS = [
    pytest.mark.filterwarnings("ignore:L-BFGS stopped before:sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.TrivialReconstructionWarning"),
]
