"""Threads that work on blocks of rows, each with a BLAS of one thread.

The wheels of NumPy and SciPy carry a BLAS each, whose spinning threads fight for the cores; and a sum whose order
depends on the number of threads makes a result depend on n_jobs. So BLAS is held to one thread, blocks are shared among
threads of our own, and their results come back in the order of the blocks.
"""

import os
from _thread import start_new_thread
from collections import deque
from functools import cache, partial
from itertools import pairwise, repeat
from queue import SimpleQueue
from threading import Lock, RLock
from typing import Any

import numpy as np
from threadpoolctl import OpenBLASController, ThreadpoolController

from .._arrays import is_numpy
from ._guards import with_cleanup

# Results per thread that may wait in memory until the caller takes them.
_N_WAITING = 3

# Kept, because finding the BLAS libraries takes as long as a small fit.
_controller = cache(ThreadpoolController)

# A signal handler that fits may come to it again, in the thread that has it.
_lock = RLock()
_is_changing = False
# The `WorkerThreads` that hold BLAS, and what it is given back when none does: its libraries and their threads.
_holders: set[Any] = set()
_numbers: dict[Any, int] = {}


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


class WorkerThreads:
    """Context manager, for one use: `Workers`, while BLAS is held to one thread.

    Their number follows OPENBLAS_NUM_THREADS, MKL_NUM_THREADS and threadpoolctl, and so what joblib grants a worker.

    Parameters
    ----------
    most : int, default=None
        The largest number of threads; None means as many as BLAS had.
    """

    def __init__(self, most=None):
        self._most = most
        self._tasks = SimpleQueue()
        # Of every thread, a lock that it has until it ends; and the threads that were started, in the same order.
        self._locks = []
        self._started = []

    def __enter__(self):
        try:
            n_threads = _hold_blas(self)
            if self._most is not None:
                n_threads = min(n_threads, self._most)
            self._locks += [Lock() for _ in range(n_threads - 1)]
            for lock in self._locks:
                lock.acquire()
            # One call of C, into which no Ctrl-C can come. In the start of a `threading.Thread` it becomes another
            # error, or leaves a thread that cannot be joined.
            self._started.extend(map(start_new_thread, repeat(self._work), zip(self._locks)))
        except BaseException:
            self.end()
            raise
        return Workers(n_threads, self._tasks)

    def __exit__(self, *error):
        self.end()

    def end(self):
        """End the threads, and give BLAS its own back. It may be called again."""
        try:
            for _ in self._started:
                self._tasks.put(None)
            for lock, _ in zip(self._locks, self._started):
                with lock:
                    pass
        finally:
            _release_blas(self)

    def forget_threads(self):
        """Do not wait for threads, in a forked process."""
        self._started.clear()

    def _work(self, lock):
        try:
            _hold_own_blas(self)
            for task in iter(self._tasks.get, None):
                task()
        finally:
            lock.release()


worker_threads = WorkerThreads
single_threaded = partial(WorkerThreads, most=1)


def with_workers(work, X=None):
    """``work(workers)`` within `worker_threads`, which end wherever Ctrl-C comes.

    With X of another library than NumPy, which has threads of its own, the calling thread is the only worker.
    """
    if not is_numpy(X):
        return work(Workers(1))
    threads = worker_threads()

    def within():
        with threads as workers:
            return work(workers)

    return with_cleanup(within, threads.end)


def with_one_openmp_thread(work):
    """``work()``, while OpenMP has one thread for what the calling thread does."""
    # Found anew: scikit-learn may have loaded its library since the first fit.
    libraries = [library for library in ThreadpoolController().lib_controllers if library.user_api == "openmp"]
    numbers = {library: library.num_threads for library in libraries}

    def within():
        _set_threads(dict.fromkeys(libraries, 1))
        return work()

    return with_cleanup(within, partial(_set_threads, numbers))


def _hold_blas(holder):
    """Limit BLAS to one thread, if it is not held already; returns how many it had."""
    global _is_changing
    with _lock:
        if _is_changing:
            # A signal handler, which fits, has interrupted a change. threadpoolctl may hold a lock of its own.
            return 1
        try:
            _is_changing = True
            n_threads = max(_blas_threads().values(), default=1)
            _holders.add(holder)
            if not _numbers:
                # What is to be given back is known before anything is changed.
                _numbers.update(_blas_threads())
                _limit_blas()
                if max(_blas_threads().values(), default=1) > 1:
                    # threadpoolctl ignored the call: another thread set the limit, and owns it.
                    _forget_owner()
                    _limit_blas()
        finally:
            _is_changing = False
    return n_threads


def _hold_own_blas(holder):
    """Limit what has a limit per thread, for the calling thread, one of the holder's: a BLAS that uses OpenMP."""
    libraries = [library for library in _blas_threads() if getattr(library, "threading_layer", "") != "pthreads"]
    with _lock:
        # Ctrl-C may have ended the holder before this thread came so far.
        if holder in _holders:
            _set_threads(dict.fromkeys(libraries, 1))


def _release_blas(holder):
    """Give BLAS its threads back when the last of the fits that run at the same time ends; repeatable."""
    global _is_changing
    with _lock:
        if _is_changing:
            return
        try:
            _is_changing = True
            _holders.discard(holder)
            if not _holders:
                _give_back()
        finally:
            _is_changing = False


def _give_back():
    if _numbers:
        # Another thread may have set the limit.
        _forget_owner()
        _set_threads(_numbers)
        _forget_owner()
        _numbers.clear()


def _limit_blas():
    _set_threads(dict.fromkeys(_blas_threads(), 1))


def _blas_threads():
    """The number of threads of every BLAS, by its controller."""
    return {library: library.num_threads for library in _controller().lib_controllers if library.user_api == "blas"}


def _set_threads(numbers):
    for library, number in numbers.items():
        library.set_num_threads(number)


def _forget_owner():
    """Newer threadpoolctl lets only the thread that set a limit change it: make it forget which one that was."""
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


def _start_anew():
    """Reset the module in a forked process, in which the threads that held the lock or BLAS do not exist."""
    global _lock, _is_changing
    _lock, _is_changing = RLock(), False
    for holder in _holders:
        holder.forget_threads()
    _holders.clear()
    _give_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
