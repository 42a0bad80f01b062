"""Fitted models as models of ONNX."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import onnx
import skl2onnx
from scipy.sparse import issparse
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from skl2onnx.proto import get_latest_tested_opset_version
from sklearn.base import BaseEstimator, is_clusterer
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from .._arrays import is_numpy
from .._pipelines import copied, flat_steps
from .._support._typing import Int, validate_params
from ._converters import LEAST_OPSET

# What skl2onnx raises where it has no converter, and onnx where types contradict each other.
_NOT_CONVERTED = (
    RuntimeError,
    TypeError,
    AttributeError,
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
)

# Kinds of NumPy's types that become numbers.
_NUMBERS = "biuf"


@validate_params(
    {
        "model": [BaseEstimator],
        "X": "no_validation",
        "target_opset": [Interval(Integral, LEAST_OPSET, get_latest_tested_opset_version(), closed="both"), None],
    },
    prefer_skip_nested_validation=True,
)
def to_onnx(model: BaseEstimator, X: Any, *, target_opset: Int | None = None) -> onnx.ModelProto:
    """A fitted estimator or pipeline as a model of ONNX.

    It computes what ``predict``, ``predict_proba`` and ``transform`` do for new rows: one or any number of them, dense.
    The type of X is that of the rows that it will take, and decides in which precision it computes.

    Parameters
    ----------
    model : estimator
        A fitted estimator of this package, or a pipeline of these and of estimators of scikit-learn that skl2onnx
        knows. Of a fitted search it is the best one.
    X : array-like or pandas.DataFrame of shape (n_samples, n_features)
        Rows as `model` takes them, of which only types and names are kept; one is enough. They become an input of
        that name and of shape (n, n_features), float32 if X is, else float64, or texts. If the model begins with a
        `sklearn.compose.ColumnTransformer`, every column of a frame becomes one of shape (n, 1), in their order:
        texts, and numbers, float32 if all are, else float64. Their names are made of those of the columns.
    target_opset : int, default=None
        Version of the operators of ONNX, from 18 on, for runtimes that do not know the newest that skl2onnx does.

    Returns
    -------
    onnx_model : onnx.ModelProto
        Its results are "code" for a `SparseAutoencoderTransformer`, "label" and "probabilities" for a
        `NeighborAssigner`, all three for `DeepEmbeddedClustering`, and "label" for a `ClusterTree`. For others they are
        those of skl2onnx: for `sklearn.cluster.KMeans` "label" and "scores", the distances from the centres.
        ``onnx.save(onnx_model, path)`` writes it to a file.

    Raises
    ------
    ValueError
        If X is not what the model takes, or sparse, or the model has arrays that are not NumPy's, or a parameter is out
        of range, or a `NeighborAssigner` compares rows by other distances than Euclidean ones or cosine.
    TypeError
        If a step has no converter, or is a clusterer that other steps follow or one without ``predict``, or X has
        values that are neither numbers nor texts.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeepcluster import SparseAutoencoderTransformer
    >>> from skdeepcluster.onnx import to_onnx
    >>> X, _ = load_iris(return_X_y=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), SparseAutoencoderTransformer(8, random_state=0)
    ... ).fit(X)
    >>> onnx_model = to_onnx(model, X[:1])
    >>> (
    ...     [given.name for given in onnx_model.graph.input],
    ...     [result.name for result in onnx_model.graph.output],
    ... )
    (['X'], ['code'])
    """
    steps = _steps_of(model)
    for step in steps:
        if not is_numpy(getattr(step, "_fitted_array", None)):
            raise ValueError(
                f"This {type(step).__name__} has arrays of another library than NumPy. Move it first: "
                "sklearn.utils._array_api.move_estimator_to(model, numpy, 'cpu')."
            )
    types = _types_of(X, by_columns=isinstance(steps[0], ColumnTransformer))
    # Errors about X are those of the first step, which may write to its input.
    is_last = len(steps) == 1 and hasattr(steps[0], "predict")
    (steps[0].predict if is_last else steps[0].transform)(copied(X.iloc[:1] if hasattr(X, "iloc") else X[:1]))
    try:
        onnx_model = skl2onnx.to_onnx(make_pipeline(*steps), initial_types=types, target_opset=target_opset)
        onnx.checker.check_model(onnx_model, full_check=True)
    except NotFittedError:
        raise
    except _NOT_CONVERTED as error:
        reason = " ".join(str(error).split("You may raise")[0].split("It usually means")[0].split())
        raise TypeError(
            f"{type(model).__name__} cannot be exported to ONNX: every step must be an estimator of skdeepcluster, or "
            f"one that skl2onnx has a converter for, with these parameters and for {types[0][1]}; in float32 there are "
            f"more of them. ({reason})"
        ) from error
    return onnx_model


def _steps_of(model):
    """The steps that are to be exported, which are fitted."""
    steps = [step.to_local() if hasattr(step, "to_local") else step for _, step in flat_steps(model)]
    if not steps:
        raise TypeError(f"{model!r} has no step that could be exported to ONNX.")
    *others, last = steps
    for step in steps:
        check_is_fitted(step)
    if hasattr(last, "cv_results_"):
        raise TypeError(f"{type(last).__name__} has refit={last.refit!r}, and so no model to export. Set refit=True.")
    for step in others:
        if is_clusterer(step):
            raise TypeError(
                f"{step!r} cannot be exported to ONNX with steps after it. Export the pipeline up to it, or without it."
            )
    if is_clusterer(last) and not hasattr(last, "predict"):
        raise TypeError(
            f"{last!r} has no predict that could be exported to ONNX. Fit it as "
            f"skdeepcluster.clustering.NeighborAssigner({last!r})."
        )
    return steps


def _types_of(X, by_columns):
    """Names and types of the inputs for rows like those of X, as skl2onnx takes them; of a frame perhaps by columns."""
    if issparse(X):
        raise ValueError("X is sparse, but models of ONNX take dense rows. Give X[:1].toarray().")
    if by_columns and hasattr(X, "iloc"):
        is_single = all(kind == np.float32 for kind in X.dtypes if kind.kind in _NUMBERS)
        return [(str(name) or "_", _type_of(X[name].to_numpy(), name, is_single, 1)) for name in X.columns]
    X = np.asarray(X)
    # Vectorizers take one text for a row, models of ONNX a column of them.
    return [("X", _type_of(X, "X", X.dtype == np.float32, X.shape[1] if X.ndim > 1 else 1))]


def _type_of(values, name, is_single, n_columns):
    """The type of an input for values of an array, with any number of rows."""
    kind = values.dtype.kind
    if kind in _NUMBERS or (kind == "O" and all(isinstance(value, Real) for value in values.flat)):
        return (FloatTensorType if is_single else DoubleTensorType)([None, n_columns])
    if kind in "UT" or (kind == "O" and any(isinstance(value, str) for value in values.flat)):
        return StringTensorType([None, n_columns])
    raise TypeError(
        f"{name} has values of the type {values.dtype}, which models of ONNX cannot take. Make numbers or texts of "
        "them, or leave them out."
    )
