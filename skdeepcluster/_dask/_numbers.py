"""Types of chunks: those that are no real numbers are refused, before any work where the type is known."""

from .._support._tables import check_meaning

_REMEDIES = {
    "c": "Give the real parts, or both parts as columns.",
    "U": "Convert numbers by astype(float), and encode categories, as by OneHotEncoder.",
    "V": "Give every field a column: numpy.lib.recfunctions.structured_to_unstructured.",
}
_REMEDIES |= {"S": _REMEDIES["U"], "T": _REMEDIES["U"]}


def check_numbers(X, name):
    """Raise a ValueError if X, a table or weights or what describes them, has a type that is none of real numbers.

    Of objects, and of the types of pandas, it is not known before they are converted.
    """
    check_meaning(X, name)
    if hasattr(X, "dtypes") and hasattr(X, "columns"):
        types = [(f"column {column!r} of {name}", dtype) for column, dtype in zip(X.columns, X.dtypes)]
    else:
        types = [(name, getattr(X, "dtype", None))]
    for what, dtype in types:
        # The strings of pandas are objects by their kind.
        kind = "U" if getattr(dtype, "type", None) is str else getattr(dtype, "kind", "O")
        if kind in _REMEDIES:
            raise ValueError(f"{what} has the type {dtype}, and real numbers are needed. {_REMEDIES[kind]}")
