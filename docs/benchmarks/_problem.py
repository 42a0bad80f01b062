"""The problems of the benchmarks, and our side of them."""

import time
from contextlib import contextmanager
from functools import partial
from itertools import islice
from operator import attrgetter

import numpy as np

from skdeepcluster import _training
from skdeepcluster._arrays import like, numpy_dtype
from skdeepcluster._data import BatchOrder, DataInMemory, FullBatchLoss, MiniBatchLoss, n_batches_of
from skdeepcluster._data._batches import pass_of_neighborhoods
from skdeepcluster._network import initial_parameters, mirrored_network
from skdeepcluster._objectives import Block, LinearDecoderObjective, SparseAutoencoderObjective, choose_objectives
from skdeepcluster._solvers import AdamState, Status, adam, minimize
from skdeepcluster._support._threads import with_workers, worker_threads

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
        self.layout = self.network.layout
        self.theta = like(initial_parameters(self.network, np.random.RandomState(0), numpy_dtype(X)), X)

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
            with worker_threads() as workers:
                full_batch, theta = FullBatchLoss(objective, Block(self.X), workers), self.theta_of(objective)
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
        """[(seconds, J), ...] after every iteration of a stage, until ``until(*trace[-1])``, and theta."""
        trace = []
        options = _training.TrainingOptions(**self.hyperparameters, tol=0, learning_rate_init=step_size)
        objectives = choose_objectives(self.network, options.hyperparameters, is_sparse=False)
        stage = _training.Stage(solver, max_iter, tol=0)
        with worker_threads() as workers:
            problem = _training.Problem(
                objectives, DataInMemory(self.X, None, workers), options, np.random.RandomState(0)
            )
            start = time.perf_counter()

            def callback(state, terms):
                trace.append((time.perf_counter() - start, terms.sum()))
                return Status.STOPPED if until(*trace[-1]) else None

            iterations, state, theta_of = problem.iterations(stage, self.theta if theta is None else theta)
            result = minimize(iterations, state, max_iter=max_iter, tol=0, n_iter_no_change=1, callback=callback)
            return trace, theta_of(result.state)


class AdamRun:
    """Our Adam, an epoch at a time, as a fit runs it."""

    def __init__(self, problem, *, step_size, n_epochs, batch_size=256):
        self.problem, self.n_epochs = problem, n_epochs
        self.state = AdamState.start(problem.theta)
        self.random_state = np.random.RandomState(0)
        self.options = _training.TrainingOptions(
            **problem.hyperparameters, batch_size=batch_size, learning_rate_init=step_size
        )

    def epoch(self):
        def of(workers):
            data, objective = DataInMemory(self.problem.X, None, workers), self.problem.residual()
            return next(data.iterations(objective, self.state, self.options, self.random_state, max_iter=self.n_epochs))

        self.state, _ = with_workers(of, self.problem.X)


class NeighborRun:
    """Our Adam on J with neighbours, as a fit of an estimator makes it, on batches that are drawn beforehand."""

    def __init__(self, estimator, X, step_size):
        def of(workers):
            self.n_threads = workers.n_threads
            return _training.AutoencoderFit.of(estimator, DataInMemory(X, None, workers))

        fit = with_workers(of, X)
        self.X, self.objective, self.theta = X, fit.objectives(None).on_batches, fit.state.theta
        self.step_size, self.hyperparameters = step_size, tuple(fit.options.hyperparameters.values())
        self.state, self.targets = AdamState.start(self.theta), None
        group_size, batch_size = self.objective.group_size, fit.options.batch_size
        batches = pass_of_neighborhoods(
            X, None, fit.data.neighbors, group_size, batch_size, np.random.RandomState(0), BatchOrder()
        )
        self.batches = list(islice(batches, n_batches_of(len(X), batch_size)))

    def torch_objective(self, X, parameters, *hyperparameters):
        """J in PyTorch, of the rows of a batch."""
        import _torch

        own = {name: getattr(self.objective, name) for name in ("weight", "unit", "group_size")}
        of_code = partial(_torch.neighbor_term, **own)
        return _torch.objective(X, parameters, self.objective.network.activations, *hyperparameters, of_code=of_code)

    def value_and_gradient(self, batch):
        """J of a batch at the start, and its gradient."""
        with worker_threads() as workers:
            terms, pieces = MiniBatchLoss(self.objective, workers)(self.theta, batch)
            gradient = np.empty_like(self.theta)
            for part, compute in pieces:
                gradient[part] = compute()
        return terms.sum(), gradient

    def epoch(self):
        def of(workers):
            return next(
                adam(
                    MiniBatchLoss(self.objective, workers, targets=self.targets),
                    self.state,
                    batches=lambda: self.batches,
                    weight_of=attrgetter("n_rows"),
                    step_size=lambda n_steps: self.step_size,
                    map_=workers.map,
                )
            )

        self.state, _ = with_workers(of, self.X)
