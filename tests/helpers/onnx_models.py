"""What onnxruntime computes, and the estimators that models of ONNX are made of."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale

from skdeepcluster import SparseAutoencoderTransformer
from skdeepcluster.clustering import DeepEmbeddedClustering

onnxruntime = pytest.importorskip("onnxruntime", reason="there is no onnxruntime for this version of Python")

# Rows that models are fitted to.
N_FITTED = 200


def digits():
    """Rows, of which the first `N_FITTED` are for fits."""
    return scale(load_digits().data)[:400]


def autoencoder(n_components=8, **parameters):
    return SparseAutoencoderTransformer(n_components, **{"max_iter": 10, "random_state": 0, **parameters})


def joint(**parameters):
    return DeepEmbeddedClustering(4, encoder=autoencoder(), max_iter=2, random_state=0, **parameters)


def results_of(onnx_model, rows):
    """What onnxruntime computes, by name. The rows are an array, or a frame whose columns are inputs."""
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), providers=["CPUExecutionProvider"])
    if isinstance(rows, pd.DataFrame):
        inputs = {name: column.to_numpy()[:, np.newaxis] for name, column in rows.items()}
    else:
        inputs = {"X": rows}
    return dict(zip([result.name for result in session.get_outputs()], session.run(None, inputs)))


def assert_near(values, expected, atol):
    assert_allclose(values, expected, rtol=0, atol=atol)


def assert_equal_results(model, results, rows, dtype, atol):
    """That the results of a model of ONNX are those of the estimator, in the precision of the rows."""
    methods = {"code": "transform", "scores": "transform", "probabilities": "predict_proba"}
    label = results.pop("label", None)
    if label is not None:
        assert_array_equal(label.ravel(), model.predict(rows))
    for name, values in results.items():
        assert values.dtype == dtype
        expected = getattr(model, methods[name])(rows)
        assert_allclose(values, expected, rtol=atol, atol=atol)
