"""The problems of the benchmarks, and our side of them."""

import time
from contextlib import contextmanager
from functools import partial

import numpy as np

from skdeepcluster._data import DataInMemory
from skdeepcluster._evaluation import FullBatch, MiniBatch
from skdeepcluster._network import mirrored_network
from skdeepcluster._objectives import LinearDecoderObjective, SparseAutoencoderObjective
from skdeepcluster._parameters import ParameterLayout, initial_parameters
from skdeepcluster._rows import shuffled_batches
from skdeepcluster._solvers import AdamState, adam
from skdeepcluster._threads import workers
from skdeepcluster._training import Stage, Trainer, TrainingOptions

# rho, beta, lam of the MNIST problem, and its hidden units.
MNIST_PROBLEM = (0.1, 3.0, 3e-3)
MNIST_UNITS = 196


# The deep network of the literature on MNIST, and its rho, beta and lam.
DEEP_LAYERS, DEEP_UNITS = (500, 500, 2000), 10
DEEP_PROBLEM = (0.5, 0.0, 1e-5)


class Problem:
    """A network, random start included, on data X: one logistic layer, or layers of relu and a linear code."""

    def __init__(self, X, n_components, hyperparameters, hidden_layer_sizes=()):
        self.X = X
        self.hyperparameters = dict(zip(("rho", "beta", "lam"), hyperparameters))
        self.network = mirrored_network(
            X.shape[1],
            hidden_layer_sizes,
            n_components,
            activation="relu",
            code_activation="identity" if hidden_layer_sizes else "logistic",
            output_activation="identity",
            tied=False,
        )
        self.layout = ParameterLayout(self.network.layer_sizes)
        self.theta = initial_parameters(self.layout, self.network.activations, np.random.RandomState(0), X.dtype)

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

    def torch_objective(self, X, parameters, *hyperparameters):
        """J in PyTorch."""
        import _torch

        return _torch.objective(X, parameters, self.network.activations, *hyperparameters)

    def trace(self, solver, theta=None, *, max_iter, step_size=0.01, until=lambda seconds, value: False):
        """[(seconds, J), ...] after every iteration, as `Trainer` runs it until ``until(*trace[-1])``, and theta."""
        trace = []
        options = TrainingOptions(**self.hyperparameters, tol=0, learning_rate_init=step_size)
        with workers() as crew:
            trainer = Trainer(self.network, DataInMemory(self.X, None, crew), options, np.random.RandomState(0))
            start = time.perf_counter()

            def callback(state, terms, theta):
                trace.append((time.perf_counter() - start, terms.sum()))
                return "enough" if until(*trace[-1]) else None

            stage = Stage(solver, max_iter, tol=0)
            result = trainer.run(stage, self.theta if theta is None else theta, watch=iter, callback=callback)
        return trace, result.x


class AdamRun:
    """Our Adam, an epoch at a time, as `Trainer` runs it."""

    def __init__(self, problem, *, step_size, n_epochs, batch_size=256):
        self.problem, self.batch_size = problem, batch_size
        self.state = AdamState.start(problem.theta)
        self.random_state = np.random.RandomState(0)
        n_steps = n_epochs * -(-len(problem.X) // batch_size)
        self.schedule = lambda step: step_size * (1 - step / n_steps)

    def epoch(self):
        batches = partial(shuffled_batches, self.problem.X, None, self.batch_size, self.random_state)
        with workers() as crew:
            function = MiniBatch(self.problem.residual(), crew)
            iterations = adam(function, self.state, batches=batches, step_size=self.schedule, map_=crew.map)
            self.state, _ = next(iterations)
