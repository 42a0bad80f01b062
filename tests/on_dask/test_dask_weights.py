"""Sample weights on a cluster: the same as in memory, also where their ratios are extreme."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from helpers.cluster import partitioned
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.dask import DaskSparseAutoencoderTransformer

QUICK = {"n_components": 4, "max_iter": 3, "tol": 0, "random_state": 0, "solver": "lbfgs"}

pytestmark = FEW_ITERATIONS


@pytest.fixture
def X(blobs):
    return blobs[:160, :6]


WEIGHTS = {
    "ones": np.ones(160),
    "subnormal": (1 + np.arange(160) % 5) * 5e-324,
    "huge": (1 + np.arange(160) % 5) * 1e307,
    "lost": np.where(np.arange(160) % 3, 1e300, 1e-300),
    "a lost partition": np.where(np.arange(160) < 100, 1.0, 1e-200),
    "all sizes": 10.0 ** np.linspace(-29, 0, 160),
}


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_matrix])
def test_a_fit_is_that_in_memory(client, X, name, convert):
    data, w = convert(X), WEIGHTS[name]
    model = DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(data, 3), sample_weight=w)
    expected = SparseAutoencoderTransformer(**QUICK).fit(data, sample_weight=w)
    assert_allclose(model.loss_, expected.loss_, rtol=1e-9)
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-5, atol=1e-8)
    assert_allclose(model.mean_activation_, expected.mean_activation_, rtol=1e-7)
    score = model.score(partitioned(data, 3), sample_weight=w)
    assert_allclose(score, model.to_local().score(data, sample_weight=w), rtol=1e-9)


def test_equal_weights_are_no_weights(client, X):
    model, expected = (
        DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(X, 3), sample_weight=w)
        for w in (np.full(160, 1e-310), None)
    )
    assert_array_equal(model.coefs_[0], expected.coefs_[0])
    assert model.loss_ == expected.loss_


@pytest.mark.parametrize("parameters", [{}, {"solver": "adam", "batch_size": 8}])
@pytest.mark.parametrize("name", ["lost", "all sizes", "a lost partition"])
def test_held_out_rows_of_hardly_any_weight(client, X, name, parameters):
    model = DaskSparseAutoencoderTransformer(**QUICK | parameters, early_stopping=True)
    model.fit(partitioned(X, 3), sample_weight=WEIGHTS[name])
    assert np.isfinite([model.loss_, *model.validation_scores_]).all()
