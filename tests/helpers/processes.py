"""Scripts in processes of their own."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import warnings
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory


def output_of(script, *arguments, **options):
    """What a script prints in a new interpreter; options are those of `subprocess.run`."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **options).stdout


def start_method():
    """That of processes which find the package imported, where the system has it: an import takes two seconds."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    # Once it runs, it keeps to this, also when Dask asks for other imports.
    multiprocessing.set_forkserver_preload(["skdeepcluster.clustering", "skdeepcluster.dask"])
    forkserver.ensure_running()
    return "forkserver"


def output_of_fork(script, *arguments, cwd=None, timeout=100, exitcode=0):
    """What a script prints in a process that has imported the package, and has not worked with it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "output")
        task = (textwrap.dedent(script), arguments, cwd, path)
        process = multiprocessing.get_context(start_method()).Process(target=_run, args=task)
        process.start()
        process.join(timeout)
        process.kill()
        process.join()
        assert process.exitcode == exitcode, process.exitcode
        return path.read_text()


def _run(script, arguments, cwd, path):
    warnings.simplefilter("ignore")
    sys.argv = ["-c", *arguments]
    if cwd:
        os.chdir(cwd)
    with open(path, "wb") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
    exec(compile(script, "script", "exec"), vars(sys.modules["__main__"]))
