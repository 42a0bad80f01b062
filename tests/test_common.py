"""scikit-learn's estimator checks: those that `parametrize_with_checks` runs, and those that it leaves out."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdeepcluster import SparseAutoencoderTransformer

pytestmark = [
    # The checks' data is not standardised, some of it has only equal rows, and a few iterations are enough.
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.InputScaleWarning"),
    pytest.mark.filterwarnings("ignore::skdeepcluster.exceptions.CollapsedCodeWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # The checks of set_output mix arrays and frames on purpose.
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning"),
]

EXTRA_CHECKS = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
]


def make_estimator():
    return SparseAutoencoderTransformer(n_components=2, lam=0.01, max_iter=20, random_state=0)


@parametrize_with_checks([make_estimator()])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", EXTRA_CHECKS)
def test_extra_estimator_checks(check):
    getattr(estimator_checks, check)("SparseAutoencoderTransformer", make_estimator())
