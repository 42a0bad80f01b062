"""Explanations of clusters in the columns of the table that was clustered."""

from ._conditions import Condition, Rule
from ._explain import explain_clusters
from ._explanation import ClusterExplanation

__all__ = ["ClusterExplanation", "Condition", "Rule", "explain_clusters"]
