"""Scripts in an interpreter of their own."""

import subprocess
import sys
import textwrap


def output_of(script, *arguments, **options):
    """What a script prints; options are those of `subprocess.run`."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **options).stdout
