"""What a worker needs for its tasks to be as fast as in a process of one's own, and rounded as there."""

import ctypes
import os
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from threading import Lock

import numpy as np
from scipy.sparse import csr_matrix, issparse

# Parameters of glibc's mallopt by the environment variables that set them: number, default, and what they are raised
# to, more than the arrays of a block of rows take and more than all of them together.
_TRIM_THRESHOLD = "MALLOC_TRIM_THRESHOLD_"
_THRESHOLDS = {"MALLOC_MMAP_THRESHOLD_": (-3, 1 << 17, 1 << 22), _TRIM_THRESHOLD: (-1, 1 << 17, 1 << 24)}

_lock = Lock()
_n_running = 0


def on_worker(task):
    """The task, for whose rounding and speed it does not matter where its inputs come from and who started the worker.

    Arrays from another process may begin anywhere between two numbers; NumPy takes other, slower ways for these.
    """

    @wraps(task)
    def prepared_task(*arguments, **keywords):
        with _reused_memory():
            return task(*map(_aligned, arguments), **{name: _aligned(value) for name, value in keywords.items()})

    return prepared_task


def _aligned(value):
    if isinstance(value, np.ndarray):
        return np.require(value, requirements="A")
    if issparse(value) and value.format == "csr":
        arrays = value.data, value.indices, value.indptr
        if all(array.flags.aligned for array in arrays):
            return value
        return csr_matrix(tuple(map(_aligned, arrays)), shape=value.shape)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _aligned(getattr(value, field.name)) for field in fields(value)})
    if isinstance(value, tuple):
        parts = map(_aligned, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return [_aligned(part) for part in value] if isinstance(value, list) else value


@contextmanager
def _reused_memory():
    """Let temporaries take the memory of those that were freed before them.

    Dask starts workers with MALLOC_TRIM_THRESHOLD_, which ends glibc's own adjustment. Every array of more than 128 KiB
    then comes from the system, page by page, and goes back to it: that takes as long as what is computed. Where the
    variable is not set, or there is no glibc, nothing is done.
    """
    mallopt = _mallopt() if os.environ.get(_TRIM_THRESHOLD, "").isdigit() else None
    if mallopt is None:
        yield
        return
    _count(1, mallopt)
    try:
        yield
    finally:
        _count(-1, mallopt)


def _count(change, mallopt):
    """Raise the thresholds with the first of the tasks that run at a time, and put them back after the last."""
    global _n_running
    with _lock:
        _n_running += change
        for variable, (number, default, raised) in _THRESHOLDS.items():
            value = os.environ.get(variable, "")
            mallopt(number, raised if _n_running else int(value) if value.isdigit() else default)


def _mallopt():
    try:
        return ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError):
        # Not glibc, or Windows.
        return None
