"""The problems of the benchmarks, and our side of them."""

from contextlib import contextmanager

import numpy as np

from skdeepcluster._evaluation import FullBatch, MiniBatch
from skdeepcluster._network import Network
from skdeepcluster._objectives import LinearDecoderObjective, SparseAutoencoderObjective
from skdeepcluster._parameters import ParameterLayout, initial_parameters
from skdeepcluster._rows import shuffled_batches
from skdeepcluster._solvers import AdamState, adam_epoch
from skdeepcluster._threads import workers

# rho, beta, lam of the MNIST problem, and its hidden units.
MNIST_PROBLEM = (0.1, 3.0, 3e-3)
MNIST_UNITS = 196


class Problem:
    """A network with one hidden layer, random start included, on data X."""

    def __init__(self, X, n_components, hyperparameters):
        self.X = X
        self.hyperparameters = dict(zip(("rho", "beta", "lam"), hyperparameters))
        d = X.shape[1]
        self.network = Network((d, n_components, d), ("logistic", "identity"), 1)
        self.layout = ParameterLayout(self.network.layer_sizes)
        self.theta = initial_parameters(self.layout, np.random.RandomState(0), X.dtype)

    def residual(self):
        return SparseAutoencoderObjective(self.network, **self.hyperparameters)

    def linear(self, projected):
        return LinearDecoderObjective(self.network, **self.hyperparameters, projected=projected)

    def theta_of(self, objective):
        """The start for an objective, which may have its output layer projected out."""
        n_layers = objective.layout.n_layers
        coefs, intercepts = self.layout.unpack(self.theta)
        return objective.layout.pack(coefs[:n_layers], intercepts[:n_layers])

    def evaluation(self, objective):
        """A contestant: one evaluation of J and its gradient on all rows."""

        @contextmanager
        def contestant():
            with workers() as crew:
                full_batch, theta = FullBatch(objective, self.X, None, crew), self.theta_of(objective)
                yield lambda: full_batch(theta)

        return contestant

    def torch_arguments(self):
        """X and the start as PyTorch takes them."""
        import _torch

        return _torch.tensors(self.X, *self.layout.unpack(self.theta))


class AdamRun:
    """Our Adam, an epoch at a time, as `Trainer` runs it."""

    def __init__(self, problem, *, step_size, n_epochs, batch_size=256):
        self.problem, self.batch_size = problem, batch_size
        self.state = AdamState.start(problem.theta)
        self.random_state = np.random.RandomState(0)
        n_steps = n_epochs * -(-len(problem.X) // batch_size)
        self.schedule = lambda step: step_size * (1 - step / n_steps)

    def epoch(self):
        batches = shuffled_batches(self.problem.X, None, self.batch_size, self.random_state)
        with workers() as crew:
            function = MiniBatch(self.problem.residual(), crew)
            self.state, _ = adam_epoch(function, self.state, batches, self.schedule, crew.map)
