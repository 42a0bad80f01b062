"""Objectives evaluated through their contract, block by block, without the package's own loops."""

import numpy as np

from skdeepcluster._network import initial_parameters
from skdeepcluster._objectives import Block, gradient_sums, row_sums, total


def initial_theta(objective, dtype=np.float64):
    """Of all that the layout of an objective has."""
    n_layers, layout = objective.layout.n_layers, objective.network.layout
    coefs, intercepts = layout.unpack(initial_parameters(objective.network, np.random.RandomState(0), dtype))
    return objective.layout.pack(coefs[:n_layers], intercepts[:n_layers])


def block_of(objective, X, sample_weight=None, noisy=None, targets=None):
    """The rows X as the objective is given them."""
    return Block(X, sample_weight, noisy, targets, row_sums(X, sample_weight) if objective.only_products else None)


def unequal_parts(n_rows, n_parts):
    """Row numbers in parts of unequal size."""
    ends = np.sort(np.random.RandomState(0).choice(np.arange(1, n_rows), n_parts - 1, replace=False))
    return np.split(np.arange(n_rows), ends)


def first_phase(objective, theta, blocks):
    """The outputs of the layers for every block, and what all rows share."""
    outputs = [objective.forward(theta, block) for block in blocks]
    statistics = [objective.statistics(theta, block, output) for block, output in zip(blocks, outputs)]
    return outputs, objective.combine(theta, total(statistics, len(blocks)))


def evaluate(objective, theta, blocks):
    """The terms of J, its gradient, and what all rows share."""
    outputs, shared = first_phase(objective, theta, blocks)
    sums = [
        gradient_sums(objective.layout, objective.error_signals(theta, block, output, shared))
        for block, output in zip(blocks, outputs)
    ]
    return *objective.finish(theta, shared, total(sums, len(blocks))), shared


def evaluate_in_pieces(objective, theta, blocks):
    """The terms of J, and the pieces of its gradient."""
    outputs, shared = first_phase(objective, theta, blocks)
    signals = [objective.error_signals(theta, block, output, shared) for block, output in zip(blocks, outputs)]
    return objective.finish_in_pieces(theta, shared, signals)


def gathered(theta, pieces):
    """The gradient from its pieces, NaN where there is none."""
    gradient = np.full_like(theta, np.nan)
    for part, compute in pieces:
        assert np.isnan(gradient[part]).all()
        gradient[part] = compute()
    return gradient
