import os
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from helpers.moments import at_every_moment, press_ctrl_c
from helpers.processes import output_of_fork
from helpers.threads import blas_threads, openmp_threads
from skdeepcluster._support import _threads
from skdeepcluster._support._threads import (
    Workers,
    equal_slices,
    single_threaded,
    with_one_openmp_thread,
    with_workers,
    worker_threads,
)


@pytest.fixture(params=[1, 2, 5])
def workers(request):
    with threadpool_limits(limits=request.param, user_api="blas"), worker_threads() as workers:
        assert workers.n_threads == request.param
        yield workers


@pytest.mark.parametrize("n_items", [0, 1, 2, 3, 50])
def test_results_come_in_the_order_of_the_items(workers, n_items):
    assert list(workers.map(lambda i: i**2, list(range(n_items)))) == [i**2 for i in range(n_items)]


def test_few_results_wait_at_a_time():
    with threadpool_limits(limits=3, user_api="blas"), worker_threads() as workers:
        computed, lead = [], []
        for n_taken, _ in enumerate(workers.map(computed.append, list(range(300)))):
            lead.append(len(computed) - n_taken)
        assert max(lead) <= 12


def test_the_work_is_shared():
    with threadpool_limits(limits=2, user_api="blas"), worker_threads() as workers:
        meet = threading.Barrier(2, timeout=20)
        # Passes only if two threads are in it at the same time.
        assert len(list(workers.map(lambda i: meet.wait(), [0, 1]))) == 2


def test_an_error_in_any_task_is_raised(workers):
    for bad in (0, 1, 7):
        with pytest.raises(ZeroDivisionError):
            list(workers.map(lambda i, bad=bad: 1 / (i - bad), list(range(8))))


def test_overflow_does_not_warn_in_any_thread(workers):
    for value in workers.map(lambda i: np.float64(1e308) * 10, list(range(4))):
        assert value == np.inf


def test_blas_has_one_thread_within_and_its_own_number_after():
    with threadpool_limits(limits=2, user_api="blas"):
        with worker_threads():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {2}
        with pytest.raises(KeyError), worker_threads():
            raise KeyError
        assert set(blas_threads()) == {2}


def test_the_last_of_several_at_a_time_gives_the_threads_back():
    # The first to hold BLAS is the first to let go, from another thread than the last.
    first_holds, second_holds, first_is_done = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def first():
        with worker_threads():
            first_holds.set()
            second_holds.wait(20)
        first_is_done.set()
        # A thread that is still there when the other lets go.
        seen.append("first")
        last_look.wait(20)

    last_look = threading.Event()
    with threadpool_limits(limits=2, user_api="blas"):
        thread = threading.Thread(target=first)
        thread.start()
        first_holds.wait(20)
        with worker_threads() as workers:
            assert workers.n_threads == 1
            second_holds.set()
            first_is_done.wait(20)
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {2}
        last_look.set()
        thread.join()
    assert seen == ["first"]


def test_one_thread_needs_no_others():
    assert list(Workers(1).map(str, [1, 2])) == ["1", "2"]


def test_an_interrupt_of_the_caller_ends_when_the_threads_have(monkeypatch):
    finished = []

    def compute(item):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        time.sleep(0.05)
        finished.append(item)

    for _ in range(10):
        with threadpool_limits(limits=3, user_api="blas"), worker_threads() as workers:
            finished.clear()
            with pytest.raises(KeyboardInterrupt):
                list(workers.map(compute, list(range(50))))
            n_finished = len(finished)
            time.sleep(0.1)
            assert len(finished) == n_finished < 50


def test_after_an_error_no_thread_goes_on():
    running, lock = set(), threading.Lock()

    def compute(item):
        with lock:
            running.add(item)
        time.sleep(0.001)
        with lock:
            running.remove(item)
        if item == 3:
            raise ZeroDivisionError

    with threadpool_limits(limits=8, user_api="blas"), worker_threads() as workers:
        for _ in range(50):
            with pytest.raises(ZeroDivisionError):
                list(workers.map(compute, list(range(40))))
            assert not running


# Ctrl-C, and signal handlers


def squares(workers):
    return list(workers.map(lambda i: i**2, [0, 1, 2, 3]))


def assert_given_back(n_threads):
    assert set(_threads._blas_threads().values()) == {n_threads}
    assert not _threads._holders
    assert not _threads._numbers
    assert not _threads._is_changing


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_wherever_ctrl_c_comes_blas_gets_its_threads_back(n_threads):
    with threadpool_limits(limits=n_threads, user_api="blas"):
        # Finds the libraries, which are kept.
        with_workers(squares)
        n_moments = 0
        for error in at_every_moment(lambda: with_workers(squares), press_ctrl_c):
            n_moments += 1
            assert type(error) is KeyboardInterrupt
            assert_given_back(n_threads)
        assert with_workers(squares) == [0, 1, 4, 9]
        assert_given_back(n_threads)
    assert n_moments > 50


def test_the_threads_end_wherever_ctrl_c_comes():
    ended = []

    def work(threads, lock):
        try:
            own_work(threads, lock)
        finally:
            ended.append(lock)

    own_work = _threads.WorkerThreads._work
    with threadpool_limits(limits=3, user_api="blas"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(_threads.WorkerThreads, "_work", work)
        n_started = 0
        for _ in at_every_moment(lambda: with_workers(squares), press_ctrl_c, step=3):
            # Those that were not waited for end by themselves.
            give_up = time.monotonic() + 20
            while len(ended) % 2 and time.monotonic() < give_up:
                time.sleep(0.001)
            assert len(ended) % 2 == 0
            n_started = max(n_started, len(ended))
    assert n_started > 50


# Old versions of threadpoolctl look for libraries in a callback from C, which no exception leaves.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored on calling ctypes callback:pytest.PytestUnraisableExceptionWarning"
)
def test_wherever_ctrl_c_comes_openmp_gets_its_threads_back():
    with threadpool_limits(limits=2, user_api="openmp"):
        before = openmp_threads()
        assert set(before) <= {2}
        assert set(with_one_openmp_thread(openmp_threads)) <= {1}
        # The first thousand moments go into looking for the library.
        for _ in at_every_moment(lambda: with_one_openmp_thread(list), press_ctrl_c, step=7):
            assert openmp_threads() == before
        with pytest.raises(KeyError):
            with_one_openmp_thread({}.popitem)
        assert openmp_threads() == before


def test_a_signal_handler_may_use_threads_at_any_moment():
    # In a process of its own: it would wait for itself for ever.
    script = """
        from threadpoolctl import threadpool_limits
        from helpers.moments import at_every_moment
        from skdeepcluster._support import _threads
        from skdeepcluster._support._threads import with_workers
        results = []
        def work(workers):
            return list(workers.map(lambda i: i**2, [0, 1, 2, 3]))
        def handle():
            results.append(with_workers(work))
        with threadpool_limits(limits=2, user_api="blas"):
            with_workers(work)
            for error in at_every_moment(lambda: handle(), handle):
                assert error is None, error
                assert set(_threads._blas_threads().values()) == {2}
                assert not _threads._holders and not _threads._numbers
        assert len(results) > 100 and all(result == [0, 1, 4, 9] for result in results)
        """
    output_of_fork(script)


def test_a_thread_that_starts_late_leaves_blas_alone():
    # Ctrl-C has ended what it was started for.
    with threadpool_limits(limits=2, user_api="blas"):
        threads = worker_threads()
        with threads:
            pass
        lock = threading.Lock()
        lock.acquire()
        threads._tasks.put(None)
        threads._work(lock)
        assert not lock.locked()
        assert set(blas_threads()) == {2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_within_leaves_both_processes_their_threads():
    # The child comes to the end of what it has no threads of.
    script = """
        import os
        from threadpoolctl import threadpool_limits
        from helpers.threads import blas_threads
        from skdeepcluster._support._threads import with_workers
        with threadpool_limits(limits=2, user_api="blas"):
            pid = with_workers(lambda workers: os.fork())
            assert set(blas_threads()) == {2}
            if pid:
                _, status = os.waitpid(pid, 0)
                print(status)
            else:
                os._exit(0)
        """
    assert output_of_fork(script) == "0\n"


def test_ending_twice_is_ending_once():
    with threadpool_limits(limits=2, user_api="blas"):
        first, second = worker_threads(), single_threaded()
        with first, second as one:
            assert one.n_threads == 1
            second.end()
            second.end()
            # The other one holds it still.
            assert set(blas_threads()) == {1}
        first.end()
        assert set(blas_threads()) == {2}


def test_equal_slices_by_hand():
    assert equal_slices(7, 3) == [slice(0, 2), slice(2, 4), slice(4, 7)]
