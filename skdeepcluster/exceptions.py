"""The named warnings of skdeepcluster, to be silenced or turned into errors by category, and its error."""

__all__ = [
    "ClusterError",
    "CollapsedCodeWarning",
    "DegenerateClusteringWarning",
    "GridEdgeWarning",
    "InputScaleWarning",
    "InterruptedFitWarning",
    "NoStructureWarning",
    "TrivialReconstructionWarning",
]


class ClusterError(RuntimeError):
    """The Dask cluster that a fit ran on is gone, or its workers died again and again.

    Examples
    --------
    >>> from skdeepcluster.exceptions import ClusterError
    >>> try:  # model.fit(X), with a skdeepcluster.dask.DaskSparseAutoencoderTransformer
    ...     raise ClusterError("The Dask cluster is gone.")
    ... except ClusterError:
    ...     pass  # start a new one, and model.set_params(warm_start=True).fit(X)
    """


class CollapsedCodeWarning(UserWarning):
    """The code of a fitted autoencoder is (nearly) the same for every row, so it carries nothing to cluster by.

    Examples
    --------
    >>> import warnings
    >>> from skdeepcluster.exceptions import CollapsedCodeWarning
    >>> warnings.simplefilter("error", category=CollapsedCodeWarning)
    """


class DegenerateClusteringWarning(UserWarning):
    """A partition has too few or too many clusters for an internal score to be defined, or none for new rows.

    Examples
    --------
    >>> import warnings
    >>> from skdeepcluster.exceptions import DegenerateClusteringWarning
    >>> warnings.simplefilter("ignore", category=DegenerateClusteringWarning)
    """


class GridEdgeWarning(UserWarning):
    """The best of a search has the smallest or the largest value that was tried, and there may be better ones beyond.

    Examples
    --------
    >>> import warnings
    >>> from skdeepcluster.exceptions import GridEdgeWarning
    >>> warnings.simplefilter("ignore", category=GridEdgeWarning)
    """


class InputScaleWarning(UserWarning):
    """The input is far from standardised, while the defaults of rho, beta and lam are meant for standardised data.

    Examples
    --------
    >>> import warnings
    >>> from skdeepcluster.exceptions import InputScaleWarning
    >>> warnings.simplefilter("ignore", category=InputScaleWarning)
    """


class InterruptedFitWarning(UserWarning):
    """Training was interrupted by the user (Ctrl-C), and the estimator has the best parameters up to then.

    In a search, and wherever else the fit is one of several, Ctrl-C is a KeyboardInterrupt instead.

    Examples
    --------
    >>> import warnings
    >>> from skdeepcluster.exceptions import InterruptedFitWarning
    >>> warnings.simplefilter("error", category=InterruptedFitWarning)
    """


class NoStructureWarning(UserWarning):
    """The clusters found are no better than those of tables without any, so that their number means little.

    Examples
    --------
    >>> import warnings
    >>> from skdeepcluster.exceptions import NoStructureWarning
    >>> warnings.simplefilter("error", category=NoStructureWarning)
    """


class TrivialReconstructionWarning(UserWarning):
    """A fitted autoencoder reconstructs the training data hardly better than their mean row would.

    Examples
    --------
    >>> import warnings
    >>> from skdeepcluster.exceptions import TrivialReconstructionWarning
    >>> warnings.simplefilter("error", category=TrivialReconstructionWarning)
    """
