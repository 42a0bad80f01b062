"""scikit-learn's estimator checks: those that `parametrize_with_checks` runs, and those that it leaves out."""

import pytest
from sklearn.cluster import KMeans
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import ClusterTree, DeepEmbeddedClustering, NeighborAssigner

pytestmark = [
    # The checks' data is not standardised, some of it has only equal rows, and a few iterations are enough.
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning"),
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.CollapsedCodeWarning"),
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.DegenerateClusteringWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # The checks of set_output mix arrays and frames on purpose.
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning"),
]

EXTRA_CHECKS = ["check_param_validation", "check_dataframe_column_names_consistency"]
EXTRA_CHECKS_OF_TRANSFORMERS = [
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
]


def make_estimators():
    autoencoder = SparseAutoencoderTransformer(n_components=2, lam=0.01, max_iter=20, random_state=0)
    joint = DeepEmbeddedClustering(2, encoder=autoencoder, max_iter=2, update_interval=5, random_state=0)
    assigner = NeighborAssigner(KMeans(3, n_init=1, random_state=0), n_neighbors=3)
    return [autoencoder, joint, assigner, ClusterTree(random_state=0)]


# test_joint_data.py and test_assigner.py have sparse data.
_OF_CLASSIFIERS = "the check takes every estimator with predict_proba for a classifier"
_OF_SPARSE_DATA = dict.fromkeys(["check_estimator_sparse_array", "check_estimator_sparse_matrix"], _OF_CLASSIFIERS)
EXPECTED_FAILURES = {"DeepEmbeddedClustering": _OF_SPARSE_DATA, "NeighborAssigner": _OF_SPARSE_DATA}


def expected_failures(estimator):
    return EXPECTED_FAILURES.get(type(estimator).__name__, {})


@parametrize_with_checks(make_estimators(), expected_failed_checks=expected_failures)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", [*EXTRA_CHECKS, *EXTRA_CHECKS_OF_TRANSFORMERS])
@pytest.mark.parametrize("estimator", make_estimators(), ids=lambda estimator: type(estimator).__name__)
def test_extra_estimator_checks(estimator, check):
    if check in EXTRA_CHECKS_OF_TRANSFORMERS and not hasattr(estimator, "transform"):
        pytest.skip("no transformer")
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)
