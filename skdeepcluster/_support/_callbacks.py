"""scikit-learn's callbacks, in the versions that have them: 1.9 and newer. Nothing else depends on the version."""

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


__all__ = ["CallbackSupportMixin", "FitTasks"]


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
