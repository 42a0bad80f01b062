"""Sample weights: what they come to, the same for rows in memory and on a cluster."""

from .._arrays import namespace

# A weight below this share of the largest counts as zero. It is far less than what rounding takes from the sums that it
# would be added to, and leaves products with it well above the least number of float32.
_LEAST_SHARE = 1e-30


def shares_of_largest(sample_weight, largest):
    """Weights divided by the largest of all of them, which is positive; 0 for those that count as zero."""
    # Divided before they are added up: sums of the weights themselves may overflow, or be lost among subnormal numbers.
    shares = sample_weight / largest
    shares[shares < _LEAST_SHARE] = 0
    return shares


def of_mean_one(shares):
    """Positive weights scaled to mean 1; None if all are the same, as None means ones."""
    xp = namespace(shares)
    if xp.min(shares) == xp.max(shares):
        return None
    return shares / xp.mean(shares)


def no_weight_is_positive():
    """The error for weights that are all zero."""
    return ValueError("sample_weight is zero for every row; at least one weight must be positive.")
