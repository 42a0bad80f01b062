"""Deep clustering with sparse autoencoders, in scikit-learn's manner."""

from . import callbacks, clustering, exceptions, metrics, model_selection, plotting
from .autoencoder import SparseAutoencoderTransformer

__version__ = "0.1.0.dev0"

__all__ = [
    "SparseAutoencoderTransformer",
    "callbacks",
    "clustering",
    "exceptions",
    "metrics",
    "model_selection",
    "plotting",
]
