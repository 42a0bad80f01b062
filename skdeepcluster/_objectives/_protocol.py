"""What an objective is to those who evaluate it: the phases of an evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from .._network import Layers, Network, ParameterLayout
from ._block import Block, Sums
from ._gradients import ErrorSignals, GradientSums


class BatchObjective(ABC):
    """A function of theta and of a batch of rows, J, and its gradient, in phases.

    J is not a sum over blocks of rows: the KL term is nonlinear in means over all of them. So an evaluation looks at
    the blocks twice. Phases of one block may run on any thread, or machine::

        outputs = forward(theta, block)                       a block
        statistics(theta, block, outputs)                     a block; `Sums`, additive
        shared = combine(theta, sum of statistics)            once
        error_signals(theta, block, outputs, shared)          a block: the gradient in factors
        finish_in_pieces(theta, shared, signals of blocks)    once: the terms of J, and the pieces of its gradient

    What couples the rows of a batch adds up over blocks as a list of what each block has, in the order of the rows; a
    block of a batch knows its `position` there.

    Attributes
    ----------
    network : Network
    layout : ParameterLayout
        Where the parameters of the network lie in theta. There may be others behind them.
    term_names : tuple of str
        Of the terms of J, in the order in which they are returned.
    scale : float
        The solver minimises J / scale, and recorded terms are multiplied by scale again.
    only_products : bool
        Whether X is only ever multiplied, and its error known from `RowSums`: a sparse X is never made dense.
    has_large_blocks : bool
        Whether batches are cut into fewer blocks, which suits batches of a thousand rows.
    """

    network: Network
    layout: ParameterLayout
    scale: float = 1.0
    only_products: bool = False
    has_large_blocks: bool = False

    @property
    @abstractmethod
    def term_names(self) -> tuple[str, ...]: ...

    @abstractmethod
    def forward(self, theta: np.ndarray, block: Block) -> list[np.ndarray]:
        """Outputs of the layers that come before the second look at the rows, in the precision of theta."""

    @abstractmethod
    def statistics(self, theta: np.ndarray, block: Block, outputs: list[np.ndarray]) -> Sums:
        """What the gradient needs to know of all rows; additive."""

    @abstractmethod
    def combine(self, theta: np.ndarray, statistics: Any, map_: Callable = map) -> Any:
        """What the gradient of every row depends on, from the statistics of all rows; map_ may share out the work."""

    @abstractmethod
    def error_signals(self, theta: np.ndarray, block: Block, outputs: list[np.ndarray], shared: Any) -> Any:
        """What backpropagation leaves of a block."""

    @abstractmethod
    def finish_in_pieces(self, theta: np.ndarray, shared: Any, signals_of_blocks: list) -> tuple[np.ndarray, list]:
        """The terms of J, and its gradient as pairs of a slice of theta and a function that computes it there."""


class Objective(BatchObjective):
    """An objective that is also defined on all rows, as sums over blocks.

    Its phases are those of a batch but for the last. The factors that `error_signals` leaves of a block are multiplied,
    which gives its `GradientSums`; ``finish(theta, shared, sum of these)`` returns the terms of J and the gradient.
    Where J alone is asked for, `loss`, of a block and additive, and `terms`, once, take their place.
    """

    @abstractmethod
    def error_signals(self, theta: np.ndarray, block: Block, outputs: list[np.ndarray], shared: Any) -> ErrorSignals:
        """The factors of the gradient of a block."""

    @abstractmethod
    def finish(self, theta: np.ndarray, shared: Any, sums: GradientSums) -> tuple[np.ndarray, np.ndarray]:
        """The terms of J and its gradient, of shape (theta.size,), from the sums over all blocks; overwrites them."""

    @abstractmethod
    def loss(self, theta: np.ndarray, block: Block, outputs: list[np.ndarray]) -> float:
        """What the terms of J need of a block besides its statistics; additive."""

    @abstractmethod
    def terms(self, theta: np.ndarray, shared: Any, loss: float) -> np.ndarray:
        """The terms of J, from the sum of `loss` over all blocks."""

    @abstractmethod
    def parameters(self, theta: np.ndarray, shared: Any) -> Layers:
        """The layers of the whole network, also those that are no part of theta."""
