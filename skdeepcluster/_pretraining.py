"""Layer-wise pretraining: every layer as an autoencoder of its own, on the outputs of the layers below."""

import numpy as np

from ._network import Network, propagate
from ._rows import iterate_blocks


def subnetwork(network, layer):
    """The autoencoder that an encoder layer makes up with the decoder layer that mirrors it."""
    sizes = network.layer_sizes
    return Network(
        layer_sizes=(sizes[layer], sizes[layer + 1], sizes[layer]),
        activations=(network.activations[layer], network.activations[_mirrored(network, layer)]),
        n_encoder_layers=1,
        tied=network.tied,
    )


def copy_parameters(network, layer, source, target):
    """Copy the parameters of a `subnetwork` between (coefs, intercepts) of the network and its own, either way.

    Parameters
    ----------
    source, target : pairs of lists of ndarrays
        One of them has two layers, the other has all of them.
    """
    pair, everything = [0, 1], [layer, _mirrored(network, layer)]
    from_layers, to_layers = (pair, everything) if len(source[0]) == 2 else (everything, pair)
    for source_arrays, target_arrays in zip(source, target):
        for i, j in zip(from_layers, to_layers):
            target_arrays[j][...] = source_arrays[i]


def outputs_of(X, coefs, intercepts, activations):
    """Outputs of the last of these layers for all rows of X, in memory; X itself if there are none."""
    if not coefs:
        return X
    outputs = np.empty((X.shape[0], coefs[-1].shape[1]), dtype=coefs[-1].dtype)
    for rows, block in iterate_blocks(X, sum(W.shape[1] for W in coefs)):
        outputs[rows] = propagate(block, coefs, intercepts, activations)[-1]
    return outputs


def _mirrored(network, layer):
    return len(network.activations) - 1 - layer
