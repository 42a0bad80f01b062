"""A table of mixed columns, in which groups of rows differ by some of them."""

import numpy as np
import pandas as pd

# By which columns a group differs from all others. Rows of no group have the label -1.
PLANTED = {
    0: {"income", "remark"},
    1: {"colour", "day"},
    2: {"temperature", "member"},
    3: {"wait", "phone"},
}
# Columns that differ between no groups.
OTHERS = ["id", "noise", "city", "grade", "visits"]

_WORDS = ["and", "for", "his", "her", "their", "which", "have", "with", "but", "not", "are", "they", "from", "this"]


def planted_table(n=1500, seed=0):
    """The table, and the groups."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(-1, 4, size=n)

    def share(group, inside, elsewhere):
        return rng.random(n) < np.where(groups == group, inside, elsewhere)

    is_late = share(1, 1.0, 0.0)
    has_price = share(0, 0.9, 0.05)
    table = pd.DataFrame(
        {
            "id": [f"A{i:06d}" for i in rng.permutation(n)],
            "income": rng.normal(30, 8, n) + np.where(groups == 0, 25, 0),
            "colour": np.where(share(1, 0.9, 0.05), "red", rng.choice(["green", "blue", "yellow"], n)),
            "day": np.datetime64("2020-01-01", "ns")
            + (rng.integers(0, 500, n) + np.where(is_late, 547, 0)) * np.timedelta64(1, "D"),
            # In the middle: its mean says nothing.
            "temperature": np.where(groups == 2, rng.normal(20, 1, n), rng.choice([10, 30], n) + rng.normal(0, 2, n)),
            "member": pd.array(share(2, 0.9, 0.2), dtype="boolean"),
            "wait": ((rng.exponential(5, n) + np.where(groups == 3, 60, 0)) * 3.6e12).astype("m8[ns]"),
            "remark": [
                " ".join([*rng.choice(_WORDS, 6), *(["price"] if has else []), str(i)])
                for i, has in enumerate(has_price)
            ],
            "phone": np.where(share(3, 0.8, 0.05), None, rng.integers(10**7, size=n).astype(str).astype(object)),
            "noise": rng.normal(size=n),
            "city": rng.choice(list("ABCDEFGHIJ"), n),
            "grade": pd.Categorical(rng.choice(["low", "middle", "high"], n)),
            "visits": pd.array(rng.poisson(3, n), dtype="Int64"),
        }
    )
    table.loc[rng.random(n) < 0.1, ["income", "visits"]] = None
    return table, groups
