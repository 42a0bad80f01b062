"""Timing side by side."""

import gc
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path


def alternate(contestants, n_runs):
    """Median seconds of every contestant, over rounds in which each has a turn: a call to warm up, one that counts.

    Contestants are a dict of name -> callable, or of name -> context manager factory that gives the callable.
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
    return {name: statistics.median(values) for name, values in seconds.items()}


def in_fresh_interpreter(script, *arguments):
    """The numbers in the last line that a script of this folder prints, run by itself so that its memory is its own."""
    command = [sys.executable, "-W", "ignore", Path(__file__).parent / script, *map(str, arguments)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [float(number) for number in output.splitlines()[-1].split()]
