import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from skdeepcluster._data._sparse import ThreadedCSR


class InTurn:
    """Workers that do one task after the other."""

    def __init__(self, n_threads):
        self.n_threads = n_threads

    def map(self, function, items):
        return map(function, items)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csr_array])
def test_threaded_products_equal_scipys(rng, n_threads, container):
    dense = sp.random(101, 37, density=0.1, random_state=0).toarray()
    dense[5:30] = 0
    X = container(dense)
    B, C = rng.normal(size=(37, 4)), rng.normal(size=(101, 4))
    product = ThreadedCSR(X, InTurn(n_threads))
    assert_array_equal(product @ B, X @ B)
    assert_allclose(product.T @ C, X.T @ C, rtol=1e-13, atol=1e-15)
    assert product.shape == (101, 37)
    assert product.T.T is product


def test_an_empty_sparse_matrix_multiplies(rng):
    X = sp.csr_matrix((6, 4))
    assert_array_equal(ThreadedCSR(X, InTurn(3)) @ rng.normal(size=(4, 2)), np.zeros((6, 2)))
