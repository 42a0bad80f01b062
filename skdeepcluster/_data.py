"""Training data, as those who train see them: what is computed from all rows."""

from functools import partial

import numpy as np
from scipy.sparse import issparse

from ._evaluation import FullBatch, MiniBatch, mean_squared_error
from ._network import propagate
from ._pretraining import outputs_of
from ._rows import hold_out, shuffled_batches
from ._solvers import adam
from ._validation import code_moments


class DataInMemory:
    """Rows in the memory of this process, or in a file that is mapped.

    `skdeepcluster.dask` has data of another kind, with the same methods.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_features), float32 or float64
    sample_weight : ndarray of shape (n_rows,) or None
        Of mean 1.
    workers : Workers
    """

    # Whether they are there for as long as this process.
    is_local = True

    def __init__(self, X, sample_weight, workers):
        self.X = X
        self.sample_weight = sample_weight
        self._workers = workers

    @property
    def shape(self):
        return self.X.shape

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def is_sparse(self):
        return issparse(self.X)

    @property
    def largest(self):
        """The largest absolute value."""
        return max(self.X.max(), -self.X.min())

    @property
    def rows_differ(self):
        """Whether there are two rows that are not the same."""
        ranges = self.X.max(axis=0) - self.X.min(axis=0)
        return bool(ranges.nnz if self.is_sparse else ranges.any())

    def full_batch(self, objective):
        """J and its gradient as a function of the objective's theta: a `FullBatch`."""
        return FullBatch(objective, self.X, self.sample_weight, self._workers)

    def epochs(self, objective, state, options, random_state, n_epochs=None):
        """Generate (state, terms) after every epoch of Adam from an `AdamState`, which is overwritten.

        The step falls linearly to zero in n_epochs; None means that it stays.
        """
        batch_size = min(options.batch_size, self.shape[0])
        n_steps = np.inf if n_epochs is None else n_epochs * -(-self.shape[0] // batch_size)
        batch = MiniBatch(
            objective,
            self._workers,
            augment=options.augment,
            corruption=options.corruption,
            random_state=random_state,
        )
        order = random_state if options.shuffle else None
        return adam(
            batch,
            state,
            batches=partial(shuffled_batches, self.X, self.sample_weight, batch_size, order),
            step_size=lambda step: options.learning_rate_init * (1 - step / n_steps),
            map_=self._workers.map,
        )

    def outputs_of(self, *layers):
        """The data that layers, (coefs, intercepts, activations), make of these, with the same weights."""
        return DataInMemory(outputs_of(self.X, *layers), self.sample_weight, self._workers)

    def mean_squared_error(self, *layers):
        """Weighted mean over rows, and mean over features, of (h(x) - x)^2, for all layers of an autoencoder."""
        return mean_squared_error(self.X, self.sample_weight, *layers, self._workers.map)

    def code_moments(self, *layers):
        """Weighted mean and variance over rows of every output of layers, shape (n_units,) each."""
        return code_moments(self.X, self.sample_weight, lambda rows: propagate(rows, *layers)[-1])

    def hold_out(self, fraction, random_state):
        """Data with a fraction of the rows set aside, and data of these."""
        parts = hold_out(self.X, self.sample_weight, fraction, random_state)
        return tuple(DataInMemory(*part, self._workers) for part in parts)
