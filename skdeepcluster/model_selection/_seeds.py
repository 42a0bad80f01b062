"""Random states of estimators that are fitted again and again."""

import numpy as np


def set_random_states(estimator, draw, *, only_missing):
    """Set each ``random_state`` of an estimator, at any depth, to ``draw(name)``; or only those that are None."""
    for name, value in sorted(estimator.get_params().items()):
        if name.split("__")[-1] == "random_state" and (value is None or not only_missing):
            estimator.set_params(**{name: draw(name)})


def draw_seed(random_state):
    """A number that makes a random state of its own."""
    return int(random_state.randint(np.iinfo(np.int32).max))
