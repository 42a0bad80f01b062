"""What a value or an estimator holds, to be compared before and after."""

import pickle

import numpy as np
import scipy.sparse as sp


def fingerprint(value):
    """Something that is equal for equal contents, NaN among them."""
    if sp.issparse(value):
        parts = [getattr(value, name, None) for name in ("data", "indices", "indptr", "row", "col", "rows")]
        return type(value), value.shape, [fingerprint(part) for part in parts]
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.shape, str(value.dtype), np.asarray(value).tobytes()
    if hasattr(value, "__dask_graph__"):
        return str(value.__dask_keys__())
    if hasattr(value, "columns"):
        # Old polars makes no array of a frame without columns.
        numbers = value.to_numpy().tolist() if len(value.columns) else ()
        return [str(name) for name in value.columns], value.shape, repr(numbers)
    if isinstance(value, dict):
        return {name: fingerprint(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [fingerprint(part) for part in value]
    if isinstance(value, np.ndarray):
        return fingerprint(value.tolist())
    return repr(value) if not hasattr(value, "get_params") else pickle.dumps(value)


def state_of(estimator):
    """The attributes of an estimator, to be compared."""
    return {name: (id(value), fingerprint(value)) for name, value in vars(estimator).items()}
