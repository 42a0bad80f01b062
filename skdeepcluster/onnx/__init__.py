"""Fitted models out of Python: as models of ONNX, which onnxruntime and others run in many languages.

It needs more than the package does: ``pip install "skdeepcluster[onnx]"``. `skdeepcluster.onnx.to_onnx` is all there is
to call. With this module imported, functions of skl2onnx know the estimators of this package, too.
"""

try:
    from ._converters import register_converters
    from ._export import to_onnx
except ImportError as error:
    raise ImportError(f"skdeepcluster.onnx needs skl2onnx ({error}): pip install 'skdeepcluster[onnx]'.") from error

__all__ = ["to_onnx"]

register_converters()
