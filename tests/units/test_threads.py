import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from helpers.threads import blas_threads
from skdeepcluster._support._threads import Workers, equal_slices, worker_threads


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


def test_equal_slices_by_hand():
    assert equal_slices(7, 3) == [slice(0, 2), slice(2, 4), slice(4, 7)]
