"""Passes over all rows."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from helpers.data import random_weights
from skdeepcluster._data import block_slices, mean_squared_error
from skdeepcluster._network import Network, initial_parameters


@pytest.mark.parametrize("n_rows", [1, 2, 1023, 1024, 1025, 5000])
@pytest.mark.parametrize("n_features, n_units", [(3, 2), (784, 196), (50_000, 10)])
def test_blocks_cover_all_rows_once_and_are_nearly_equal(n_rows, n_features, n_units):
    slices = block_slices(np.empty((n_rows, n_features), dtype=np.int8), n_units)
    assert_array_equal(np.concatenate([np.arange(n_rows)[rows] for rows in slices]), np.arange(n_rows))
    sizes = [rows.stop - rows.start for rows in slices]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 1024
    assert max(sizes) <= 128 or max(sizes) * (n_features + 2 * n_units) <= 600_000


@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("weighted", [False, True])
def test_mean_squared_error_by_definition(rng, container, weighted):
    network = Network((12, 5, 12), ("logistic", "identity"), 1)
    X = np.where(rng.uniform(size=(3000, 12)) < 0.7, 0, rng.uniform(size=(3000, 12)))
    w = random_weights(rng, 3000) if weighted else None
    layers = network.layers(initial_parameters(network, np.random.RandomState(0), np.float64))
    H = 1 / (1 + np.exp(-(X @ layers.coefs[0] + layers.intercepts[0]))) @ layers.coefs[1] + layers.intercepts[1]
    error = mean_squared_error(container(X), w, layers)
    assert_allclose(error, np.average(((H - X) ** 2).mean(axis=1), weights=w), rtol=1e-12)
