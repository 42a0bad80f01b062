"""Pages of the documentation whose blocks are one program."""

import re

import matplotlib.pyplot as plt


def run_blocks(page, monkeypatch, folder):
    """Run the blocks of a page that are marked as python, in their order and in a folder, and return their names."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace = {"__name__": "__main__"}
    try:
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE):
            exec(block, namespace)
    finally:
        plt.close("all")  # many open ones are a warning
    return namespace
