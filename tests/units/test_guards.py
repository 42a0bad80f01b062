import threading
from types import SimpleNamespace

import pytest

from helpers.moments import at_every_moment, press_ctrl_c
from skdeepcluster._support import _guards
from skdeepcluster._support._guards import while_no_other_fits, with_cleanup


def test_a_cleanup_is_done_wherever_ctrl_c_comes():
    state = {"is_open": False}

    def call():
        with_cleanup(lambda: state.update(is_open=True), clean_up)

    def clean_up():
        len(state)
        state["is_open"] = False

    n_moments = 0
    for error in at_every_moment(call, press_ctrl_c):
        n_moments += 1
        assert type(error) is KeyboardInterrupt
        assert not state["is_open"]
    # call, with_cleanup, lambda, update, and clean_up and len twice.
    assert n_moments == 8


def test_the_result_or_the_error_of_the_work_comes_through():
    done = []
    assert with_cleanup(lambda: 5, lambda: done.append(1)) == 5
    with pytest.raises(ZeroDivisionError):
        with_cleanup(lambda: 1 / 0, lambda: done.append(1))
    assert len(done) == 4


def test_the_mark_of_a_fit_is_gone_wherever_ctrl_c_comes():
    estimator = SimpleNamespace()
    n_moments = 0
    for error in at_every_moment(lambda: while_no_other_fits(estimator, lambda: len("fit")), press_ctrl_c):
        n_moments += 1
        assert type(error) is KeyboardInterrupt
        assert not _guards._running
        assert while_no_other_fits(estimator, lambda: "fitted") == "fitted"
    assert n_moments > 8


def test_a_second_fit_is_refused_and_the_first_goes_on():
    class Model:
        pass

    estimator, other, errors = Model(), Model(), []

    def fit_again():
        try:
            while_no_other_fits(estimator, list)
        except RuntimeError as error:
            errors.append(str(error))

    def fit():
        fit_again()
        thread = threading.Thread(target=fit_again)
        thread.start()
        thread.join()
        # Nothing of it is in the estimator, which can be copied.
        assert vars(estimator) == {}
        return while_no_other_fits(other, lambda: "another one")

    assert while_no_other_fits(estimator, fit) == "another one"
    within, by_thread = errors
    assert within.startswith("This Model is being fitted, and was to be fitted again from within: by a callback")
    assert by_thread.startswith("This Model is being fitted by another thread")
    assert "Fit a clone in each thread: sklearn.base.clone(estimator).fit(X)." in by_thread
    assert while_no_other_fits(estimator, lambda: "again") == "again"
