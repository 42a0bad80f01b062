import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from helpers.threads import blas_threads
from skdeepcluster._threads import Workers, workers


@pytest.fixture(params=[1, 2, 5])
def crew(request):
    with threadpool_limits(limits=request.param, user_api="blas"), workers() as crew:
        assert crew.n_threads == request.param
        yield crew


@pytest.mark.parametrize("n_items", [0, 1, 2, 3, 50])
def test_results_come_in_the_order_of_the_items(crew, n_items):
    assert list(crew.map(lambda i: i**2, list(range(n_items)))) == [i**2 for i in range(n_items)]


def test_few_results_wait_at_a_time():
    with threadpool_limits(limits=3, user_api="blas"), workers() as crew:
        computed, lead = [], []
        for n_taken, _ in enumerate(crew.map(computed.append, list(range(300)))):
            lead.append(len(computed) - n_taken)
        assert max(lead) <= 12


def test_the_work_is_shared():
    with threadpool_limits(limits=2, user_api="blas"), workers() as crew:
        meet = threading.Barrier(2, timeout=20)
        # Passes only if two threads are in it at the same time.
        assert len(list(crew.map(lambda i: meet.wait(), [0, 1]))) == 2


def test_an_error_in_any_task_is_raised(crew):
    for bad in (0, 1, 7):
        with pytest.raises(ZeroDivisionError):
            list(crew.map(lambda i, bad=bad: 1 / (i - bad), list(range(8))))


def test_overflow_does_not_warn_in_any_thread(crew):
    for value in crew.map(lambda i: np.float64(1e308) * 10, list(range(4))):
        assert value == np.inf


def test_blas_has_one_thread_within_and_its_own_number_after():
    with threadpool_limits(limits=2, user_api="blas"):
        with workers():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {2}
        with pytest.raises(KeyError), workers():
            raise KeyError
        assert set(blas_threads()) == {2}


def test_the_last_of_several_at_a_time_gives_the_threads_back():
    # The first to hold BLAS is the first to let go, from another thread than the last.
    first_holds, second_holds, first_is_done = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def first():
        with workers():
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
        with workers() as crew:
            assert crew.n_threads == 1
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
        with threadpool_limits(limits=3, user_api="blas"), workers() as crew:
            finished.clear()
            with pytest.raises(KeyboardInterrupt):
                list(crew.map(compute, list(range(50))))
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

    with threadpool_limits(limits=8, user_api="blas"), workers() as crew:
        for _ in range(50):
            with pytest.raises(ZeroDivisionError):
                list(crew.map(compute, list(range(40))))
            assert not running
