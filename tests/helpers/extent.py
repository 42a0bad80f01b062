"""How much a run of the tests goes through, which it says at its end."""

from collections import Counter, defaultdict

from hypothesis import settings

# {what: how many of each kind}
COUNTS = defaultdict(Counter)


def is_long():
    """Whether the run is the long one, of --hypothesis-profile=long."""
    return settings().max_examples > 100
