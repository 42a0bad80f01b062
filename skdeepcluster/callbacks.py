"""Callbacks for `fit`, in the manner of scikit-learn 1.9 and newer."""

import time
from numbers import Integral
from pathlib import Path

from ._checkpoint import fit_identity, read_checkpoint, write_checkpoint

__all__ = ["Checkpoint"]


class Checkpoint:
    """Writes the state of a fit to a file, from which a fit that was cut off goes on.

    If the file exists when `fit` begins, `fit` goes on from it, to the same result, to the last bit, as if it had never
    been cut off: moments of Adam, steps and gradient changes of L-BFGS, the state of the random numbers and the curves
    are all there. The file is removed when the fit has come to its end. An interrupt by Ctrl-C is no end.

    It needs scikit-learn 1.9 or newer, whose callbacks it is one of. One path serves one fit at a time: not the fits of
    a search.

    Parameters
    ----------
    path : str or path-like
        The file. Its folder must exist. While a new state is written, ``path + ".tmp"`` has it; it replaces the old one
        when it is complete.
    interval : float, default=60.0
        Least seconds between two writes. With 0 there is one after every iteration or epoch.

    Raises
    ------
    ValueError
        In `fit`, if the file is damaged, or was written by a fit with other parameters or other data; or with
        ``early_stopping=True`` and no integer as random_state, as the held-out rows would be others.
    TypeError
        In `fit`, if the estimator is not one of skdeepcluster's.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.callbacks import Checkpoint
    >>> X = StandardScaler().fit_transform(load_iris().data)
    >>> path = Path(tempfile.mkdtemp()) / "iris.checkpoint"
    >>> model = SparseAutoencoderTransformer(8, random_state=0)
    >>> try:
    ...     model = model.set_callbacks(Checkpoint(path)).fit(X)
    ... except ImportError:  # scikit-learn before 1.9
    ...     model = model.fit(X)
    >>> path.exists()
    False
    """

    def __init__(self, path, *, interval=60.0):
        self.path = path
        self.interval = interval

    def setup(self, estimator, context):
        """Go on from the file, if there is one."""
        run = getattr(estimator, "_run", None)
        if run is None:
            raise TypeError(
                f"Checkpoint is a callback for the estimators of skdeepcluster, not for {type(estimator).__name__}. "
                "In a pipeline, set it on the step."
            )
        if estimator.early_stopping and not isinstance(estimator.random_state, Integral):
            raise ValueError(
                f"With early_stopping=True, Checkpoint needs an int as random_state, not {estimator.random_state!r}: "
                "a fit that goes on must hold out the same rows."
            )
        self._identity = fit_identity(estimator, *run.data)
        self._last_write = time.monotonic()
        path = Path(self.path)
        if path.exists():
            state, identity = read_checkpoint(path)
            different = [
                f"{name}: {identity.get(name)} there, {value} here"
                for name, value in self._identity.items()
                if identity.get(name) != value
            ]
            if different:
                raise ValueError(
                    f"{path} was written by a fit of something else ({'; '.join(different)}). Fit that, or delete the "
                    "file to start afresh."
                )
            run.state = state

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Write the state after an iteration, remove it after the fit."""
        path = Path(self.path)
        if context.task_name == "iteration":
            if time.monotonic() - self._last_write >= self.interval:
                write_checkpoint(path, estimator._run.state, self._identity)
                self._last_write = time.monotonic()
        elif estimator._run.status != "interrupted":
            path.unlink(missing_ok=True)

    def teardown(self, estimator, context):
        """Do nothing."""
