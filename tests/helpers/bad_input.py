"""What the tests of bad input share."""

import re
from contextlib import contextmanager
from functools import partial

import pytest

from skdeepcluster import SparseAutoencoderTransformer

# More than a float holds.
HUGE = 10**400

make = partial(SparseAutoencoderTransformer, n_components=3, max_iter=2, random_state=0)


@contextmanager
def raises(words, error=ValueError):
    """The error says these words, itself or in its notes."""
    with pytest.raises(error) as raised:
        yield
    said = "\n".join([str(raised.value), *getattr(raised.value, "__notes__", ())])
    assert re.search(words, said), said
