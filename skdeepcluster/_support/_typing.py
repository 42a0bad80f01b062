"""Types of what users pass, and the decorators of scikit-learn with types."""

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config, set_config
from sklearn.utils._param_validation import InvalidParameterError

from ._guards import with_cleanup

if TYPE_CHECKING:
    # scikit-learn has no types, so its decorators would hide the types of what they decorate.
    Decorated = TypeVar("Decorated", bound=Callable[..., Any])

    def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Decorated], Decorated]: ...

    def validate_params(
        parameter_constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
    ) -> Callable[[Decorated], Decorated]: ...

    def available_if(check: Callable[[Any], bool]) -> Callable[[Decorated], Decorated]: ...

else:
    from sklearn.base import _fit_context
    from sklearn.utils import _param_validation
    from sklearn.utils.metaestimators import available_if

    def fit_context(*, prefer_skip_nested_validation):
        """scikit-learn's decorator, with errors about parameters that show numbers as users write them."""
        decorate = _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)

        def decorated(fit):
            validated = decorate(fit)

            @functools.wraps(validated)
            def with_plain_numbers(*args, **kwargs):
                with _plain_numbers():
                    return _with_settings_kept(lambda: validated(*args, **kwargs))

            return with_plain_numbers

        return decorated

    def validate_params(parameter_constraints, *, prefer_skip_nested_validation):
        """scikit-learn's decorator, with the function and its parameters named where a call does not fit them."""
        decorate = _param_validation.validate_params(
            parameter_constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
        )

        def decorated(function):
            validated, signature = decorate(function), inspect.signature(function)

            @functools.wraps(validated)
            def with_named_parameters(*args, **kwargs):
                try:
                    signature.bind(*args, **kwargs)
                except TypeError as error:
                    names = ", ".join(_parameters_of(signature))
                    raise TypeError(f"{function.__qualname__}({names}): {error}.") from None
                with _plain_numbers():
                    return _with_settings_kept(lambda: validated(*args, **kwargs))

            return with_named_parameters

        return decorated


def _with_settings_kept(work):
    """``work()``, after which scikit-learn has its settings as before: Ctrl-C may leave a context without its end."""
    return with_cleanup(work, functools.partial(set_config, **get_config()))


@contextmanager
def _plain_numbers():
    """Let scikit-learn's errors about parameters show np.float64(0.5) as 0.5."""
    try:
        yield
    except InvalidParameterError as error:
        error.args = (re.sub(r"\bnp\.\w+\(([^()]*)\)", r"\1", str(error)),)
        raise


def _parameters_of(signature):
    """The parameters as they stand in a call, without self and cls."""
    stars = ["*"]
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            yield from stars
            stars = []
        if name not in ("self", "cls"):
            yield name if parameter.default is parameter.empty else f"{name}=..."


__all__ = [
    "Activation",
    "ArrayLike",
    "Clusterer",
    "Estimator",
    "Float",
    "Int",
    "Ints",
    "MatrixLike",
    "RandomState",
    "SparseMatrix",
    "Transformer",
    "available_if",
    "fit_context",
    "validate_params",
]


class SparseMatrix(Protocol):
    """A sparse matrix or array of SciPy."""

    def tocsr(self) -> Any: ...


# Frames count as array-like: they have ``__array__``.
MatrixLike: TypeAlias = ArrayLike | SparseMatrix

Int: TypeAlias = int | np.integer
Float: TypeAlias = float | np.floating | np.integer
Ints: TypeAlias = Sequence[Int] | np.ndarray
RandomState: TypeAlias = Int | np.random.RandomState | None

Activation: TypeAlias = Literal["logistic", "relu", "tanh", "identity"]


class Estimator(Protocol):
    """What has ``fit``."""

    def fit(self, *args: Any, **kwargs: Any) -> Any: ...


class Clusterer(Protocol):
    """What has ``fit_predict``."""

    def fit_predict(self, *args: Any, **kwargs: Any) -> Any: ...


class Transformer(Protocol):
    """What has ``fit_transform``."""

    def fit_transform(self, *args: Any, **kwargs: Any) -> Any: ...
