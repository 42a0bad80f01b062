"""What holds for the time of a call, and ends with it wherever Ctrl-C comes."""

import os
from functools import partial
from threading import get_ident

# The fits that run: id of the estimator -> its `_Running`.
_running: dict[int, "_Running"] = {}


class _Running:
    """A fit that runs, in a thread."""

    def __init__(self):
        self.thread = get_ident()


def with_cleanup(work, clean_up):
    """``work()``, and ``clean_up()`` whatever happens meanwhile; clean_up must be repeatable.

    An interrupt may come at the beginning of any Python function: of a clean-up, of `__exit__`, of what `contextlib`
    puts around a generator. A with block is then left without its end. Here the clean-up comes a second time.
    """
    try:
        try:
            return work()
        finally:
            clean_up()
    finally:
        clean_up()


def while_no_other_fits(estimator, work):
    """``work()``, unless a fit of this very estimator runs already.

    Raises
    ------
    RuntimeError
        If another thread fits it, or this one, which has come here from a callback, `augment` or a signal handler.
    """
    own, key = _Running(), id(estimator)

    def claimed():
        # One step, also where several threads are at it.
        other = _running.setdefault(key, own)
        if other is own:
            return work()
        name = type(estimator).__name__
        if other.thread != own.thread:
            raise RuntimeError(
                f"This {name} is being fitted by another thread, and would get attributes of both fits. Fit a clone "
                "in each thread: sklearn.base.clone(estimator).fit(X)."
            )
        raise RuntimeError(
            f"This {name} is being fitted, and was to be fitted again from within: by a callback, augment or a signal "
            "handler. Fit a clone there: sklearn.base.clone(estimator).fit(X)."
        )

    return with_cleanup(claimed, partial(_let_go, key, own))


def _let_go(key, own):
    if _running.get(key) is own:
        del _running[key]


if hasattr(os, "register_at_fork"):
    # In a forked process the other threads, and their fits, do not exist.
    os.register_at_fork(after_in_child=_running.clear)
