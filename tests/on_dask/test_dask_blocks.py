"""What is given as blocks, or in types that are no numbers: it works, or the error says what it is and what to do."""

import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask import delayed
from numpy.testing import assert_allclose, assert_array_equal

from helpers.cluster import partitioned
from helpers.marks import FEW_ITERATIONS
from skdeepcluster.dask import DaskSparseAutoencoderTransformer

QUICK = {"n_components": 3, "random_state": 0, "max_iter": 2, "tol": 0}
METHODS = ["fit", "fit_transform", "transform", "inverse_transform", "score"]
pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:90]


@pytest.fixture(scope="module")
def fitted(client, X):
    with pytest.warns(match="L-BFGS stopped before"):
        return DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(X, 3))


@pytest.fixture(scope="module")
def weighted(client, X):
    with pytest.warns(match="L-BFGS stopped before"):
        return DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(X, 2), sample_weight=np.linspace(1, 2, 90))


def fit(X, sample_weight=None):
    return DaskSparseAutoencoderTransformer(**QUICK).fit(X, sample_weight=sample_weight)


def call(fitted, method, X):
    model = DaskSparseAutoencoderTransformer(**QUICK) if method.startswith("fit") else fitted
    return getattr(model, method)(X)


# Blocks

BLOCKS = {
    "a Delayed": lambda client, X: delayed(X),
    "a Delayed of a function": lambda client, X: delayed(np.array)(X),
    "an array of Delayed": lambda client, X: da.from_array(X, chunks=(40, *X.shape[1:])).to_delayed(),
    "a flat array of Delayed": lambda client, X: da.from_array(X, chunks=(40, *X.shape[1:])).to_delayed().ravel(),
    "a future": lambda client, X: client.scatter(X),
    "futures": lambda client, X: client.scatter([X[:40], X[40:]]),
    "both": lambda client, X: [client.submit(np.array, X[:40]), delayed(X[40:])],
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(client, fitted, weighted, X, name):
    blocks = BLOCKS[name](client, X)
    model = fit(blocks)
    assert_allclose(model.coefs_[0], fitted.coefs_[0], rtol=1e-8)
    code = model.transform(blocks)
    assert_allclose(code.compute(), model.to_local().transform(X))
    assert_allclose(model.score(blocks), model.to_local().score(X))
    with_weights = fit(blocks, BLOCKS[name](client, np.linspace(1, 2, 90)))
    assert_allclose(with_weights.coefs_[0], weighted.coefs_[0], rtol=1e-8)
    codes = BLOCKS[name](client, code.compute())
    assert_allclose(model.inverse_transform(codes).compute(), model.to_local().inverse_transform(code.compute()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda X: da.from_array(X, chunks=(40, 8)).to_delayed(), ValueError, r"shape \(3, 2\), .* rechunk\(\{1: -1\}"),
        (lambda X: [delayed(X), X], TypeError, r"Item 1 of X, a list, is ndarray.* dask.delayed\(block\)"),
        (lambda X: (X, delayed(X)), TypeError, "Item 0 of X, a tuple, is ndarray"),
        (lambda X: [partitioned(X, 2)] * 2, TypeError, "Item 0 of X, a list, is Array.* concatenate"),
        (lambda X: db.from_sequence(X.tolist(), npartitions=2), TypeError, "X is Bag of Dask, and no table"),
        (lambda X: dd.from_pandas(pd.Series(X[:, 0]), npartitions=2), TypeError, "X is Series of Dask, and no table"),
    ],
    ids=["parts of columns", "mixed list", "mixed tuple", "list of arrays", "bag", "series"],
)
def test_what_is_no_table(fitted, X, method, make, error, message):
    with pytest.raises(error, match=message):
        call(fitted, method, make(X))


def test_arrays_in_a_list_are_in_memory(client, X):
    with pytest.raises(TypeError, match=r"X is list, .* dask.delayed\(block\) of each block"):
        fit([X[:40], X[40:]])


@pytest.mark.parametrize(
    "weights, message",
    [
        (lambda w: delayed(w), "sample_weight has 1 partitions, but X has 3"),
        (lambda w: [w[:40], w[40:]], "This is about sample_weight|sample_weight has the shape"),
        (lambda w: [delayed(1.0)] * 3, r"partition . of sample_weight has the shape \(\), but a row has one weight"),
        (lambda w: dd.from_pandas(pd.DataFrame([w, w]).T, npartitions=3), r"sample_weight has the shape \(30, 2\)"),
    ],
    ids=["a Delayed", "list of arrays", "numbers", "two columns"],
)
def test_weights_in_bad_blocks(client, X, weights, message):
    with pytest.raises(ValueError, match=message) as caught:
        fit(partitioned(X, 3).rechunk((30, 15)), weights(np.ones(90)))
    assert "sample_weight" in "".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def test_weights_in_blocks_of_rows_in_memory(fitted, X):
    with pytest.raises(TypeError, match=r"sample_weight is Delayed.*, blocks of Dask, but X is ndarray, in memory"):
        fitted.score(X, sample_weight=delayed(np.ones(90)))


# Types

TYPES = {
    "complex": (lambda X: X * 1j, "has the type complex128.* both parts as columns"),
    "text": (lambda X: X.astype(str), r"has the type <U32.* astype\(float\)"),
    "bytes": (lambda X: X.astype("S8"), r"has the type .*S8.* astype\(float\)"),
    "dates": (lambda X: X.astype("M8[s]"), "has dates: all values.* days since an event"),
    "durations": (lambda X: X.astype("m8[s]"), "has dates: all values"),
    "fields": (
        lambda X: np.zeros(X.shape, dtype=[("a", float)]),
        r"has the type .*\('a', '<f8'\).*structured_to_unstructured",
    ),
}


def unread(block):
    raise AssertionError("a block was computed")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TYPES)
def test_types_that_are_known_are_refused_before_any_work(fitted, X, method, name):
    convert, message = TYPES[name]
    table = convert(X)
    chunks = partitioned(X, 2).map_blocks(unread, dtype=table.dtype, meta=table[:0])
    with pytest.raises(ValueError, match=rf"^X {message}"):
        call(fitted, method, chunks)


@pytest.mark.parametrize("name", TYPES)
def test_types_of_blocks_are_refused_with_their_number(fitted, X, name):
    convert, message = TYPES[name]
    blocks = [delayed(X), delayed(convert(X))]
    for method in (fit, fitted.score):
        with pytest.raises(ValueError, match=rf"^partition 1 of X {message}"):
            method(blocks)
    with pytest.raises(ValueError, match=rf"^a partition of X {message}"):
        fitted.transform(blocks).compute()
    for weights in (convert(X[:, 0]), da.from_array(convert(X[:, 0]), chunks=40)):
        with pytest.raises(ValueError, match=rf"^sample_weight {message}"):
            fit(partitioned(X, 2), weights)
    with pytest.raises(ValueError, match=rf"^partition 0 of sample_weight {message}"):
        fit([delayed(X)], [delayed(convert(X[:, 0]))])


@pytest.mark.parametrize(
    "column, message",
    [
        (["a"] * 90, "column 'x3' of X has the type str.* OneHotEncoder"),
        (pd.date_range("2020-01-01", periods=90), "X has dates: x3"),
        (pd.date_range("2020-01-01", periods=90, tz="UTC"), "X has dates: x3"),
        (1j * np.ones(90), "column 'x3' of X has the type complex128"),
    ],
    ids=["text", "dates", "zoned dates", "complex"],
)
def test_columns_of_frames(fitted, X, column, message):
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(15)]).assign(x3=column)
    for method in METHODS:
        with pytest.raises(ValueError, match=message):
            call(fitted, method, dd.from_pandas(frame, npartitions=2))
    of_partition = message.replace("of X", "of partition 0 of X")
    if frame["x3"].dtype.name == "object":
        # Text of pandas before 3.
        of_partition = "partition 0 of X has columns that are no numbers: x3 .*OneHotEncoder"
    with pytest.raises(ValueError, match=of_partition):
        fit([delayed(frame)])


def test_numbers_in_objects_and_in_types_of_pandas(fitted, X):
    for table in (X.astype(object), pd.DataFrame(X).astype("Float64"), pd.DataFrame(X > 0).astype("boolean")):
        model = fit([delayed(table[:40]), delayed(table[40:])])
        expected = fit(partitioned(np.asarray(table, dtype=float), 2))
        assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-8)
    assert_array_equal(fit(partitioned(X.astype(object), 3)).coefs_[0], fitted.coefs_[0])


def test_objects_that_are_no_numbers(client, X):
    table = X.astype(object)
    table[70, 3] = "a"
    with pytest.raises(ValueError, match=r"partition 1 of X has columns that are no numbers: column 3 \('a'\)"):
        fit(da.from_array(table, chunks=(45, 15)))
