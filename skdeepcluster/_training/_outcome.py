"""What comes of training an autoencoder: the fitted attributes, and warnings about them."""

import numpy as np

from ._autoencoder_fit import pass_over_chunk
from ._fit import run_fit
from ._plan import LEAST_STEPS, TrainingOptions
from ._report import explained_overflow, warn_about_end, warn_if_useless


def fit_and_keep(estimator, fit):
    """Run an `AutoencoderFit`, and give the estimator what comes of it."""

    def keep(theta):
        if not _keep(estimator, fit.problem(None), theta, fit.attributes(theta), fit.data):
            fit.interrupt()
        warn_about_end(fit.status, fit.message, fit.options)

    run_fit(estimator, fit, keep)


def fit_chunk_and_keep(estimator, data):
    """Go on by one pass over a chunk, and give the estimator what comes of it; returns what the next goes on from."""
    with explained_overflow(data, TrainingOptions.of(estimator)):
        problem, theta, attributes, adam = pass_over_chunk(estimator, data)
        is_early = adam[0].n_steps < LEAST_STEPS
        if not _keep(estimator, problem, theta, attributes, data, is_early=is_early):
            raise KeyboardInterrupt
    return adam


def _keep(estimator, problem, theta, attributes, data, *, is_early=False):
    """Set the fitted attributes; whether all of them could be computed before the user interrupted.

    is_early says that nobody would expect a good reconstruction yet.
    """
    vars(estimator).pop("validation_scores_", None)
    vars(estimator).update(attributes)
    estimator.loss_ = np.nan
    estimator.mean_activation_ = data.placed(np.full(problem.objectives.exact.network.n_components, np.nan))
    try:
        terms = problem.terms(theta)
        estimator.loss_ = float(np.sum(terms))
        estimator.mean_activation_, variance = data.code_moments(estimator._encoder_layers)
        share = 0.0 if is_early else problem.share_of_trivial_error(terms)
    except KeyboardInterrupt:
        return False
    warn_if_useless(data, variance, share, TrainingOptions.of(estimator))
    return True
