"""What is kept, printed and said of a fit: J and its terms, what went wrong, how it ended."""

import math
import time
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._arrays import namespace
from .._solvers import NotFiniteError, Status
from ..exceptions import CollapsedCodeWarning, InterruptedFitWarning, TrivialReconstructionWarning
from ._problem import TRIVIAL_SHARE

# Least seconds between lines of verbose=1.
_SECONDS_BETWEEN_LINES = 1.0

# How long a stage will take is said once, after so many seconds of it, if at least so many more are to come.
_SECONDS_BEFORE_ESTIMATE, _LEAST_SECONDS_TO_COME = 1.0, 5.0

# Largest standard deviation of a code unit below which the code is called collapsed.
_COLLAPSED_STD = 1e-3


class Curve(NamedTuple):
    """The record of J of a stage, in numbers of Python, which stay here when the arrays of an estimator move elsewhere.

    Attributes
    ----------
    names : tuple of str
        Of the terms.
    terms : list of lists of float
        After every iteration.
    """

    names: tuple
    terms: list

    @classmethod
    def of(cls, names, terms):
        """That of a list of arrays of terms."""
        return cls(tuple(names), np.reshape(terms, (-1, len(names))).tolist())

    def with_record(self, names, terms):
        """A curve with one more record. A term that one of the two does not have is 0 there."""
        all_names = tuple(dict.fromkeys((*self.names, *names)))
        records = [
            *(dict(zip(self.names, record)) for record in self.terms),
            dict(zip(names, np.asarray(terms).tolist())),
        ]
        return Curve(all_names, [[record.get(name, 0.0) for name in all_names] for record in records])

    def array(self):
        """Structured, with J as "loss" and its terms by their names."""
        terms = np.reshape(self.terms, (-1, len(self.names)))
        curve = np.empty(len(terms), dtype=[(name, np.float64) for name in ("loss", *self.names)])
        for name, values in zip(curve.dtype.names, [terms.sum(axis=1), *terms.T]):
            curve[name] = values
        return curve


class Log:
    """Prints J and its terms: about once a second with verbose=1, after every iteration with 2.

    Of a long stage it also says, after the first second, how long it will take.

    Parameters
    ----------
    estimator : estimator
        With the parameter verbose, above 0.
    names : tuple of str
        Of the terms.
    """

    def __init__(self, estimator, names):
        self._estimator_name = type(estimator).__name__
        self._names = [name.replace("_", " ") for name in names]
        self._seconds_between = _SECONDS_BETWEEN_LINES if int(estimator.verbose) == 1 else 0.0
        self._last = -np.inf
        self._n_done = self._max_iter = 0
        self._began = np.inf

    @classmethod
    def of(cls, estimator, names):
        """That of an estimator, or None if it is to be silent."""
        return cls(estimator, names) if estimator.verbose else None

    def begin_stage(self, n_done, max_iter):
        """Take the time from here: of at most max_iter iterations n_done were done before."""
        self._n_done, self._max_iter = n_done, max_iter
        self._began = time.monotonic()

    def __call__(self, what, n_iter, terms):
        """Print the terms after iteration n_iter of what is iterated."""
        now = time.monotonic()
        if now >= self._last + self._seconds_between:
            self._last = now
            parts = " + ".join(f"{value:.6g} ({name})" for value, name in zip(terms, self._names))
            print(f"[{self._estimator_name}] {what} {n_iter}: J = {np.sum(terms):.6g} = {parts}")
        if now >= self._began + _SECONDS_BEFORE_ESTIMATE:
            self._estimate(what, n_iter, (now - self._began) / (n_iter - self._n_done))
            self._began = np.inf

    def _estimate(self, what, n_iter, seconds):
        to_come = (self._max_iter - n_iter) * seconds
        if to_come >= _LEAST_SECONDS_TO_COME:
            print(
                f"[{self._estimator_name}] {what} {n_iter}: {seconds:.2g} s each, about {_duration(to_come)} more "
                f"if all {self._max_iter} are needed"
            )


def _duration(seconds):
    """In words, to about two digits."""
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.2g} {name}" if seconds < 10 * unit else f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"


@contextmanager
def explained_overflow(data, options):
    """Lets what overflows show as a loss that is not finite, and explains that in a ValueError."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except NotFiniteError as error:
        raise ValueError(
            f"The loss stopped being finite ({error}). The likely cause is the scale of X, whose largest absolute "
            f"value is {data.largest:.3g}: standardise it, for instance with "
            f"sklearn.preprocessing.StandardScaler. Otherwise lower beta={options.beta}, lam={options.lam} or, with "
            f"Adam, learning_rate_init={options.learning_rate_init}."
        ) from error


def has_collapsed(code_variance):
    """Whether no unit of the code varies over rows, given their variances."""
    return _largest_deviation(code_variance) < _COLLAPSED_STD


def _largest_deviation(code_variance):
    return math.sqrt(float(namespace(code_variance).max(code_variance)))


def warn_if_useless(data, code_variance, share_of_trivial_error, options):
    """Warn if no unit of the code varies over rows, one row alone cannot, or if the reconstruction is the mean row.

    Parameters
    ----------
    data : DataSource
    code_variance : ndarray of shape (n_components,)
    share_of_trivial_error : float
        See `Problem`.
    options : TrainingOptions
    """
    if data.shape[0] > 1 and has_collapsed(code_variance):
        _warn_of_collapse(data, code_variance, options)
    elif share_of_trivial_error > TRIVIAL_SHARE:
        _warn_of_trivial_reconstruction(share_of_trivial_error, options)


def _remedies(options):
    """What makes a code differ more between rows, most likely first."""
    rho, beta, lam, has_neighbors = options.rho, options.beta, options.lam, options.n_neighbors is not None
    most = "" if has_neighbors else ", which weighs most here"
    return [
        "standardise X if it is not",
        *([f"lower neighbor_weight={options.neighbor_weight}"] if has_neighbors else []),
        *([f"lower lam={lam}{most}"] if lam > 0 else []),
        *([f"lower beta={beta}"] if beta > 0 else []),
        *([f"move rho={rho} nearer to 0.5"] if beta > 0 and rho != 0.5 else []),
    ]


def _warn_of_trivial_reconstruction(share, options):
    # With neighbours tol ends nothing.
    ends_by_tol = options.tol > 0 and options.n_neighbors is None
    longer = "with a larger max_iter" + (f" and tol=0 in place of tol={options.tol}" if ends_by_tol else "")
    warnings.warn(
        "The reconstruction is hardly better than the mean row of X, or worse: its squared error is "
        f"{100 * share:.3g} % of that row's. The code tells little of X. In this order: train longer, "
        f"{longer}; {'; '.join(_remedies(options))}; raise n_components.",
        TrivialReconstructionWarning,
    )


def _warn_of_collapse(data, code_variance, options):
    if not data.rows_differ:
        cause = "All rows of X are the same."
    else:
        cause = f"In this order: {'; '.join(_remedies(options))}."
    warnings.warn(
        "The code has collapsed, it hardly differs between rows: the unit that varies most has a standard "
        f"deviation of {_largest_deviation(code_variance):.1e}. {cause}",
        CollapsedCodeWarning,
    )


def warn_about_end(status, message, options):
    """Warn if training ended otherwise than planned."""
    if status == Status.INTERRUPTED:
        warnings.warn(
            "Training was interrupted: the estimator has the parameters up to then, those best on held-out rows with "
            "early_stopping. To go on from them, fit with warm_start=True. A fit with a "
            "skdeepcluster.callbacks.Checkpoint goes on from its file when it is started again as it was.",
            InterruptedFitWarning,
        )
    elif message:
        rule = "iterations lowered the loss by no more than tol={} of itself each, on average over n_iter_no_change={}"
        if options.early_stopping:
            rule = "the error on held-out rows fell by no more than tol={} of itself in n_iter_no_change={} iterations"
        warnings.warn(
            f"L-BFGS stopped before {rule.format(options.tol, options.n_iter_no_change)}: {message}. Raise max_iter or "
            "tol, and standardise X if it is not.",
            ConvergenceWarning,
        )
