"""Threads that work on blocks of rows, each with a BLAS of one thread.

The wheels of NumPy and SciPy carry a BLAS each, whose spinning threads fight for the cores; and a sum whose order
depends on the number of threads makes a result depend on n_jobs. So BLAS is held to one thread, blocks are shared among
threads of our own, and their results come back in the order of the blocks.
"""

import os
from collections import deque
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from queue import SimpleQueue
from threading import Lock, Thread

import numpy as np
from threadpoolctl import OpenBLASController, ThreadpoolController

# Results per thread that may wait in memory until the caller takes them.
_N_WAITING = 3

# Kept, because finding the BLAS libraries takes as long as a small fit.
_controller = cache(ThreadpoolController)

_lock = Lock()
_n_holders = 0
_limits = None


def equal_slices(n_rows, n_slices):
    """n_slices slices of rows whose sizes differ by one at most, to be shared out."""
    return [slice(*ends) for ends in pairwise(np.linspace(0, n_rows, n_slices + 1).astype(int).tolist())]


class Workers:
    """Threads that share out independent tasks; the calling thread is one of them.

    Parameters
    ----------
    n_threads : int
    tasks : queue.SimpleQueue or None
        Functions that are put there are called by ``n_threads - 1`` threads; None for one thread.
    """

    def __init__(self, n_threads, tasks=None):
        self.n_threads = n_threads
        self._tasks = tasks

    def map(self, function, items):
        """Generate ``function(item)`` in the order of the list items, few of them waiting in memory at any time."""

        # NumPy's error settings do not reach other threads. An overflow shows later, as a value that is not finite.
        def compute(item):
            with np.errstate(over="ignore", invalid="ignore"):
                return function(item)

        if self.n_threads == 1 or len(items) == 1:
            yield from map(compute, items)
            return
        # The next item goes to whoever is free: a thread, or the caller while it waits for a result. SimpleQueue is
        # written in C, so Ctrl-C cannot leave a lock of it held, as it can in `concurrent.futures`.
        results, open_items, ended = deque(), deque(), SimpleQueue()
        n_helpers = 0

        def compute_next(caught=Exception):
            try:
                result, item = open_items.popleft()
            except IndexError:
                return
            try:
                result.put((compute(item), None))
            except caught as error:
                result.put((None, error))

        def help_out():
            try:
                compute_next(BaseException)
            finally:
                ended.put(None)

        def collect():
            first = results.popleft()
            while open_items and first.empty():
                compute_next()
            value, error = first.get()
            if error is not None:
                raise error
            return value

        try:
            for item in items:
                results.append(SimpleQueue())
                open_items.append((results[-1], item))
                self._tasks.put(help_out)
                n_helpers += 1
                if len(results) > _N_WAITING * self.n_threads:
                    yield collect()
            while results:
                yield collect()
        finally:
            # After an error or Ctrl-C, wait until no thread works on an item any more.
            open_items.clear()
            for _ in range(n_helpers):
                ended.get()


@contextmanager
def worker_threads():
    """`Workers`, as many as BLAS had threads, while BLAS is held to one.

    The number follows OPENBLAS_NUM_THREADS, MKL_NUM_THREADS and threadpoolctl, and so what joblib grants a worker.
    """
    n_threads = _hold_blas()
    try:
        if n_threads == 1:
            yield Workers(1)
        else:
            # A BLAS that uses OpenMP has a limit per thread, so each helper sets its own.
            with _helpers(n_threads - 1) as tasks:
                yield Workers(n_threads, tasks)
    finally:
        _release_blas()


@contextmanager
def _helpers(n_threads):
    """Start n_threads threads; they call the functions that are put into the queue this yields."""
    tasks = SimpleQueue()

    def work():
        _limit_blas()
        for task in iter(tasks.get, None):
            task()

    threads = [Thread(target=work, name=f"skdeepcluster_{i}", daemon=True) for i in range(n_threads)]
    try:
        for thread in threads:
            thread.start()
        yield tasks
    finally:
        for _ in threads:
            tasks.put(None)
        for thread in threads:
            # Ctrl-C may have come before this thread was started.
            if thread.ident is not None:
                thread.join()


@contextmanager
def single_threaded():
    """`Workers` of the calling thread alone, while BLAS is held to one thread."""
    _hold_blas()
    try:
        yield Workers(1)
    finally:
        _release_blas()


def _hold_blas():
    """Limit BLAS to one thread if no other fit holds it already; returns how many it had."""
    global _n_holders, _limits
    with _lock:
        n_threads = _blas_threads()
        if _n_holders == 0:
            _limits = _limit_blas()
            if _blas_threads() > 1:
                # threadpoolctl ignored the call: another thread set the limit, and owns it.
                _forget_owner()
                _limit_blas()
        _n_holders += 1
    return n_threads


def _release_blas():
    """Give BLAS its threads back when the last of the fits that run at the same time ends."""
    global _n_holders, _limits
    with _lock:
        _n_holders -= 1
        if _n_holders == 0:
            # Another thread may have set the limit.
            _forget_owner()
            _limits.restore_original_limits()
            _forget_owner()
            _limits = None


def _limit_blas():
    return _controller().limit(limits=1, user_api="blas")


def _blas_threads():
    libraries = _controller().info()
    return max((library["num_threads"] for library in libraries if library["user_api"] == "blas"), default=1)


def _forget_owner():
    """Newer threadpoolctl lets only the thread that set a limit change it: make it forget which one that was."""
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


def _start_anew():
    """Reset the module in a forked process, in which the threads that held the lock or BLAS do not exist."""
    global _lock, _n_holders, _limits
    _lock = Lock()
    if _n_holders > 0:
        _forget_owner()
        _limits.restore_original_limits()
        _n_holders, _limits = 0, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
