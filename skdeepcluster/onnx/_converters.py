"""The converters by which skl2onnx makes operators of ONNX of the estimators of this package."""

from functools import partial

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.utils.validation import check_is_fitted

from ..autoencoder import SparseAutoencoderTransformer
from ..clustering import ClusterTree, DeepEmbeddedClustering, NeighborAssigner
from ._graph import Graph
from ._operators import add_assigner, add_encoder, add_joint, add_tree

# The first version of ONNX in which all operators that are used take their axes as an input.
LEAST_OPSET = 18


# Of every estimator what adds its operators, and its results, in this order.
_CONVERTERS = {
    SparseAutoencoderTransformer: (add_encoder, ["code"]),
    DeepEmbeddedClustering: (add_joint, ["label", "probabilities", "code"]),
    NeighborAssigner: (add_assigner, ["label", "probabilities"]),
    ClusterTree: (add_tree, ["label"]),
}


def register_converters():
    """Let skl2onnx know the estimators of this package."""
    for kind, (convert, names) in _CONVERTERS.items():
        alias = f"SkDeepCluster{kind.__name__}"
        update_registered_converter(
            kind,
            alias,
            partial(_set_shapes, names),
            partial(_convert, convert),
            parser=partial(_parse, alias, names),
        )


def _parse(alias, names, scope, model, inputs, custom_parsers=None):
    """Declare what a fitted estimator returns: numbers in the precision of the input. `_set_shapes` says how many."""
    check_is_fitted(model)
    operator = scope.declare_local_operator(alias, model)
    operator.inputs = inputs
    number = FloatTensorType if _dtype_of(inputs) == np.float32 else DoubleTensorType
    for name in names:
        is_text = name == "label" and model.labels_.dtype.kind in "OUST"
        kind = StringTensorType if is_text else Int64TensorType if name == "label" else number
        operator.outputs.append(scope.declare_local_variable(name, kind()))
    return operator.outputs


def _set_shapes(names, operator):
    model, n_rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    for name, variable in zip(names, operator.outputs):
        if name == "label":
            variable.type.shape = [n_rows]
        else:
            variable.type.shape = [n_rows, model.n_clusters_ if name == "probabilities" else model._n_features_out]


def _convert(convert, scope, operator, container):
    """Add the operators of an estimator. Its input is in parts if skl2onnx itself is given a frame."""
    if container.target_opset < LEAST_OPSET:
        raise ValueError(
            f"target_opset={container.target_opset} is too old for the converters of skdeepcluster. Give {LEAST_OPSET} "
            "or more."
        )
    graph, dtype = Graph(scope, container), _dtype_of(operator.inputs)
    parts = [graph.cast(given.full_name, dtype) for given in operator.inputs]
    X = graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    convert(graph, X, operator.raw_operator, dtype, *(variable.full_name for variable in operator.outputs))


def _dtype_of(inputs):
    """The precision to compute in: float64 if a part of the input has it."""
    if any(isinstance(given.type, StringTensorType) for given in inputs):
        raise TypeError("texts are no input of an estimator of skdeepcluster")
    is_double = any(isinstance(given.type, DoubleTensorType) for given in inputs)
    return np.dtype(np.float64 if is_double else np.float32)
