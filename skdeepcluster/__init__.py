"""Deep clustering with sparse autoencoders, in scikit-learn's manner."""

from . import callbacks, clustering, exceptions, inspection, metrics, model_selection, plotting
from .autoencoder import SparseAutoencoderTransformer
from .clustering import DeepEmbeddedClustering
from .model_selection import ClusteringSearch

__version__ = "0.1.0.dev0"

__all__ = [
    "ClusteringSearch",
    "DeepEmbeddedClustering",
    "SparseAutoencoderTransformer",
    "callbacks",
    "clustering",
    "exceptions",
    "inspection",
    "metrics",
    "model_selection",
    "plotting",
]
