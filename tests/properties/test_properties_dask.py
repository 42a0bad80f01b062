"""Generated input for fits on a Dask cluster: what holds in memory holds of partitions."""

import warnings
from functools import partial

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask import delayed
from hypothesis import strategies as st

from helpers.properties import assert_finite, attempt, cases
from helpers.state import state_of
from helpers.strategies import GOOD, n_rows, parameters, sample_weights, tables
from skdeepcluster.dask import DaskSparseAutoencoderTransformer

# Threads of the cluster draw random numbers while cases are drawn.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")

PARAMETERS = {
    "n_components": (1, 9),
    "hidden_layer_sizes": ((), 3),
    "output_activation": ("identity", "logistic"),
    "tied_weights": (True, False),
    "beta": (0, 1.0),
    "corruption": (0.0, 0.3),
    "pretrain": ("layerwise", None),
    "solver": ("auto", "lbfgs", "adam"),
    "early_stopping": (True, False),
    "batch_size": (1, 5, 1000),
    "random_state": (0, None),
}


make = partial(DaskSparseAutoencoderTransformer, n_components=2, max_iter=2, random_state=0)


@pytest.fixture(scope="module")
def fitted(client):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make().fit(da.from_array(GOOD, chunks=(7, 4)))


KINDS = st.sampled_from(["array", "array", "delayed", "delayed, empty ones", "columns", "as it is"])


def collection(X, kind):
    """A table as partitions, or as it is. Not within a strategy: Dask draws random numbers of its own for names."""
    if isinstance(X, pd.DataFrame) and kind != "as it is" and len(X) and len(set(X.columns)) == X.shape[1]:
        return dd.from_pandas(X, npartitions=2)
    if not isinstance(X, np.ndarray) or kind == "as it is" or X.dtype == object or X.ndim != 2 or not X.size:
        return X
    if kind.startswith("delayed"):
        if X.dtype == np.longdouble:
            # A worker waits forever for masked ones that have to come from another: distributed cannot send them.
            X = np.asarray(X)
        parts = [X[:3], X[3:]] if kind == "delayed" else [X[:0], X, X[:0]]
        return [delayed(part) for part in parts]
    return da.from_array(np.array(X), chunks=(3, -1) if kind == "array" else (-1, 1))


def length(X):
    is_delayed = isinstance(X, list) and len(X) > 0 and hasattr(X[0], "compute")
    return sum(len(part.compute()) for part in X) if is_delayed else len_of(X)


def len_of(X):
    return len(X) if hasattr(X, "dask") else n_rows(X)


@cases(0.25, X=tables(sparse=False), kind=KINDS, data=st.data())
def test_fit(client, X, kind, data):
    X = collection(X, kind)
    model = make(**data.draw(parameters(PARAMETERS, most=2)))
    w = data.draw(sample_weights(length(X)))
    before = state_of(model)
    _, error = attempt(model.fit, X, sample_weight=w, names=[*model.get_params(), "Dask"])
    if error is not None:
        assert state_of(model) == before
        return
    assert_finite(*model.coefs_, *model.intercepts_, model.loss_, model.mean_activation_, model.loss_curve_["loss"])
    code, error = attempt(lambda: np.asarray(model.transform(X)))
    if error is None:
        assert code.shape == (length(X), model.n_components)
        assert_finite(code)


@cases(0.25, X=tables(d=4, sparse=False), kind=KINDS, data=st.data())
def test_transform_and_score(fitted, X, kind, data):
    X = collection(X, kind)
    code, error = attempt(lambda: np.asarray(fitted.transform(X)))
    if error is None:
        assert code.shape == (length(X), 2)
        assert_finite(code)
    score, error = attempt(fitted.score, X, sample_weight=data.draw(sample_weights(length(X))))
    if error is None:
        assert -np.inf < score <= 0
