"""What a run of the tests went through, which it says at its end."""

from collections import Counter, defaultdict

# {what: how many of each kind}
COUNTS = defaultdict(Counter)
