"""The network: its shape, its parameters, its forward pass and backpropagation. It knows neither loss nor loop."""

from ._activations import ACTIVATIONS
from ._network import Layers, Network, ParameterLayout, initial_parameters, mirrored_network

__all__ = ["ACTIVATIONS", "Layers", "Network", "ParameterLayout", "initial_parameters", "mirrored_network"]
