"""Timing side by side."""

import gc
import os
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path


def timed(function, X, before=0.0):
    """(result, seconds), with those of what went before."""
    start = time.perf_counter()
    result = function(X)
    return result, before + time.perf_counter() - start


def alternate(contestants, n_runs, of=statistics.median):
    """Median seconds of every contestant, over rounds in which each has a turn: a call to warm up, one that counts.

    Contestants are a dict of name -> callable, or of name -> context manager factory that gives the callable. ``of`` is
    what is taken of the seconds in place of the median.
    """
    seconds = {name: [] for name in contestants}
    for _ in range(n_runs):
        for name, contestant in contestants.items():
            gc.collect()
            with contestant() if hasattr(contestant, "__wrapped__") else nullcontext(contestant) as call:
                call()
                start = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - start)
    return {name: of(values) for name, values in seconds.items()}


def in_fresh_interpreter(script, *arguments, checkout=None):
    """The numbers in the last line that a script of this folder prints, run by itself so that its memory is its own.

    With a checkout, the path of one, it imports the package from there.
    """
    command = [sys.executable, "-W", "ignore", Path(__file__).parent / script, *map(str, arguments)]
    environment = os.environ | ({} if checkout is None else {"PYTHONPATH": str(checkout)})
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    return [float(number) for number in output.splitlines()[-1].split()]
