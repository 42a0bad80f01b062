"""Arrays of NumPy, and of other libraries by the Python array API standard: what the two need to be told apart for.

NumPy's arrays, and sparse ones, are worked on in place, in blocks, by several threads. Those of other libraries stay on
their device, whole, in as few calls as can be. The engine computes both by the same formulas, with the functions here
where the standard and NumPy differ.
"""

from typing import Any

import numpy as np
from scipy.sparse import issparse

try:
    from sklearn.utils._array_api import (
        _convert_to_numpy,
        array_api_compat,
        check_same_namespace,
        supported_float_dtypes,
    )
except ImportError:
    # Before scikit-learn 1.9 there are NumPy's arrays alone.
    array_api_compat = check_same_namespace = None

HAS_ARRAY_API = array_api_compat is not None

# Those whose arrays can be written to, which scikit-learn knows.
_LIBRARIES = {"array_api_strict", "cupy", "dpnp", "torch"} if HAS_ARRAY_API else set()


def is_numpy(array):
    """Whether it is NumPy's, or no array of another library that is worked on: sparse, a part of a file, a list."""
    return isinstance(array, np.ndarray) or type(array).__module__.partition(".")[0] not in _LIBRARIES


def namespace(array):
    """The functions for an array: NumPy, or what is like it by the standard."""
    return np if is_numpy(array) else array_api_compat.array_namespace(array)


def device_of(array):
    """Where an array is."""
    return array_api_compat.device(array)


def is_on_cpu(array):
    """Whether it is worked on by the cores of this machine, in whose caches pieces of it stay."""
    return is_numpy(array) or "cpu" in str(device_of(array)).lower()


def to_numpy(array):
    """The array in the memory of this process, as NumPy's; without a copy where that can be."""
    return array if is_numpy(array) else _convert_to_numpy(without_gradient(array), namespace(array))


def like(array, reference):
    """A copy of NumPy's array where the reference is, no wider than `widest`; itself where that is NumPy."""
    if is_numpy(reference):
        return array
    xp, device = namespace(reference), device_of(reference)
    if array.dtype == np.float64 and widest(reference) == xp.float32:
        array = array.astype(np.float32)
    return xp.asarray(array, device=device, copy=True)


def without_gradient(array):
    """The array without a record of its gradient, which PyTorch may have it keep."""
    return array.detach() if hasattr(array, "detach") else array


def astype(array, dtype):
    """The array in another type; itself if that is its own."""
    return array.astype(dtype, copy=False) if is_numpy(array) else namespace(array).astype(array, dtype, copy=False)


def numpy_dtype(array):
    """The type of its numbers, as NumPy's."""
    return array.dtype if is_numpy(array) else np.dtype(str(array.dtype).rpartition(".")[2])


def supported_floats(array):
    """The types of floats that are computed with where the array is, the widest first."""
    xp, device = namespace(array), device_of(array)
    return [dtype for dtype in supported_float_dtypes(xp, device) if dtype in (xp.float64, xp.float32)]


def widest(array):
    """float64, or float32 on a device that has nothing wider."""
    if is_numpy(array):
        return np.float64
    xp, device = namespace(array), device_of(array)
    # CuPy's devices cannot be keys.
    key = xp.__name__, str(device)
    if key not in _widest:
        _widest[key] = supported_float_dtypes(xp, device)[0]
    return _widest[key]


_widest: dict[tuple[str, str], Any] = {}


def wide(array):
    """The array in `widest`."""
    return astype(array, widest(array))


def copied(array):
    """An array of its own."""
    return array.copy() if is_numpy(array) else namespace(array).asarray(array, copy=True)


def concatenated(arrays, axis=0):
    """Arrays one after the other."""
    if is_numpy(arrays[0]):
        return np.concatenate(arrays, axis=axis)
    return namespace(arrays[0]).concat(arrays, axis=axis)


def flat(array):
    """All numbers in one row."""
    return np.ravel(array) if is_numpy(array) else namespace(array).reshape(array, (-1,))


def bytes_of_row(array):
    """Bytes of the numbers of a row, on average of a sparse one."""
    if not is_numpy(array):
        return array.shape[1] * numpy_dtype(array).itemsize
    return (array.data.nbytes if issparse(array) else array.nbytes) // array.shape[0]


def rows_of(array, rows):
    """The rows of an array that NumPy's numbers, or a slice, say."""
    if is_numpy(array):
        return array[rows]
    if isinstance(rows, slice):
        return array[rows, ...]
    xp, device = namespace(array), device_of(array)
    return xp.take(array, xp.asarray(rows, device=device), axis=0)


def vector(values, reference):
    """Numbers, of which some may be arrays without axes, as one array where the reference is, in `widest`."""
    if is_numpy(reference):
        return np.array(values)
    xp, dtype, device = namespace(reference), widest(reference), device_of(reference)
    return xp.stack([xp.asarray(value, dtype=dtype, device=device) for value in values])


def summed(array, axis=None):
    """Sum in `widest`."""
    # NumPy's method takes half the time of its function, which shows on small batches.
    if is_numpy(array):
        return array.sum(axis=axis, dtype=np.float64)
    return namespace(array).sum(array, axis=axis, dtype=widest(array))


def column_sums(A):
    """Sum of the rows, in the type of A."""
    return A.sum(axis=0) if is_numpy(A) else namespace(A).sum(A, axis=0)


def row_products(A, B, dtype=None):
    """sum_j A_ij B_ij of every row i, computed in dtype."""
    if is_numpy(A):
        return np.einsum("ij,ij->i", A, B, dtype=dtype)
    if dtype is not None:
        A, B = astype(A, dtype), astype(B, dtype)
    return namespace(A).sum(A * B, axis=-1)


def smallest(A, n):
    """Of every row, where the n smallest of its numbers are, in any order."""
    xp = namespace(A)
    if hasattr(xp, "topk"):
        return xp.topk(A, n, largest=False)[1]
    if hasattr(xp, "argpartition"):
        return xp.argpartition(A, n - 1, axis=1)[:, :n]
    return xp.argsort(A, axis=1)[:, :n]


def overwritten(function, array):
    """A function of the standard, by its name, of every number; in place where NumPy has it."""
    return getattr(np, function)(array, out=array) if is_numpy(array) else getattr(namespace(array), function)(array)
