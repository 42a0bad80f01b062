"""Pages of the documentation whose blocks are one program."""

import re


def run_blocks(page, monkeypatch, folder):
    """Run the blocks of a page that are marked as python, in their order and in a folder, and return their names."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace = {"__name__": "__main__"}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE):
        exec(block, namespace)
    return namespace
