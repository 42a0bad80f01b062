"""What a converter adds to a model of ONNX: operators whose inputs are results of others, by their names, or arrays."""

import numpy as np
from onnx.helper import np_dtype_to_tensor_dtype


class Graph:
    """Adds operators to the model that skl2onnx makes.

    Parameters
    ----------
    scope, container : Scope, ModelComponentContainer
        What skl2onnx gives a converter: the names, and the operators, that there are.
    """

    def __init__(self, scope, container):
        self._scope = scope
        self._container = container

    def add(self, kind, *inputs, output=None, **attributes):
        """Add an operator, and return the name of its result.

        Parameters
        ----------
        kind : str
            Its name in ONNX, such as "Gemm".
        *inputs : str or ndarray
            Names of results, and constants.
        output : str, default=None
            The name of the result; None is a new one.
        **attributes : dict
            Those of the operator.
        """
        return self._add(kind, inputs, [output or self._new_name(kind)], attributes)[0]

    def smallest(self, values, n_values):
        """The smallest values of every row, ascending, and the columns where they are."""
        outputs = [self._new_name("values"), self._new_name("columns")]
        return self._add("TopK", [values, np.array([n_values])], outputs, {"axis": 1, "largest": 0})

    def cast(self, name, dtype, output=None):
        """A result in another type, one of NumPy's."""
        return self.add("Cast", name, to=np_dtype_to_tensor_dtype(np.dtype(dtype)), output=output)

    def _add(self, kind, inputs, outputs, attributes):
        names = [given if isinstance(given, str) else self._constant(given) for given in inputs]
        name = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, names, outputs, name=name, **attributes)
        return outputs

    def _constant(self, array):
        """The name of an array that the model holds."""
        name = self._new_name("constant")
        # ONNX has one type for texts, and its operators take places as int64, which on some systems is not NumPy's int.
        kind = {"i": np.dtype(np.int64), "u": np.dtype(np.int64)}.get(array.dtype.kind, array.dtype)
        kind = np.dtype(object) if kind.kind in "OUST" else kind
        values = [str(text).encode() for text in array.flat] if kind.kind == "O" else array.astype(kind).ravel()
        self._container.add_initializer(name, np_dtype_to_tensor_dtype(kind), array.shape, values)
        return name

    def _new_name(self, word):
        return self._scope.get_unique_variable_name(word.lower())
