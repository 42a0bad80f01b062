"""The facts of the machine that a benchmark ran on."""

import os
import platform
import sys

import numpy
import scipy
import sklearn
from threadpoolctl import threadpool_info

import skdeepcluster


def describe_machine():
    """CPU, cores, versions and BLAS libraries, as lines of text."""
    lines = [
        f"{platform.system()} {platform.machine()}, {_cpu_name()}, {os.cpu_count()} cores",
        f"Python {sys.version.split()[0]}, skdeepcluster {skdeepcluster.__version__}, NumPy {numpy.__version__}, "
        f"SciPy {scipy.__version__}, scikit-learn {sklearn.__version__}",
    ]
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        lines.append(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    for library in threadpool_info():
        if library["user_api"] == "blas":
            core_type = library.get("architecture", "unknown core type")
            lines.append(
                f"{library['internal_api']} {library['version']}, {core_type}, {library['num_threads']} threads"
            )
    return "\n".join(lines)


def _cpu_name():
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            return next(line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown CPU"
