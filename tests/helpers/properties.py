"""The property that generated input is held to, and the count of cases that were."""

import re
import traceback
import warnings
from functools import wraps
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning

from helpers.extent import COUNTS
from helpers.state import fingerprint
from skdeepcluster import exceptions

ALLOWED_WARNINGS = (
    exceptions.CollapsedCodeWarning,
    exceptions.DegenerateClusteringWarning,
    exceptions.InputScaleWarning,
    exceptions.NoStructureWarning,
    exceptions.TrivialReconstructionWarning,
    ConvergenceWarning,
    FitFailedWarning,
)
# Warnings of scikit-learn about what it was given.
OF_OTHERS = re.compile(
    r"X (has|does not have valid) feature names|The total space of parameters \d+ is smaller than n_iter"
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


def attempt(function, *args, names=(), others=(), said=None, **kwargs):
    """(result, None), or (None, error) for an error that is as it is to be; everything else fails the test.

    Names are those of parameters and inputs, of which an error must mention one. No argument may change.
    Others are folders of libraries that a user's own estimators are from, which warn of what they like, and raise it,
    with a note of ours. What warnings say is appended to the list said.
    """
    before = [fingerprint(value) for value in (*args, *kwargs.values())]
    result, error, unexpected = None, None, []

    def note(message, category, filename, lineno, file=None, line=None):
        if said is not None:
            said.append(str(message))
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
    COUNTS["calls of generated cases"]["results" if error is None else "errors"] += 1
    if error is not None and not is_deliberate(error, {*names, *kwargs}):
        raise AssertionError("an error that no check raised, or that names nothing") from error
    assert not unexpected, unexpected
    assert before == [fingerprint(value) for value in (*args, *kwargs.values())], "an argument has changed"
    return result, error


def is_deliberate(error, names):
    """Whether an error says what is wrong: a parameter or, if it is of a check, ours or scikit-learn's, an input."""
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [i for i, path in enumerate(frames) if path.startswith(_PACKAGE)]
    after_own = frames[own[-1] + 1 :] if own else frames
    is_of_check = not after_own or any(check in path for path in after_own for check in _CHECKS)
    words = {"X", "Z", *names} if is_of_check else {*names}
    notes = getattr(error, "__notes__", ())
    # Those of a user's step or function say whose they are.
    is_of_user = any(note.startswith("This comes from") for note in notes)
    return is_of_user or bool(words & {*re.findall(r"\w+", "\n".join([str(error), *notes]))})


def assert_finite(*arrays):
    for array in arrays:
        assert np.isfinite(array).all(), array
