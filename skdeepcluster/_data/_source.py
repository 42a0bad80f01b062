"""What training asks of data, wherever they are."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from .._network import Layers
from .._objectives import BatchObjective, Objective


class DataSource(ABC):
    """Rows to train on, with weights of mean 1.

    Attributes
    ----------
    X, sample_weight
        The rows, and their weights or None, as callbacks are given them.
    shape, dtype, is_sparse
        As of an array of NumPy.
    is_local : bool
        False if the rows can be lost while this process lives, as on a cluster. Then a fit keeps its `reached_theta`.
    largest : float
        The largest absolute value.
    rows_differ : bool
        Whether there are two rows that are not the same.
    """

    X: Any
    sample_weight: Any
    is_local: bool

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]: ...

    @property
    @abstractmethod
    def dtype(self) -> np.dtype: ...

    @property
    @abstractmethod
    def is_sparse(self) -> bool: ...

    @property
    @abstractmethod
    def largest(self) -> float: ...

    @property
    @abstractmethod
    def rows_differ(self) -> bool: ...

    @property
    @abstractmethod
    def total_variance(self) -> float:
        """Weighted mean over rows of ||x_i - mean||^2, computed anew each time."""

    def placed(self, array: np.ndarray) -> Any:
        """An array for the solver: in the library, and on the device, of the rows."""
        return array

    @abstractmethod
    def n_batches(self, batch_size: int) -> int:
        """Number of steps of Adam in an epoch."""

    @abstractmethod
    def full_batch(self, objective: Objective) -> Callable:
        """J and its gradient on all rows, as a function of the objective's theta.

        It returns the terms of J and the gradient. Its method ``terms(theta)`` returns the terms alone, and
        ``parameters(theta)`` all `Layers`.
        """

    @abstractmethod
    def iterations(
        self,
        objective: BatchObjective,
        state: Any,
        options: Any,
        random_state: np.random.RandomState,
        *,
        max_iter: int | None = None,
        n_batches: int | None = None,
        order: Any = None,
    ) -> Iterator[tuple[Any, np.ndarray]]:
        """Generate (state, terms) after every iteration of Adam from an `AdamState`, which may be overwritten.

        Parameters
        ----------
        objective : BatchObjective
        state : AdamState
        options : TrainingOptions
        random_state : numpy.random.RandomState
        max_iter : int, default=None
            The step falls linearly to zero over so many iterations; None means that it stays.
        n_batches : int, default=None
            Batches of an iteration, without regard to where an epoch ends; None means an epoch.
        order : BatchOrder, default=None
            Where the first iteration goes on, kept up to date.
        """

    @abstractmethod
    def outputs_of(self, layers: Layers) -> Self:
        """The outputs of the last layer as data, with the same weights; this object if there are no layers."""

    @abstractmethod
    def mean_squared_error(self, layers: Layers) -> float:
        """Weighted mean over rows, and mean over features, of (h(x) - x)^2, for all layers of an autoencoder."""

    @abstractmethod
    def code_moments(self, layers: Layers) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and variance over rows of every output of layers, shape (n_units,) each."""

    @abstractmethod
    def hold_out(self, fraction: float, random_state: np.random.RandomState) -> tuple[Self, Self]:
        """Data with a fraction of the rows set aside, and data of these."""
