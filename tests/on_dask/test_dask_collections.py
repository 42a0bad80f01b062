"""Kinds of Dask collections, good and bad, and what is made of them."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from dask import delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from helpers.cluster import partitioned
from helpers.marks import FEW_ITERATIONS
from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster._dask._collections import partitions
from skdeepcluster.dask import DaskSparseAutoencoderTransformer
from skdeepcluster.exceptions import CollapsedCodeWarning, InputScaleWarning

QUICK = {"n_components": 3, "random_state": 0, "max_iter": 2, "tol": 0}
pytestmark = FEW_ITERATIONS


@pytest.fixture(scope="module")
def X(blobs):
    return blobs[:120]


@pytest.fixture(scope="module")
def expected(X):
    with pytest.warns(match="L-BFGS stopped before"):
        return SparseAutoencoderTransformer(**QUICK).fit(X)


@pytest.fixture(scope="module")
def fitted(client, X):
    with pytest.warns(match="L-BFGS stopped before"):
        return DaskSparseAutoencoderTransformer(**QUICK).fit(partitioned(X, 3))


def fit(X, sample_weight=None, **parameters):
    return DaskSparseAutoencoderTransformer(**(QUICK | parameters)).fit(X, sample_weight=sample_weight)


def frame(X, npartitions=3):
    return dd.from_pandas(pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]), npartitions=npartitions)


def parts(X, *ends):
    return [delayed(part) for part in np.split(X, ends)]


def unknown(X):
    """Chunks of unknown sizes."""
    return frame(X).to_dask_array()


# Good ones


@pytest.mark.parametrize(
    "collection",
    [
        lambda X: da.from_array(X, chunks=(50, 4)),
        frame,
        unknown,
        lambda X: parts(X, 30, 80),
        lambda X: tuple(parts(X, 30)),
        lambda X: parts(X, 1, 2, 119),
        lambda X: parts(X, 0, 50, 50, 120),
        lambda X: partitioned(X, 3).persist(),
        lambda X: [delayed(pd.DataFrame(part)) for part in np.split(X, [70])],
        lambda X: [delayed(np.asfortranarray(part)) for part in np.split(X, [70])],
    ],
    ids=[
        "columns in chunks",
        "frame",
        "unknown sizes",
        "list",
        "tuple",
        "one row",
        "empty",
        "persisted",
        "list of frames",
        "order",
    ],
)
def test_kinds_of_collections(client, X, expected, collection):
    model = fit(collection(X))
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-8)
    assert model.n_features_in_ == 15


def test_names_of_features(client, X):
    model = fit(frame(X))
    assert_array_equal(model.feature_names_in_, [f"x{i}" for i in range(15)])
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(frame(X)[[f"x{i}" for i in reversed(range(15))]])
    assert_array_equal(model.get_feature_names_out()[0], "dasksparseautoencodertransformer0")
    assert not hasattr(model.fit(partitioned(X, 2)), "feature_names_in_")


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.int64, np.float32), (np.float32, np.float32)])
def test_partitions_of_mixed_types(client, X, dtypes):
    X = np.round(X * 8)  # the same in all of them
    with pytest.warns(InputScaleWarning):
        model = fit([delayed(part.astype(dtype)) for part, dtype in zip(np.split(X, [50]), dtypes)])
    assert model.coefs_[0].dtype == (np.float32 if set(dtypes) == {np.float32} else np.float64)


@pytest.mark.parametrize("container", [sp.csr_matrix, sp.csr_array, sp.coo_matrix])
def test_sparse_partitions(client, X, container):
    X = np.where(np.abs(X) < 0.7, 0, X)
    model = fit([delayed(container(part)) for part in np.split(X, [50])])
    expected = SparseAutoencoderTransformer(**QUICK).fit(sp.csr_matrix(X))
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-8)
    assert_allclose(model.score(partitioned(sp.csr_matrix(X), 3)), expected.score(X))


@pytest.mark.parametrize(
    "weights",
    [
        lambda w: w,
        lambda w: w.tolist(),
        lambda w: da.from_array(w, chunks=17),
        lambda w: parts(w, 30, 80),
        lambda w: dd.from_pandas(pd.Series(w), npartitions=1).repartition(divisions=[0, 30, 80, 119]),
    ],
    ids=["array", "list of numbers", "other chunks", "list of parts", "series"],
)
def test_kinds_of_weights(client, X, rng, weights):
    w = rng.uniform(size=120)
    model = fit(parts(X, 30, 80), weights(w))
    expected = SparseAutoencoderTransformer(**QUICK).fit(X, sample_weight=w)
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-8)


# Bad ones


def with_nan(X):
    X = X.copy()
    X[85, 3] = np.nan
    return X


@pytest.mark.parametrize(
    "collection, error, message",
    [
        (lambda X: X, TypeError, "X is ndarray, and DaskSparse.* use SparseAutoencoderTransformer"),
        (lambda X: pd.DataFrame(X), TypeError, "X is DataFrame"),
        (lambda X: [], TypeError, "X is list"),
        (lambda X: parts(with_nan(X), 30, 80), ValueError, "partition 2 of X contains NaN"),
        (lambda X: partitioned(with_nan(X), 2), ValueError, "partition 1 of X contains NaN"),
        (lambda X: [*parts(X, 30), delayed(X[:, :4])], ValueError, "Partition 2 of X has 4 features, but .* 15"),
        (lambda X: [delayed(X), delayed(sp.csr_matrix(X))], ValueError, "Partition 1 of X .* sparse, .* dense"),
        (lambda X: da.from_array(X[:, 0], chunks=50), ValueError, "X has 1 dimensions"),
        (lambda X: [delayed(X[:, 0])], ValueError, r"Partition 0 of X has the shape \(120,\)"),
        (lambda X: parts(X[:0]), ValueError, "X has no rows"),
    ],
    ids=[
        "array",
        "frame",
        "no parts",
        "NaN",
        "NaN in an array",
        "features",
        "mixed",
        "1d",
        "1d parts",
        "empty",
    ],
)
def test_bad_collections(client, X, collection, error, message):
    model = DaskSparseAutoencoderTransformer(**QUICK)
    with pytest.raises(error, match=message):
        model.fit(collection(X))
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    "weights, message",
    [
        (lambda w: w[:-1], r"sample_weight has the shape \(119,\), but X has 120 rows"),
        (lambda w: parts(w, 30), "sample_weight has 2 partitions, but X has 3"),
        (lambda w: parts(w, 31, 80), r"Partition (0|1) of X has \d\d rows, but partition \1 of sample_weight has"),
        (lambda w: parts(-w, 30, 80), "Negative values in partition . of sample_weight"),
        (lambda w: parts(np.r_[w[:-1], np.nan], 30, 80), "partition 2 of sample_weight contains NaN"),
        (lambda w: 0 * w, "sample_weight is zero for every row"),
    ],
    ids=["length", "partitions", "rows", "negative", "NaN", "zero"],
)
def test_bad_weights(client, X, weights, message):
    with pytest.raises(ValueError, match=message):
        fit(parts(X, 30, 80), weights(np.ones(120)))


def test_the_scale_of_x_is_checked(client, X):
    with pytest.warns(InputScaleWarning, match="far from standardised"):
        fit(partitioned(1000 * X, 2))
    with pytest.raises(ValueError, match=r"output_activation='logistic' .* X runs from"):
        fit(partitioned(X, 2), output_activation="logistic")


def test_rows_that_are_all_the_same(client, X):
    with pytest.warns(CollapsedCodeWarning, match="All rows of X are the same"):
        fit(partitioned(np.repeat(X[:1], 50, axis=0), 2))


def test_an_overflow_is_explained(client, X):
    with (
        pytest.warns(InputScaleWarning),
        pytest.raises(ValueError, match=r"stopped being finite .* largest absolute value"),
    ):
        fit(partitioned(1e200 * X, 2))


def test_a_row_of_weight_zero_is_not_looked_at(client, X):
    expected = fit(partitioned(X[:80], 2))
    model = fit(partitioned(with_nan(X), 3), np.r_[np.ones(80), np.zeros(40)])
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-8)


def test_parameters_are_checked_before_the_data(client, X):
    unread = partitioned(X, 2).map_blocks(lambda block: 1 / 0, dtype=float)
    with pytest.raises(ValueError, match=r"beta=1\.0 weighs the KL term"):
        fit(unread, code_activation="identity")
    with pytest.raises(ValueError, match="rho"):
        fit(unread, rho=2.0)


def test_the_size_of_small_integers_is_that_of_floats():
    assert partitions(da.ones((1000, 10), dtype=np.uint8)).n_bytes == 80_000
    assert partitions(da.ones((1000, 10), dtype=np.float32)).n_bytes == 40_000


def test_a_failed_fit_changes_nothing(client, X):
    model = fit(partitioned(X, 2))
    state = dict(vars(model))
    with pytest.raises(ValueError, match="NaN"):
        model.fit(partitioned(with_nan(X), 2))
    assert vars(model).keys() == state.keys()
    assert all(vars(model)[name] is value for name, value in state.items())


# What is made of them


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_codes_have_the_chunks_of_the_table(fitted, X, dtype):
    table = da.from_array(X.astype(dtype), chunks=((50, 70), (15,)))
    code = fitted.transform(table)
    assert (code.chunks, code.dtype) == (((50, 70), (3,)), np.float64)
    assert isinstance(code._meta, np.ndarray)
    computed = code.compute()
    assert computed.dtype == code.dtype
    assert_allclose(computed, fitted.to_local().transform(X.astype(dtype)))
    decoded = fitted.inverse_transform(code)
    assert (decoded.chunks, decoded.dtype) == (((50, 70), (15,)), np.float64)
    assert_allclose(decoded.compute(), fitted.to_local().inverse_transform(computed))


@pytest.mark.parametrize("collection", [frame, unknown, lambda X: parts(X, 0, 50)], ids=["frame", "unknown", "list"])
@pytest.mark.filterwarnings("ignore:X has feature names")
def test_codes_of_tables_of_unknown_length(fitted, X, collection):
    code = fitted.transform(collection(X))
    assert code.shape[1] == 3
    assert np.isnan(code.shape[0])
    assert_allclose(code.compute(), fitted.to_local().transform(X))


def test_codes_of_sparse_chunks(fitted, X):
    code = fitted.transform(partitioned(sp.csr_matrix(X), 3))
    assert_allclose(code.compute(), fitted.to_local().transform(X))


def test_nothing_is_computed_before_it_is_asked_for(fitted, X):
    table = partitioned(X, 3).map_blocks(lambda block: 1 / 0, dtype=float)
    code = fitted.transform(table)
    with pytest.raises(ZeroDivisionError):
        code.compute()


def test_arrays_in_memory_are_encoded_in_memory(fitted, X):
    code = fitted.transform(X)
    assert isinstance(code, np.ndarray)
    assert_allclose(fitted.inverse_transform(code), fitted.to_local().inverse_transform(code))
    assert fitted.score(X) == fitted.to_local().score(X)


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_score(fitted, X, rng):
    w = rng.uniform(size=120)
    for table in (partitioned(X, 3), frame(X), parts(X, 20)):
        assert_allclose(fitted.score(table), fitted.to_local().score(X))
    assert_allclose(fitted.score(parts(X, 20), sample_weight=w), fitted.to_local().score(X, sample_weight=w))


def test_codes_are_those_of_the_fit_whatever_the_parameter_is_now(fitted, X):
    model = clone(fitted)
    vars(model).update(vars(fitted))
    code = model.transform(partitioned(X, 2))
    model.set_params(n_components=5)
    assert_allclose(model.inverse_transform(code), fitted.to_local().inverse_transform(code.compute()))


def test_rows_too_large_for_the_fitted_weights_are_refused(fitted, X):
    large = partitioned(1e300 * X, 2)
    with pytest.raises(ValueError, match="The reconstruction error of X is not finite: X is too large"):
        fitted.score(large)
    codes = partitioned(np.full((4, 3), 1.7e308), 2)
    with pytest.raises(ValueError, match=r"The code or reconstruction of X is not finite: .* 1\.7e\+308, is too large"):
        fitted.inverse_transform(codes).compute()


def test_other_features_are_refused(fitted, X):
    for method in (fitted.transform, fitted.score):
        with pytest.raises(ValueError, match=r"X has 4 features, but Dask.* is expecting 15"):
            method(partitioned(X[:, :4], 2))
    with pytest.raises(ValueError, match="X has 15 features, but inverse_transform expects codes with n_components=3"):
        fitted.inverse_transform(partitioned(X, 2))
    with pytest.raises(ValueError, match="X has 1 dimensions"):
        fitted.transform(da.from_array(X[:, 0], chunks=50))
    with pytest.raises(ValueError, match="partition 0 of X has 4 features"):
        fitted.score(parts(X[:, :4]))
    with pytest.raises(ValueError, match="has 4 columns, but 15 are expected"):
        fitted.transform(parts(X[:, :4])).compute()


def test_not_fitted(X):
    for call in ("transform", "inverse_transform", "score"):
        with pytest.raises(NotFittedError):
            getattr(DaskSparseAutoencoderTransformer(), call)(partitioned(X, 2))
    with pytest.raises(NotFittedError):
        DaskSparseAutoencoderTransformer().to_local()
