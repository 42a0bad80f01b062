"""A callback that records."""

import pickle


class Recorder:
    """Records what it is called with; asks to stop, or raises an error, at a given iteration."""

    def __init__(self, stop_at=None, raise_at=None, error=RuntimeError):
        self.stop_at, self.raise_at, self.error = stop_at, raise_at, error
        self.events, self.estimators, self.arguments = [], [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name}")
        if fitted_estimator is not None:
            pickle.dumps(fitted_estimator.set_callbacks())
        if context.task_name == "iteration" and fitted_estimator is not None:
            self.estimators.append(fitted_estimator)
            self.arguments.append((X, y, metadata))
            if len(self.estimators) == self.raise_at:
                raise self.error
        return len(self.estimators) == self.stop_at

    def teardown(self, estimator, context):
        self.events.append("teardown")
