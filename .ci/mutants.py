"""Mutation testing: how many changes to the mathematics the tests notice, in a sample drawn at random.

    python .ci/mutants.py --sample 150          # of each package; hours for all of them with --sample 0

It needs mutmut==3.8.1, which reads what to mutate and which tests to run from pyproject.toml. Mutants that are killed
or run out of time count as noticed; the others are listed, and `python -m mutmut show NAME` shows one.
"""

import argparse
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

PACKAGES = ("_objectives", "_joint", "metrics", "_solvers")
NOTICED = ("killed", "timeout")


def mutmut(*arguments, **keywords):
    # Two mutants run at once: a BLAS of several threads would have them wait for each other.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    root = Path(__file__).parents[1]
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=root, env=environment, text=True, **keywords)


def statuses():
    """Of all mutants that there are, by name; of those that were not run as well."""
    lines = mutmut("results", "--all", "true", stdout=subprocess.PIPE, check=True).stdout.splitlines()
    return dict(line.strip().split(": ") for line in lines)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("packages", nargs="*", default=PACKAGES, help=f"some of {', '.join(PACKAGES)}; all by default")
    parser.add_argument("--sample", type=int, default=150, help="mutants of each package, 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if unknown := set(args.packages) - {*PACKAGES}:
        parser.error(f"no such package: {', '.join(unknown)}; there are {', '.join(PACKAGES)}")
    return args


def main():
    args = parse_args()
    # No mutant has this name: mutmut makes them all, sees which test runs what, and ends with an error.
    mutmut("run", "none", stderr=subprocess.DEVNULL)
    names = sorted(statuses())
    drawn = {}
    for package in args.packages:
        of_package = [name for name in names if name.startswith(f"skdeepcluster.{package}.")]
        size = min(args.sample or len(of_package), len(of_package))
        drawn[package] = random.Random(args.seed).sample(of_package, size)
        mutmut("run", *drawn[package], check=True)
    found = statuses()
    for package, sample in drawn.items():
        counts = Counter(found[name] for name in sample)
        n_all = sum(name.startswith(f"skdeepcluster.{package}.") for name in names)
        share = sum(counts[status] for status in NOTICED) / len(sample)
        print(f"{package}: {share:.1%} of {len(sample)} drawn from {n_all}: {dict(counts)}")
        for name in sorted(sample):
            if found[name] not in NOTICED:
                print(f"    {found[name]}: {name}")


if __name__ == "__main__":
    main()
