"""Which objective a network, its options and a data set take."""

from typing import NamedTuple

from ._linear_decoder import LinearDecoderObjective
from ._protocol import BatchObjective, Objective
from ._sparse_autoencoder import SparseAutoencoderObjective


class Objectives(NamedTuple):
    """Forms of one J.

    Attributes
    ----------
    reduced : Objective
        For L-BFGS; its theta may lack the output layer.
    on_batches : BatchObjective
        For Adam.
    exact : Objective
        For J of given parameters.
    """

    reduced: Objective
    on_batches: BatchObjective
    exact: Objective


def choose_objectives(network, hyperparameters, *, is_sparse):
    """The `Objectives` of the sparse autoencoder.

    Where X is dense, the residual makes a batch cheaper, and J in float32 more exact, than the products with X of
    `LinearDecoderObjective`; a sparse X would have to be made dense for it. An identity output layer whose weights are
    its own is projected out for L-BFGS.

    Parameters
    ----------
    network : Network
    hyperparameters : dict of str to float
        Of J, as `SparseAutoencoderObjective` takes them.
    is_sparse : bool
        Whether X is.
    """
    linear = network.activations[-1] == "identity"
    if linear and is_sparse:
        whole = LinearDecoderObjective(network, **hyperparameters, projected=False)
    else:
        whole = SparseAutoencoderObjective(network, **hyperparameters)
    reduced = whole
    if linear and not network.tied:
        reduced = LinearDecoderObjective(network, **hyperparameters, projected=True)
    return Objectives(reduced, on_batches=whole, exact=whole)
