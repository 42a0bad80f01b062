"""Who has called a fit: whether Ctrl-C is for the fit alone, or for more than that."""

import sys

# Of scikit-learn, what calls one fit: a Pipeline, and what wraps methods. All else calls several, one after the other.
_OF_ONE_FIT = ("sklearn.pipeline", "sklearn.base", "sklearn.utils", "sklearn.callback")
_OF_SEVERAL = ("sklearn", "joblib.parallel", "skdeepcluster.model_selection")


def is_one_of_several_fits():
    """Whether a search, or something else that may call several fits, has called the one that runs in this thread.

    It looks at the modules of all functions that are being called. To be asked when Ctrl-C has come: if one fit
    ended well then, the next would begin.
    """
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if _is_in(module, _OF_SEVERAL) and not _is_in(module, _OF_ONE_FIT):
            return True
        frame = frame.f_back
    return False


def _is_in(module, packages):
    return any(f"{module}.".startswith(f"{package}.") for package in packages)
