"""The property that generated input is held to, and the count of cases that were."""

import pickle
import re
import traceback
import warnings
from functools import wraps
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from _extent import COUNTS
from hypothesis import HealthCheck, given, settings
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning

from skdeepcluster import exceptions

ALLOWED_WARNINGS = (
    exceptions.CollapsedCodeWarning,
    exceptions.DegenerateClusteringWarning,
    exceptions.InputScaleWarning,
    ConvergenceWarning,
    FitFailedWarning,
)
# Warnings of scikit-learn about what it was given: the last one before it raises an error about inf beside -inf.
OF_OTHERS = re.compile(
    r"X (has|does not have valid) feature names|The total space of parameters \d+ is smaller than n_iter"
    "|invalid value encountered in reduce"
)

# Where the clusterers and transformers are that users bring with them.
ESTIMATORS_OF_USERS = ("sklearn/cluster/", "sklearn/preprocessing/", "sklearn/decomposition/")

_PACKAGE = str(Path(exceptions.__file__).parent)
# Where scikit-learn, as which we decide on errors, looks at what it is given.
_CHECKS = ("sklearn/utils/", "sklearn/base.py", "sklearn/model_selection/", "sklearn/_config.py")


def cases(share=1, **strategies):
    """Make a test one of generated cases, which are counted: share times those of the profile."""

    def decorate(test):
        @wraps(test)
        def counted(*args, **kwargs):
            test(*args, **kwargs)
            COUNTS["generated cases"][test.__module__.removeprefix("test_properties_")] += 1

        n_cases = max(1, round(share * settings().max_examples))
        # Fits are slow, tables large, and fixtures that tests share are not changed: these checks are not for us.
        checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
        return settings(max_examples=n_cases, suppress_health_check=checks)(given(**strategies)(counted))

    return decorate


def fingerprint(value):
    """Something that is equal for equal contents, NaN among them."""
    if sp.issparse(value):
        parts = [getattr(value, name, None) for name in ("data", "indices", "indptr", "row", "col", "rows")]
        return type(value), value.shape, [fingerprint(part) for part in parts]
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.shape, str(value.dtype), np.asarray(value).tobytes()
    if hasattr(value, "__dask_graph__"):
        return str(value.__dask_keys__())
    if hasattr(value, "columns"):
        return [str(name) for name in value.columns], repr(value.to_numpy().tolist())
    if isinstance(value, (dict, list, tuple, np.ndarray)):
        return repr(value)
    return repr(value) if not hasattr(value, "get_params") else pickle.dumps(value)


def attempt(function, *args, names=(), others=(), **kwargs):
    """(result, None), or (None, error) for an error that is as it is to be; everything else fails the test.

    Names are those of parameters and inputs, of which an error of our own must mention one. No argument may change.
    Others are folders of libraries that a user's own estimators are from, which warn of what they like, and raise it,
    with a note of ours.
    """
    before = [fingerprint(value) for value in (*args, *kwargs.values())]
    result, error, unexpected = None, None, []

    def note(message, category, filename, lineno, file=None, line=None):
        is_known = issubclass(category, ALLOWED_WARNINGS) or OF_OTHERS.search(str(message))
        paths = [frame.filename for frame in traceback.extract_stack()]
        if not is_known and not any(folder in path for folder in others for path in paths):
            unexpected.append(f"{category.__name__}: {message} ({filename}:{lineno})")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        try:
            result = function(*args, **kwargs)
        except (ValueError, TypeError) as raised:
            error = raised
        except Exception as raised:
            if not (others and hasattr(raised, "__notes__")):
                raise
            error = raised
    if error is not None and not is_deliberate(error, {*names, *kwargs}):
        raise AssertionError("an error that no check raised, or that names nothing") from error
    assert not unexpected, unexpected
    assert before == [fingerprint(value) for value in (*args, *kwargs.values())], "an argument has changed"
    return result, error


def is_deliberate(error, names):
    """Whether an error was raised by a check: one of scikit-learn, or one that names what is wrong."""
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [i for i, path in enumerate(frames) if path.startswith(_PACKAGE)]
    after_own = frames[own[-1] + 1 :] if own else frames
    if any(check in path for path in after_own for check in _CHECKS):
        return True
    words = {*names} if after_own else {"X", "Z", *names}
    said = "\n".join([str(error), *getattr(error, "__notes__", ())])
    return bool(words & {*re.findall(r"\w+", said)})


def state_of(estimator):
    """The attributes of an estimator, to be compared."""
    return {name: (id(value), fingerprint(value)) for name, value in vars(estimator).items()}


def assert_finite(*arrays):
    for array in arrays:
        assert np.isfinite(array).all(), array
