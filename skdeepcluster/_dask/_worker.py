"""Preparations on a worker, with which a task is as fast, and rounds in the same way, as in the user's process."""

import ctypes
import os
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from threading import Lock

import numpy as np
from scipy.sparse import csr_matrix, issparse

# Parameters of glibc's mallopt, by the environment variables that set them: number, default, and the value to use while
# tasks run. That of the first is larger than any array of a block of rows, that of the second larger than all of these
# together.
_TRIM_THRESHOLD = "MALLOC_TRIM_THRESHOLD_"
_THRESHOLDS = {"MALLOC_MMAP_THRESHOLD_": (-3, 1 << 17, 1 << 22), _TRIM_THRESHOLD: (-1, 1 << 17, 1 << 24)}

_lock = Lock()
_n_running = 0


def on_worker(task):
    """Decorate a task so that its speed and rounding are the same on every worker, and for inputs from anywhere.

    An array that comes from another process may be unaligned: it begins at an address that is no multiple of the size
    of its items. NumPy handles such arrays by other, slower code, so they are copied to aligned memory first.
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
    """Let new arrays use the memory of arrays that were freed before.

    Dask starts workers with the variable MALLOC_TRIM_THRESHOLD_. With it, glibc no longer adjusts its thresholds. Then
    the memory of every array of more than 128 KiB is taken from the system, page by page, and given back. That takes as
    long as the computation itself, so the thresholds are raised here. If the variable is not set, or the system has no
    glibc, nothing is done.
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
    """Count the tasks that run. Raise the thresholds when the first begins, and reset them when the last ends."""
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
        # There is no mallopt without glibc, and on Windows there is no library None.
        return None
