"""Hypothesis strategies: tables of every shape, dtype and kind, sample weights, labels, parameters."""

import tempfile
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
from hypothesis import strategies as st

# What a single cell is set to: nothing finite can be made of the first ones, and little of the others.
NOT_FINITE = (np.nan, np.inf, -np.inf)
EXTREME = (1e300, -1e300, 1.7e308, 1e155, 1e38, 1e20, 1e-300, 5e-324, 1e-160)

FLOATS = ("float64", "float32")
OTHER_DTYPES = (
    *("float16", "longdouble", "bool", "object", "str", "bytes", "complex128", "datetime64[s]"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
DENSE_KINDS = ("C", "Fortran", "strided", "reversed", "read-only", "mapped", "list", "masked")
FRAME_KINDS = ("pandas", "duplicate names", "mixed names", "nullable", "nullable with NA", "category", "polars")
FORMATS = ("csc", "coo", "lil", "dok", "dia", "bsr")
SPARSE_KINDS = ("csr", *FORMATS, "int64 indices", "unsorted", "duplicate entries", "explicit zeros")
# A table that everything takes.
GOOD = np.random.RandomState(0).normal(size=(20, 4))
NO_TABLES = (None, 3, "text", [], [[]], {}, [[1.0, 2.0], [3.0]], np.zeros(3), np.zeros((2, 2, 2)), np.float64(1))


@st.composite
def values(draw, n=None, d=None):
    """A float64 array of shape (n, d) whose rows, columns or all numbers may be alike, with one odd cell or none."""
    n = draw(st.sampled_from([12, 12, 12, 7, 5, 3, 2, 1, 0])) if n is None else n
    d = draw(st.sampled_from([4, 4, 4, 3, 2, 1, 0])) if d is None else d
    rng = np.random.RandomState(draw(st.integers(0, 50)))
    X = rng.normal(size=(n, d)) + 3 * rng.randint(3, size=(n, 1))
    likeness = draw(st.sampled_from(["", "", "", "rows", "columns", "all", "zero", "integers", "unit"]))
    if likeness == "rows" and n:
        X = X[rng.randint(max(1, n // 3), size=n)]
    elif likeness == "columns" and d:
        X = np.repeat(X[:, :1], d, axis=1)
    elif likeness in ("all", "zero"):
        X = np.full((n, d), 0.0 if likeness == "zero" else 1.5)
    elif likeness == "integers":
        X = np.round(X)
    elif likeness == "unit":
        X = 1 / (1 + np.exp(-X))
    scale = draw(st.sampled_from([1.0] * 12 + [1e300, 1e160, 1e100, 1e20, 1e-20, 1e-160, 1e-300, 5e-324]))
    X = X * scale
    cell = draw(st.sampled_from((None,) * 12 + NOT_FINITE + EXTREME))
    if cell is not None and X.size:
        X[draw(st.integers(0, n - 1)), draw(st.integers(0, d - 1))] = cell
    return X


def of_dtype(X, dtype):
    """X as an array of that dtype."""
    with np.errstate(all="ignore"):
        if dtype in ("bool", "datetime64[s]"):
            return (np.nan_to_num(X) > 0).astype(dtype)
        if np.dtype(dtype).kind in "iu":
            return np.clip(np.nan_to_num(X), 0, 100).astype(dtype)
        return X.astype(dtype)


def as_dense(X, kind):
    """X as an array that lies in memory as kind says, or as a list."""
    if kind == "Fortran":
        return np.asfortranarray(X)
    if kind == "strided":
        return np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]
    if kind == "reversed":
        return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    if kind == "read-only":
        X = X.copy()
        X.flags.writeable = False
        return X
    if kind == "mapped" and X.size and X.dtype.kind in "fiub":
        with tempfile.TemporaryFile() as file:
            mapped = np.memmap(file, dtype=X.dtype, mode="w+", shape=X.shape)
        mapped[...] = X
        return mapped
    if kind == "list":
        return X.tolist()
    if kind == "masked":
        return np.ma.masked_array(X, mask=np.arange(X.size).reshape(X.shape) == 1)
    return X


def as_frame(X, kind):
    """X as a frame."""
    names = [f"x{i}" for i in range(X.shape[1])]
    if kind == "polars":
        return pl.DataFrame({name: X[:, i].tolist() for i, name in enumerate(names)}, strict=False)
    frame = pd.DataFrame(X, columns=names)
    if kind == "duplicate names":
        frame.columns = ["x"] * X.shape[1]
    elif kind == "mixed names":
        frame.columns = [i if i % 2 else name for i, name in enumerate(names)]
    elif kind == "category":
        frame = frame.astype("category")
    elif kind.startswith("nullable") and X.dtype.kind == "f":
        frame = frame.astype("Float64")
        if kind == "nullable with NA" and X.size:
            frame.iloc[0, 0] = pd.NA
    return frame


def as_sparse(X, kind, matrix):
    """X, of which small values become zeros, in a sparse format."""
    X = np.where(np.abs(X) < 0.5, 0, X).astype(X.dtype)
    X = (sp.csr_matrix if matrix else sp.csr_array)(X)
    if kind in FORMATS:
        return X.asformat(kind)
    if kind == "int64 indices":
        X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    elif kind == "explicit zeros" and X.nnz:
        X.data[0] = 0
    elif kind == "unsorted":
        for start, stop in zip(X.indptr, X.indptr[1:]):
            X.indices[start:stop] = X.indices[start:stop][::-1].copy()
            X.data[start:stop] = X.data[start:stop][::-1].copy()
        X.has_sorted_indices = False
    elif kind == "duplicate entries" and X.nnz:
        first = X.indptr[1:].searchsorted(1)
        data, indices = np.insert(X.data, 0, X.data[0]), np.insert(X.indices, 0, X.indices[0])
        indptr = X.indptr + (np.arange(len(X.indptr)) > first)
        X = type(X)((data, indices, indptr), shape=X.shape)
    return X


@st.composite
def tables(draw, n=None, d=None, sparse=True):
    """What a user may pass as X, most of it good."""
    group = draw(st.sampled_from(["dense"] * 6 + ["frame"] * 3 + ["sparse"] * 3 + ["none"]))
    if group == "none":
        return draw(st.sampled_from(NO_TABLES))
    X = draw(values(n, d))
    dtype = draw(st.sampled_from(FLOATS * 5 + OTHER_DTYPES))
    if group == "sparse" and sparse and np.dtype(dtype).kind in "fiuc" and dtype not in ("float16", "longdouble"):
        return as_sparse(of_dtype(X, dtype), draw(st.sampled_from(SPARSE_KINDS)), draw(st.booleans()))
    if group == "frame" and np.dtype(dtype).kind in "fiub" and dtype not in ("float16", "longdouble"):
        return as_frame(of_dtype(X, dtype), draw(st.sampled_from(FRAME_KINDS)))
    return as_dense(of_dtype(X, dtype), draw(st.sampled_from(DENSE_KINDS)))


@st.composite
def good_tables(draw, d=None, sparse=True):
    """What every estimator takes: clusters of finite numbers of about unit variance, in any kind of table."""
    n = draw(st.sampled_from([12, 20, 30]))
    d = draw(st.sampled_from([2, 3, 4])) if d is None else d
    rng = np.random.RandomState(draw(st.integers(0, 50)))
    X = 0.3 * rng.normal(size=(n, d)) + (np.arange(n) % 3 - 1)[:, np.newaxis]
    dtype = draw(st.sampled_from([*FLOATS, "longdouble", "object"]))
    group = draw(st.sampled_from(["dense", "frame", "sparse"] if sparse else ["dense", "frame"]))
    if group == "sparse" and dtype in FLOATS:
        return as_sparse(X.astype(dtype), draw(st.sampled_from(SPARSE_KINDS)), draw(st.booleans()))
    if group == "frame" and dtype in FLOATS:
        return as_frame(X.astype(dtype), draw(st.sampled_from(["pandas", "nullable", "category", "polars"])))
    return as_dense(X.astype(dtype), draw(st.sampled_from(DENSE_KINDS)))


def n_rows(X):
    """Number of rows of what `tables` returns, 5 of what is no table."""
    shape = getattr(X, "shape", None)
    return shape[0] if shape else len(X) if isinstance(X, list) else 5


@st.composite
def sample_weights(draw, n):
    """None, or weights of n rows, some of which are wrong."""
    kind = draw(st.sampled_from(["none"] * 6 + ["good"] * 3 + ["zeros"] * 2 + ["odd", "wrong", "short", "columns"]))
    if kind == "none":
        return None
    w = np.random.RandomState(draw(st.integers(0, 20))).uniform(0.1, 2, size=n)
    if kind == "zeros":
        w[::2] = 0
    elif kind == "odd" and n:
        w[-1] = draw(st.sampled_from([-1.0, np.nan, np.inf, -0.0, 1e300, 1e-300, 5e-324, 1.7e308]))
    elif kind == "wrong":
        return draw(st.sampled_from([0, 2.5, "text", {}, np.zeros(n), np.ones(n) * 1j, ["a"] * n, [None] * n, -w]))
    elif kind == "short":
        return w[1:]
    elif kind == "columns":
        return w[:, np.newaxis]
    return draw(st.sampled_from([w, w.tolist(), of_dtype(w, "float32"), pd.Series(w)]))


@st.composite
def labels(draw, n):
    """Labels of n rows, some of which are wrong."""
    codes = np.random.RandomState(draw(st.integers(0, 20))).randint(draw(st.integers(1, 4)), size=n)
    kind = draw(st.sampled_from(["good"] * 6 + ["noise", "all noise", "text", "float", "frame", "wrong", "own"]))
    if kind == "noise":
        codes[::3] = -1
    elif kind == "all noise":
        codes[:] = -1
    elif kind == "text":
        return np.array(["a", "$x^$", "c", "d"])[codes]
    elif kind == "float":
        return np.where(codes == 1, draw(st.sampled_from([1.0, 0.5, np.nan, np.inf, 1e300])), codes)
    elif kind == "frame":
        return draw(
            st.sampled_from(
                [pd.Series(codes, dtype="Int64"), pd.Series(codes).astype("category"), pl.Series(codes), codes[:, None]]
            )
        )
    elif kind == "wrong":
        other_shapes = [codes[1:], np.c_[codes, codes], sp.csr_array(codes[:, None])]
        other_types = [[None] * n, [{}] * n, codes * 1j, [None, *codes[1:].tolist()], ["a", *codes[1:].tolist()]]
        return draw(st.sampled_from([None, 3, "text", *other_shapes, *other_types, codes > 0]))
    elif kind == "own":
        codes = np.arange(n)
    return draw(st.sampled_from([codes, codes.tolist(), codes.astype(np.int8), codes.astype(object)]))


# What is the wrong type or out of range for most parameters, and right for some.
ODD_VALUES = (
    *(None, True, False, -1, 0, 1, 2, 0.5, 1.0, np.nan, np.inf, -np.inf, 1e300, 1e-300, 1j, Fraction(1, 2)),
    *("text", "auto", b"bytes", (), [], {}, [3], (2, 3), [[2]], ["a"], np.array([2, 3]), np.array(2), object, len),
    *(np.int8(3), np.uint8(200), np.float32(0.5), np.bool_(True), np.str_("adam"), np.random.RandomState(0)),
)


@st.composite
def parameters(draw, good, most=3):
    """Some of the parameters in good, {name: values}, with one of these values or an odd one."""
    names = draw(st.lists(st.sampled_from(sorted(good)), max_size=most, unique=True))
    return {name: draw(st.sampled_from([*good[name]] * 3) | st.sampled_from(ODD_VALUES)) for name in names}
