"""scikit-learn's callbacks, in the versions that have them: 1.9 and newer. Nothing else depends on the version."""

from contextlib import contextmanager, nullcontext

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:
        """Stands in for scikit-learn's."""

        def set_callbacks(self, *callbacks):
            """Raise an ImportError: there are no callbacks."""
            raise ImportError("Callbacks need scikit-learn 1.9 or newer: pip install --upgrade scikit-learn.")

        def _init_callback_context(self, **task):
            return _NoContext()

    class _NoContext:
        def subcontext(self, **task):
            return self

        def call_on_fit_task_begin(self, **arguments):
            return self

        def call_on_fit_task_end(self, **arguments):
            return False


__all__ = ["NO_TASK", "CallbackSupportMixin", "FitTasks", "SearchTasks"]


class FitTasks:
    """The tasks of a fit, an iteration each, as scikit-learn's callbacks see them.

    Parameters
    ----------
    estimator : estimator with callback support
    X : ndarray or CSR of shape (n_rows, n_features)
        The training data, which are their own target.
    sample_weight : ndarray of shape (n_rows,) or None
    max_iter : int
        Largest number of iterations.
    """

    def __init__(self, estimator, X, sample_weight, max_iter):
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._arguments = {"estimator": estimator, "X": X, "y": X, "metadata": metadata}
        self._fit = estimator._init_callback_context(max_subtasks=max_iter)
        self._fit.call_on_fit_task_begin(**self._arguments)
        self._iteration = None

    def watch(self, iterations):
        """The iterations, each begun as a task.

        A task begins before its iteration is computed. Where a solver has no further one, the task that has begun is
        that of the next solver's first iteration, or `end` ends it without results.
        """
        while True:
            if self._iteration is None:
                self._iteration = self._fit.subcontext(task_name="iteration")
                self._iteration.call_on_fit_task_begin(**self._arguments)
            try:
                yield next(iterations)
            except StopIteration:
                return

    def end_iteration(self, fitted_attributes):
        """End the task; whether a callback asks to stop. `fitted_attributes` is called if a callback uses them."""
        task, self._iteration = self._iteration, None
        return task.call_on_fit_task_end(**self._arguments, reconstruction_attributes=fitted_attributes)

    def end(self, fitted_attributes):
        """End the fit."""
        if self._iteration is not None:
            self._iteration.call_on_fit_task_end(estimator=self._arguments["estimator"])
        self._fit.call_on_fit_task_end(**self._arguments, reconstruction_attributes=fitted_attributes)


class SearchTasks:
    """The tasks of a search, as scikit-learn's callbacks see them: the fits of steps, and the refit.

    Without callbacks there are none, and nothing of the search goes to other processes.

    Parameters
    ----------
    search : estimator with callback support
    X, y
        What it is fitted to.
    has_refit : bool
        Whether the best candidate is fitted again.
    """

    def __init__(self, search, X, y, has_refit):
        self._search, self._arguments = search, {"estimator": search, "X": X, "y": y}
        self._root = self._fits = None
        if getattr(search, "_skl_callbacks", ()):
            self._root = search._init_callback_context(max_subtasks=1 + has_refit)
            self._root.call_on_fit_task_begin(**self._arguments)

    def begin_fits(self, names):
        """A task for each fit of a step, which may be fitted in any order, and in other processes."""
        if self._root is None:
            return [NO_TASK] * len(names)
        # The contexts are made ahead of time: an estimator that is being pickled must not change.
        self._fits = self._root.subcontext(task_name="search", max_subtasks=len(names), sequential_subtasks=False)
        self._fits.call_on_fit_task_begin(estimator=self._search)
        return [
            StepTask(self._fits.subcontext(task_name=name, task_id=i), self._search) for i, name in enumerate(names)
        ]

    def end_fits(self):
        """End what `begin_fits` began."""
        if self._root is not None:
            self._fits.call_on_fit_task_end(estimator=self._search)

    def refit(self):
        """The task of the refit."""
        if self._root is None:
            return NO_TASK
        return StepTask(self._root.subcontext(task_name="refit-with-best-params"), self._search)

    def end(self):
        """End the fit."""
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._arguments)


class StepTask:
    """The task of one fit in a search."""

    def __init__(self, context, search):
        self._context, self._search = context, search

    @contextmanager
    def around(self, estimator, X, y):
        """Begin the task, with the callbacks that spread passed on to the estimator that is fitted, and end it."""
        arguments = {"estimator": self._search, "X": X, "y": y}
        # A frozen estimator, which lends the methods of what it holds, runs no fit, and would leave its task open.
        has_support = isinstance(estimator, CallbackSupportMixin)
        try:
            with self._context.propagate_callback_context(estimator) if has_support else nullcontext():
                self._context.call_on_fit_task_begin(**arguments)
                yield
        finally:
            self._context.call_on_fit_task_end(**arguments)


class _NoTask:
    def around(self, estimator, X, y):
        return nullcontext()


NO_TASK = _NoTask()
