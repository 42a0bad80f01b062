"""Training: which objective and which solver a data set takes."""

from functools import partial

from scipy.optimize import OptimizeResult
from scipy.sparse import issparse

from ._evaluation import FullBatch, MiniBatch
from ._objectives import LinearDecoderObjective, SparseAutoencoderObjective
from ._parameters import ParameterLayout
from ._rows import shuffled_batches
from ._solvers import adam_epoch, minimize_adam, minimize_lbfgs

# What max_iter=None means.
_LBFGS_ITERATIONS, _ADAM_EPOCHS = 300, 20

# solver="auto" starts with Adam from so many rows and code units on, for so many epochs.
_AUTO_ROWS, _AUTO_UNITS, _AUTO_EPOCHS = 25_000, 100, 8


class Trainer:
    """Minimises J of a network on one data set. Every theta is that of the whole network.

    Parameters
    ----------
    network : Network
    X : ndarray or CSR of shape (n_rows, n_features), float32 or float64
    sample_weight : ndarray of shape (n_rows,) or None
        Of mean 1.
    workers : Workers
    rho, beta, lam : float
        As in `SparseAutoencoderObjective`.
    """

    def __init__(self, network, X, sample_weight, workers, *, rho, beta, lam):
        self._X = X
        self._sample_weight = sample_weight
        self._workers = workers
        self._layout = ParameterLayout(network.layer_sizes)
        # Python's floats: NumPy's would make float32 arrays compute in float64.
        parameters = {"rho": float(rho), "beta": float(beta), "lam": float(lam)}
        dense_objective = SparseAutoencoderObjective(network, **parameters)
        # L-BFGS minimises the first, Adam the second; the third is J of given parameters. Where X is dense, the
        # residual makes the second cheaper and the third more exact in float32.
        self._reduced = self._on_batches = self._whole = dense_objective
        if network.activations[-1] == "identity":
            self._reduced = LinearDecoderObjective(network, **parameters, projected=True)
            if issparse(X):
                self._on_batches = self._whole = LinearDecoderObjective(network, **parameters, projected=False)

    def minimize(self, theta, *, solver, warm, max_iter, tol, n_iter_no_change, callback, **batch_options):
        """Minimise J from theta.

        Parameters
        ----------
        theta : ndarray
            Start.
        solver : {"auto", "lbfgs", "adam"}
        warm : bool
            Whether theta is better than random: then "auto" is "lbfgs", as the first steps of Adam would lose it.
        max_iter : int or None
            Iterations of L-BFGS, or epochs of Adam where it is the only solver.
        tol, n_iter_no_change, callback
            As in the solvers.
        **batch_options
            batch_size, step_size and random_state, for Adam.

        Returns
        -------
        result : scipy.optimize.OptimizeResult
            With ``x``, ``success`` and ``message``. Adam ends when its steps have fallen to zero, which is success.
        """
        stopping = {"n_iter_no_change": n_iter_no_change, "callback": callback}
        if solver == "adam":
            x = self._adam(theta, max_iter=max_iter or _ADAM_EPOCHS, tol=tol, **stopping, **batch_options)
            return OptimizeResult(x=x, success=True, message="")
        if solver == "auto" and self._is_large() and not warm:
            theta = self._adam(theta, max_iter=_AUTO_EPOCHS, tol=0, **stopping, **batch_options)
        return self._lbfgs(theta, max_iter=max_iter or _LBFGS_ITERATIONS, tol=tol, **stopping)

    def adam_pass(self, state, *, batch_size, step_size, random_state):
        """Go on from an `AdamState` by one epoch with a constant step; returns the new state and the mean of J."""
        return adam_epoch(
            MiniBatch(self._on_batches, self._workers),
            state,
            shuffled_batches(self._X, self._sample_weight, batch_size, random_state),
            lambda n_steps: step_size,
            self._workers.map,
        )

    def loss_and_activations(self, theta):
        """J of all rows, exactly, and the mean activations of the units that the KL term constrains."""
        return self._full_batch(self._whole).value_and_activations(theta)

    def _is_large(self):
        """Whether Adam gets ahead of L-BFGS at first: docs/performance.md has the study."""
        n_rows, n_units = self._X.shape[0], min(self._layout.layer_sizes)
        return n_rows >= _AUTO_ROWS and n_units >= _AUTO_UNITS and not issparse(self._X)

    def _lbfgs(self, theta, **options):
        """L-BFGS on the layers that are not projected out."""
        full_batch = self._full_batch(self._reduced)
        layout = self._reduced.layout
        coefs, intercepts = self._layout.unpack(theta)
        result = minimize_lbfgs(
            full_batch, layout.pack(coefs[: layout.n_layers], intercepts[: layout.n_layers]), **options
        )
        result.x = self._layout.pack(*full_batch.parameters(result.x))
        return result

    def _adam(self, theta, *, batch_size, random_state, **options):
        """Adam with a step that falls to zero over the run; returns the parameters."""
        return minimize_adam(
            MiniBatch(self._on_batches, self._workers),
            theta,
            batches=partial(shuffled_batches, self._X, self._sample_weight, batch_size, random_state),
            n_batches=-(-self._X.shape[0] // batch_size),
            map_=self._workers.map,
            **options,
        ).x

    def _full_batch(self, objective):
        return FullBatch(objective, self._X, self._sample_weight, self._workers)
