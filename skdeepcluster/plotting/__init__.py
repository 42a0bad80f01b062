"""Pictures of training, code, clusters and searches, in the manner of scikit-learn's displays.

They need matplotlib: ``pip install "skdeepcluster[plot]"``. A display holds the arrays that it draws. ``plot`` draws
them again, into the axes that it is given, and returns the display, which has ``ax_`` and ``figure_``. A fitted search
stands for its best estimator.
"""

from ._clusters import ClusterEmbeddingDisplay
from ._code import ActivationDisplay, CodeWeightsDisplay
from ._eps import KDistanceDisplay
from ._profile import ClusterProfileDisplay
from ._reconstruction import ReconstructionDisplay
from ._rules import ClusterRulesDisplay
from ._selection import SearchDisplay
from ._separation import SilhouetteDisplay
from ._training import LossCurveDisplay
from ._tree import ClusterTreeDisplay

__all__ = [
    "ActivationDisplay",
    "ClusterEmbeddingDisplay",
    "ClusterProfileDisplay",
    "ClusterRulesDisplay",
    "ClusterTreeDisplay",
    "CodeWeightsDisplay",
    "KDistanceDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "SearchDisplay",
    "SilhouetteDisplay",
]
