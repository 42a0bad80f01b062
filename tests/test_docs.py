"""The examples on the pages of the documentation."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def examples(path):
    """What the blocks marked as pycon say; all other lines are blank, so that errors give the right numbers."""
    kept, inside = [], False
    for line in path.read_text().splitlines():
        inside = line == "```pycon" or (inside and line != "```")
        kept.append(line if inside and line != "```pycon" else "")
    return doctest.DocTestParser().get_doctest("\n".join(kept), {}, path.name, str(path), 0)


@pytest.mark.parametrize("name", ["clustering.md", "dask.md", "grid_search.md", "model_selection.md"])
def test_the_examples_of_a_page_run(name):
    page = examples(DOCS / name)
    assert len(page.examples) > 5
    output = []
    failed, _ = doctest.DocTestRunner().run(page, out=output.append)
    assert not failed, "".join(output)


def test_the_example_of_a_cluster_finds_its_clusters():
    command = [sys.executable, str(DOCS / "examples" / "cluster_on_dask.py"), "--rows", "20000"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Watch it at http" in run.stdout
    assert float(re.search(r"accuracy +([\d.]+)", run.stdout)[1]) > 0.99
