"""Layer-wise pretraining: every layer as an autoencoder of its own, on the outputs of the layers below."""

from .._arrays import copied
from .._network import Network


def subnetwork(network, layer):
    """The autoencoder that an encoder layer makes up with the decoder layer that mirrors it."""
    sizes = network.layer_sizes
    return Network(
        layer_sizes=(sizes[layer], sizes[layer + 1], sizes[layer]),
        activations=(network.activations[layer], network.activations[_mirrored(network, layer)]),
        n_encoder_layers=1,
        tied=network.tied,
    )


def layer_theta(network, layer, theta):
    """The parameters of a `subnetwork`, copied from those of the network."""
    coefs, intercepts, _ = network.layers(theta)
    pair = layer, _mirrored(network, layer)
    own = subnetwork(network, layer).layout
    return own.pack([coefs[i] for i in pair], [intercepts[i] for i in pair])


def with_layer_theta(network, layer, theta, own_theta):
    """A copy of the parameters of the network with those of a `subnetwork` in their places."""
    theta = copied(theta)
    arrays, own_arrays = network.layers(theta)[:2], subnetwork(network, layer).layers(own_theta)[:2]
    for whole, own in zip(arrays, own_arrays):
        for i, array in zip((layer, _mirrored(network, layer)), own):
            whole[i][...] = array
    return theta


def _mirrored(network, layer):
    return len(network.activations) - 1 - layer
